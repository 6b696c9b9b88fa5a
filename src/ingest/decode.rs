//! Request bytes to JSON. Bodies are UTF-8 whatever the charset parameter says (contract 3.4).
//! What a strict parser refuses but a sender plausibly produced is repaired once and read again:
//! invalid UTF-8, and escapes of half a surrogate pair. Nesting is bounded by the parser, so no
//! body can exhaust the stack.

use std::borrow::Cow;

use super::json::Node;

/// Parses `body`; `None` when it is not JSON.
pub(crate) fn parse(body: &[u8]) -> Option<Node<'_>> {
    // Once for all of it: a parser of bytes would look at each string by itself.
    let text = std::str::from_utf8(without_byte_order_mark(body)).ok()?;
    serde_json::from_str(text).ok()
}

/// The body with its flaws removed, or `None` when it has none of the flaws we know.
pub(crate) fn repair(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(without_byte_order_mark(body));
    match without_lone_surrogates(&text) {
        Some(repaired) => Some(repaired),
        None => match text {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        },
    }
}

fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// Removes `\uD800`–`\uDFFF` escapes that lack their other half; `None` when there were none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        let escape = at + found;
        let rest = &text.as_bytes()[escape..];
        at = match escaped_unit(rest) {
            None => escape + 1 + text[escape + 1..].chars().next().map_or(0, char::len_utf8),
            Some(0xD800..=0xDBFF)
                if matches!(rest.get(6..).and_then(escaped_unit), Some(0xDC00..=0xDFFF)) =>
            {
                escape + 12
            }
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&text[copied..escape]);
                copied = escape + 6;
                copied
            }
            Some(_) => escape + 6,
        };
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(&text[copied..]);
    Some(repaired)
}

/// The UTF-16 unit of a `\uXXXX` escape at the start of `bytes`.
fn escaped_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0_u16, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}
