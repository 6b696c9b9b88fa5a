//! One value of a record, of whatever type it arrived in.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::loose::is_truthy;

/// A value as it arrived, or its default.
///
/// Published clients check no types: a number in a text field stays a number, and integers keep
/// all their digits. Displayed, text is printed as it is, everything else as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Field(Value);

impl Field {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// The number, if it is one. Large integers lose digits.
    pub fn as_f64(&self) -> Option<f64> {
        self.0.as_f64()
    }

    /// Whether the value counts as present: not `null`, `false`, zero, or empty. Text of blanks
    /// does count.
    pub fn is_truthy(&self) -> bool {
        is_truthy(&self.0)
    }

    /// The value if it is truthy, else `default`.
    pub(super) fn or(record: &Map<String, Value>, name: &str, default: impl Into<Value>) -> Self {
        let value = record.get(name).filter(|value| is_truthy(value));
        Self(value.cloned().unwrap_or_else(|| default.into()))
    }

    /// The value whatever it is; `null` when it is missing.
    pub(super) fn as_is(record: &Map<String, Value>, name: &str) -> Self {
        Self(record.get(name).cloned().unwrap_or_default())
    }
}

impl From<Value> for Field {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => f.write_str(text),
            other => fmt::Display::fmt(other, f),
        }
    }
}
