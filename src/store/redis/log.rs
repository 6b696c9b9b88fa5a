//! Log entries as they are read back. What cannot be read is set aside.

use std::borrow::Cow;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::link::Link;
use super::reply::{List, parse, surprise};
use super::{aside, name, script};
use crate::domain::id::ProductId;
use crate::domain::log::{NewEntry, Offset, SCHEMA_VERSION};
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

/// What is said of an entry besides its key, its place and its body: the version of its shape, type, time, source,
/// correlation id, and user, empty for none.
#[derive(Deserialize, Serialize)]
struct Said<'a>(
    u32,
    #[serde(borrow)] Cow<'a, str>,
    f64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

/// What is said of a new entry, as one text.
pub(super) fn said(entry: &NewEntry) -> String {
    let said = Said(
        SCHEMA_VERSION,
        entry.r#type.as_str().into(),
        entry.at,
        entry.source.into(),
        (&*entry.correlation_id).into(),
        entry.user_id.as_deref().unwrap_or_default().into(),
    );
    serde_json::to_string(&said).expect("numbers and texts")
}

/// An entry by its fields, which stand in the order of their writing (see `script/entry.lua`).
fn entry_at(product: &ProductId, at: &str, mut fields: List) -> Result<Entry, Error> {
    let mut texts = Vec::with_capacity(fields.len());
    while fields.len() > 0 {
        texts.push(fields.text()?);
    }
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let entry = |within: &str, sequence: &str, said: Said<'_>, body: &str| {
        let Said(schema_version, r#type, time, source, correlation_id, user) = said;
        let key = name::parse_within(product, within);
        Ok(Entry {
            offset: offset(at)?,
            key: key.ok_or_else(|| surprise("an unknown kind"))?,
            sequence: parse(sequence)?,
            schema_version,
            r#type: r#type.into(),
            at: time,
            source: source.into(),
            correlation_id: correlation_id.into(),
            user_id: Some(user).filter(|user| !user.is_empty()).map(Into::into),
            body: body.into(),
        })
    };
    match texts[..] {
        ["key", within, "chain", chain, "said", said, "body", body] => {
            let (sequence, _) = chain.split_once(' ').unwrap_or_default();
            let said = serde_json::from_str(said).map_err(|_| surprise("an unknown list"))?;
            entry(within, sequence, said, body)
        }
        // As layout 2 had them; what is behind the body is for scripts alone.
        [
            "key",
            within,
            "sequence",
            sequence,
            "schema",
            schema,
            "type",
            r#type,
            "at",
            time,
            "source",
            source,
            "correlation",
            correlation,
            "user",
            user,
            "body",
            body,
            ..,
        ] => {
            let texts = [r#type, source, correlation, user].map(Cow::Borrowed);
            let [r#type, source, correlation, user] = texts;
            let said = Said(
                parse(schema)?,
                r#type,
                parse(time)?,
                source,
                correlation,
                user,
            );
            entry(within, sequence, said, body)
        }
        _ => Err(surprise("other fields")),
    }
}
