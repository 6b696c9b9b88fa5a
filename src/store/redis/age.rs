//! What goes when its time is over, and which log entries go while the log is too large.

use std::collections::HashMap;

use redis::Value;

use super::link::Link;
use super::log::offset;
use super::reply::{List, count};
use super::script;
use crate::domain::log::Offset;
use crate::store::{Aged, Depth, Error, Retention};

/// How many rows of each kind one round of ageing removes.
const AGED_MAX: usize = 1_000;

/// One round of ageing.
pub(super) async fn age(link: &Link, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
    let answers = link.all(&script::AGE, |command| {
        command
            .arg(now_ms.saturating_sub(keep.log_ms))
            .arg(now_ms.saturating_sub(keep.state_ms))
            .arg(now_ms)
            .arg(now_ms.saturating_sub(keep.outbox_ms))
            .arg(AGED_MAX);
    });
    let mut aged = Aged::default();
    let most = AGED_MAX as u64;
    for answer in answers.await? {
        let mut answer = List::of(answer)?;
        let mut next = || answer.number::<u64>();
        let (entries, states, rows, deliveries) = (next()?, next()?, next()?, next()?);
        aged.entries += entries;
        aged.states += states;
        aged.deliveries += deliveries;
        aged.pending_links += next()?;
        aged.more |= [entries, states, rows, deliveries].contains(&most);
    }
    let left = AGED_MAX.saturating_sub(usize::try_from(aged.entries).unwrap_or(AGED_MAX));
    let shrunk = shrink_log(link, keep.log_bytes_max, left).await?;
    aged.entries += shrunk.entries;
    aged.more |= shrunk.more;
    Ok(aged)
}

/// Removes the oldest log entries while the log is larger than it may be.
async fn shrink_log(link: &Link, bytes_max: u64, most: usize) -> Result<Aged, Error> {
    let mut aged = Aged::default();
    let excess = depth(link).await?.log_bytes.saturating_sub(bytes_max);
    if excess == 0 || most == 0 {
        return Ok(aged);
    }
    let oldest = link.each(&script::OLDEST, |command| {
        command.arg(most);
    });
    let (shares, left_bytes) = share_out(oldest.await?, excess, most)?;
    for (bucket, share) in shares.into_iter().enumerate() {
        if share.is_empty() {
            continue;
        }
        let trim = link.on(bucket, &script::TRIM, |command| {
            for (product, entries) in share {
                command.arg(product).arg(entries);
            }
        });
        aged.entries += count(trim.await?)?;
    }
    aged.more = aged.entries > 0 && left_bytes > 0;
    Ok(aged)
}

/// Sizes of all buckets together.
pub(super) async fn depth(link: &Link) -> Result<Depth, Error> {
    let mut depth = Depth::default();
    for bucket in link.each(&script::DEPTH, |_| {}).await? {
        let mut counts = List::of(bucket)?;
        let mut next = || Ok::<u64, Error>(counts.number_if_any()?.unwrap_or(0));
        depth.outbox += next()?;
        depth.dead_letters += next()?;
        depth.log_bytes += next()?;
        depth.newest_ms = depth.newest_ms.max(next()?);
        depth.quarantined += next()?;
    }
    Ok(depth)
}

/// How many of its oldest entries each product of each bucket gives, so that the log has `excess_bytes` less;
/// at most `most` in all; and by how much the log is too large even then.
fn share_out(
    buckets: Vec<Value>,
    mut excess_bytes: u64,
    most: usize,
) -> Result<(Vec<HashMap<String, usize>>, u64), Error> {
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
    Ok((shares, excess_bytes))
}
