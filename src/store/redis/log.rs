//! Log entries as they are read back.

use redis::Value;

use super::name;
use super::reply::{List, parse, surprise};
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::store::{Entry, Error};

/// An entry that cannot be read.
pub(super) struct Flawed {
    /// Its place in the stream.
    pub(super) offset: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// The entries of a page, and those of it that cannot be read.
pub(super) fn entries(product: &ProductId, page: List) -> Result<(Vec<Entry>, Vec<Flawed>), Error> {
    let (mut entries, mut flawed) = (Vec::with_capacity(page.len()), Vec::new());
    for entry in page.lists() {
        let mut entry = entry?;
        let offset = entry.text()?;
        match read(product, &offset, entry.list()?) {
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

fn read(product: &ProductId, at: &str, mut fields: List) -> Result<Entry, Error> {
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
