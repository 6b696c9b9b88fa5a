//! What instances tell each other: that there is something to look at, never what.

use std::sync::Arc;

use redis::InfoDict;

use crate::domain::id::ProductId;
use crate::store::News;

/// Reads `<instance> <what> <product>`; `None` for one's own news and for what nobody here understands.
pub(super) fn parse(text: &str, own: &str) -> Option<News> {
    let mut words = text.splitn(3, ' ');
    let (instance, what, product) = (words.next()?, words.next()?, words.next()?);
    if instance == own {
        return None;
    }
    let is = |kind: &str| what.split('+').any(|told| told == kind);
    Some(News {
        product: ProductId::from(product),
        is_for_feed: is("feed"),
        is_for_outbox: is("outbox"),
        is_erasure: is("erased"),
        is_registration: is("registered"),
    })
}

/// In which ways a server may lose what it has acknowledged, by what it says of itself. What it does not
/// say is not doubted.
pub(super) fn cautions(info: &InfoDict, appendfsync: Option<&str>) -> Vec<Arc<str>> {
    let is = |key: &str, value: &str| info.get::<String>(key).is_some_and(|found| found == value);
    let mut cautions: Vec<Arc<str>> = Vec::new();
    if is("aof_enabled", "0") {
        cautions.push(
            "Redis keeps no append-only file: a restart loses what was acknowledged since its last snapshot, \
             or everything (set appendonly yes and appendfsync always)"
                .into(),
        );
    } else if let Some(other) = appendfsync.filter(|policy| *policy != "always") {
        let window = match other {
            "everysec" => "about a second of what was acknowledged",
            _ => "what was acknowledged since the system last wrote it down",
        };
        cautions.push(
            format!(
                "Redis syncs with appendfsync {other}: a loss of power loses {window} (set appendfsync always)"
            )
            .into(),
        );
    }
    let policy: Option<String> = info.get("maxmemory_policy");
    if let Some(policy) = policy.filter(|policy| policy != "noeviction") {
        cautions.push(
            format!(
                "Redis evicts by {policy} when its memory is full: sessions and notes may vanish (set \
                 maxmemory-policy noeviction)"
            )
            .into(),
        );
    }
    cautions
}
