//! Which log entries go while the log is too large.

use std::collections::HashMap;

use redis::Value;

use super::log::offset;
use super::reply::List;
use crate::domain::log::Offset;
use crate::store::Error;

/// How many of its oldest entries each product of each bucket gives, so that the log has `excess_bytes` less;
/// at most `most` in all.
pub(super) fn share_out(
    buckets: Vec<Value>,
    mut excess_bytes: u64,
    most: usize,
) -> Result<Vec<HashMap<String, usize>>, Error> {
    let mut oldest: Vec<(Offset, usize, String, u64)> = Vec::new();
    let mut shares = vec![HashMap::new(); buckets.len()];
    for (bucket, found) in buckets.into_iter().enumerate() {
        for entry in List::of(found)?.lists() {
            let mut entry = entry?;
            let product = entry.text()?;
            oldest.push((offset(&entry.text()?)?, bucket, product, entry.number()?));
        }
    }
    oldest.sort_unstable();
    for (_, bucket, product, bytes) in oldest.into_iter().take(most) {
        if excess_bytes == 0 {
            break;
        }
        *shares[bucket].entry(product).or_insert(0) += 1;
        excess_bytes = excess_bytes.saturating_sub(bytes);
    }
    Ok(shares)
}
