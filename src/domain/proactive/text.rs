//! Texts as the published behaviour compares, shows and shortens them.

use std::borrow::Cow;

use serde_json::Value;

/// The longest text that is said, in characters (contract 5.4).
pub(super) const BODY_CHARS_MAX: usize = 150;

/// `text` without white space around it. The four separators of ASCII count as white space.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The first `chars_max` characters of `text`.
pub(super) fn cut(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// `text` as it is said: trimmed, and no longer than may be said.
pub(super) fn body(text: &str) -> String {
    let cut = cut(trim(text), BODY_CHARS_MAX);
    cut.trim_end_matches(is_blank).to_owned()
}

/// Trimmed text of a value that can be shown. Numbers are written out and `true` is the word `True`, as published
/// clients show them; of anything else, and of a blank text, there is none.
pub(super) fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(trim(text)),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(true) => Cow::Borrowed("True"),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Whether a value counts as set: not `null`, `false`, zero or empty. A text is set whatever it says.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_set) => *is_set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
