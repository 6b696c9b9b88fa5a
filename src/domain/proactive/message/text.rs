//! Configured values as text.

use std::borrow::Cow;

use serde_json::Value;

/// Without white space at both ends: what Unicode calls so, and the four information separators.
pub(in crate::domain::proactive) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// Trimmed text of a value that can be shown. Numbers are written out and `true` is the word `True`, as published
/// clients show them; of anything else, and of a blank text, there is none.
pub(in crate::domain::proactive) fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(trim(text)),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(true) => Cow::Borrowed("True"),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Whether a value counts as set: not `null`, `false`, zero or empty. A text is set whatever it says.
pub(in crate::domain::proactive) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_set) => *is_set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}
