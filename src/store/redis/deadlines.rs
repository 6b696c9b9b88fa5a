//! Which keys are to be woken, and claiming them so that nobody else wakes them too.

use std::collections::{HashMap, HashSet};

use redis::Value;

use super::link::Link;
use super::reply::{List, parse};
use super::{name, script};
use crate::domain::id::Key;
use crate::store::Error;

/// Claims keys whose deadline has passed.
pub(super) async fn overdue(
    link: &Link,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<Key>, Error> {
    let found = link.each(&script::OVERDUE, |command| {
        command.arg(now_ms).arg(limit);
    });
    claim(link, found.await?, until_ms, limit).await
}

/// Claims keys that were written when the clock was ahead, and are due behind the claim.
pub(super) async fn ahead(
    link: &Link,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<Key>, Error> {
    let found = link.each(&script::AHEAD, |command| {
        command.arg(now_ms).arg(until_ms).arg(limit);
    });
    claim(link, found.await?, until_ms, limit).await
}

/// Claims, among the keys that each bucket names with their deadlines, the first.
async fn claim(
    link: &Link,
    found: Vec<Value>,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<Key>, Error> {
    let mut wanted = Vec::new();
    for (bucket, found) in found.into_iter().enumerate() {
        let mut found = List::of(found)?;
        while found.len() > 0 {
            let (member, due) = (found.text()?, found.text()?);
            wanted.push((parse::<f64>(&due)?, bucket, member, due));
        }
    }
    wanted.sort_by(|one, other| one.0.total_cmp(&other.0));
    wanted.truncate(limit);
    let mut by_bucket: HashMap<usize, Vec<&str>> = HashMap::new();
    for (_, bucket, member, due) in &wanted {
        let members = by_bucket.entry(*bucket).or_default();
        members.extend([member.as_str(), due]);
    }
    let mut claimed = HashSet::new();
    for (bucket, members) in by_bucket {
        let claim = link.on(bucket, &script::CLAIM, |command| {
            command.arg(until_ms).arg(&members);
        });
        let mut answer = List::of(claim.await?)?;
        while answer.len() > 0 {
            claimed.insert(answer.text()?);
        }
    }
    let members = wanted.iter().map(|(_, _, member, _)| member);
    let won = members.filter(|member| claimed.contains(*member));
    Ok(won.filter_map(|member| name::parse(member)).collect())
}
