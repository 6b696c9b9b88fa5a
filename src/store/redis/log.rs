//! Log entries as they are read back. What cannot be read is set aside.

use redis::Value;

use super::link::Link;
use super::reply::{List, parse, surprise};
use super::{aside, name, script};
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::store::{Entry, Error, FeedPage};

/// How many log entries one script looks at.
const LOOKED_MAX: usize = 1_000;

/// An entry that cannot be read.
struct Flawed {
    /// Its place in the stream.
    offset: String,
    /// What is wrong with it.
    reason: String,
}

/// A stretch of a tenant's feed.
pub(super) async fn feed(
    link: &Link,
    product: &ProductId,
    after: Offset,
    limit: usize,
) -> Result<FeedPage, Error> {
    let mut page = FeedPage {
        scanned: after,
        ..FeedPage::default()
    };
    while page.entries.len() < limit {
        let answer = link.of(product, &script::FEED, |command| {
            command
                .arg(product.as_str())
                .arg(page.scanned.to_string())
                .arg(limit - page.entries.len())
                .arg(LOOKED_MAX);
        });
        let mut answer = List::of(answer.await?)?;
        let entries = answer.list()?;
        page.scanned = offset(&answer.text()?)?.max(page.scanned);
        page.trimmed = offset_if_any(answer.value()?)?;
        let has_more = answer.number::<u8>()? == 1;
        page.entries.extend(read(link, product, entries).await?);
        if !has_more {
            break;
        }
    }
    Ok(page)
}

/// The entries of a page; those that cannot be read are set aside.
pub(super) async fn read(
    link: &Link,
    product: &ProductId,
    page: List,
) -> Result<Vec<Entry>, Error> {
    let (entries, flawed) = entries(product, page)?;
    for flawed in flawed {
        let row = ("log entry", product, flawed.offset.as_str());
        aside::flawed(link, row, &flawed.reason, 0).await;
    }
    Ok(entries)
}

/// The entries of a page that can be read.
pub(super) fn sound(product: &ProductId, page: List) -> Result<Vec<Entry>, Error> {
    Ok(entries(product, page)?.0)
}

/// The entries of a page, and those of it that cannot be read.
fn entries(product: &ProductId, page: List) -> Result<(Vec<Entry>, Vec<Flawed>), Error> {
    let (mut entries, mut flawed) = (Vec::with_capacity(page.len()), Vec::new());
    for entry in page.lists() {
        let mut entry = entry?;
        let offset = entry.text()?;
        match entry_at(product, &offset, entry.list()?) {
            Ok(entry) => entries.push(entry),
            Err(error) => flawed.push(Flawed {
                offset,
                reason: error.to_string(),
            }),
        }
    }
    Ok((entries, flawed))
}

/// An offset as Redis writes it.
pub(super) fn offset(text: &str) -> Result<Offset, Error> {
    Offset::parse(text).ok_or_else(|| surprise("something else than an offset"))
}

/// An offset that may not be there.
pub(super) fn offset_if_any(value: Value) -> Result<Offset, Error> {
    match List::of(Value::Array(vec![value]))?.text_if_any()? {
        Some(text) => offset(&text),
        None => Ok(Offset::default()),
    }
}

fn entry_at(product: &ProductId, at: &str, mut fields: List) -> Result<Entry, Error> {
    let mut next = |name: &str| {
        let is_as_written = fields.text()? == name;
        let value = fields.text()?;
        is_as_written
            .then_some(value)
            .ok_or_else(|| surprise("another field"))
    };
    let within = next("key")?;
    let key = name::parse_within(product, &within);
    Ok(Entry {
        offset: offset(at)?,
        key: key.ok_or_else(|| surprise("an unknown kind"))?,
        sequence: parse(&next("sequence")?)?,
        schema_version: parse(&next("schema")?)?,
        r#type: next("type")?.into(),
        at: parse(&next("at")?)?,
        source: next("source")?.into(),
        correlation_id: next("correlation")?.into(),
        user_id: Some(next("user")?)
            .filter(|user| !user.is_empty())
            .map(Into::into),
        body: next("body")?.into(),
    })
}
