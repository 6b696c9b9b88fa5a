//! Reading what Redis answers. A surprise is an error, never a panic.

use std::str::FromStr;
use std::sync::Arc;

use redis::Value;

use crate::store::Error;

/// A list that is read from the front.
pub(super) struct List(std::vec::IntoIter<Value>);

impl List {
    /// A list, or nothing where Redis says nil.
    pub(super) fn of(value: Value) -> Result<Self, Error> {
        match value {
            Value::Array(values) => Ok(Self(values.into_iter())),
            Value::Nil => Ok(Self(Vec::new().into_iter())),
            _ => Err(surprise("no list")),
        }
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What comes next.
    pub(super) fn value(&mut self) -> Result<Value, Error> {
        self.0.next().ok_or_else(|| surprise("a short list"))
    }

    /// The list that comes next.
    pub(super) fn list(&mut self) -> Result<Self, Error> {
        Self::of(self.value()?)
    }

    /// All that is left, as lists.
    pub(super) fn lists(self) -> impl Iterator<Item = Result<Self, Error>> {
        self.0.map(Self::of)
    }

    /// The bytes that come next.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.bytes_if_any()?.ok_or_else(|| surprise("nothing"))
    }

    /// The same, unless Redis says nil.
    pub(super) fn bytes_if_any(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.value()? {
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::SimpleString(text) => Ok(Some(text.into_bytes())),
            Value::Int(number) => Ok(Some(number.to_string().into_bytes())),
            Value::Nil => Ok(None),
            _ => Err(surprise("no text")),
        }
    }

    /// The text that comes next.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(|_| surprise("text that is not UTF-8"))
    }

    /// The same, unless Redis says nil.
    pub(super) fn text_if_any(&mut self) -> Result<Option<Arc<str>>, Error> {
        let bytes = self.bytes_if_any()?.map(String::from_utf8).transpose();
        let text = bytes.map_err(|_| surprise("text that is not UTF-8"))?;
        Ok(text.map(Into::into))
    }

    /// The number that comes next.
    pub(super) fn number<T: FromStr>(&mut self) -> Result<T, Error> {
        parse(&self.text()?)
    }

    /// The same, unless Redis says nil.
    pub(super) fn number_if_any<T: FromStr>(&mut self) -> Result<Option<T>, Error> {
        self.text_if_any()?.map(|text| parse(&text)).transpose()
    }
}

/// A number as it is written.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_| surprise("something else than a number"))
}

/// A number that is answered alone.
pub(super) fn count(value: Value) -> Result<u64, Error> {
    match value {
        Value::Int(number) => Ok(number.unsigned_abs()),
        _ => Err(surprise("no number")),
    }
}

/// What was said is not what was asked for.
pub(super) fn surprise(what: &str) -> Error {
    Error::Backend(format!("Redis answered with {what} where none belongs").into())
}
