//! Texts as the published behaviour shows and shortens them, and as titles are searched.

use std::borrow::Cow;

use serde_json::Value;

use crate::domain::loose::trim;

/// The longest text that is said, in characters (contract 5.4).
pub(super) const BODY_CHARS_MAX: usize = 150;

/// The first `chars_max` characters of `text`.
pub(super) fn cut(text: &str, chars_max: usize) -> &str {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// `text` as it is said: trimmed, and no longer than may be said.
pub(super) fn body(text: &str) -> String {
    trim(cut(trim(text), BODY_CHARS_MAX)).to_owned()
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

/// In lower case letter by letter: what a letter becomes depends on no other one.
pub(super) fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
