//! Where rows go that cannot be read: kept as they are, counted, and out of the way.

use super::link::Link;
use super::script;
use crate::domain::id::ProductId;
use crate::store::Error;

/// A row: what it is, whose, and its name.
pub(super) type Row<'a> = (&'a str, &'a ProductId, &'a str);

/// Sets a row aside.
pub(super) async fn set(
    link: &Link,
    (what, product, row): Row<'_>,
    reason: &str,
    now_ms: u64,
) -> Result<(), Error> {
    let done = link.of(product, &script::SET_ASIDE, |command| {
        let told = [what, product.as_str(), row, reason];
        command.arg(&told).arg(now_ms);
    });
    done.await?;
    Ok(())
}

/// Sets a row aside that turned out to be unreadable. Where that fails it can wait for the next read of it.
pub(super) async fn flawed(link: &Link, row: Row<'_>, reason: &str, now_ms: u64) {
    let (what, product, name) = row;
    tracing::error!(%product, row = name, reason, "a {what} is unreadable and is set aside");
    if let Err(error) = set(link, row, reason, now_ms).await {
        tracing::warn!(%error, "an unreadable row could not be set aside yet");
    }
}
