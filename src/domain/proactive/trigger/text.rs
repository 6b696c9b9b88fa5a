//! Texts as the published behaviour compares and shortens them.

/// The longest text that is said, in characters.
const BODY_CHARS_MAX: usize = 150;

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

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
