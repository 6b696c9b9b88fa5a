//! Which segments of a path name one thing among many, and so become `:id` (contract 3.6.5).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::identity::is_address;

/// What replaces such a segment.
pub(crate) const PLACEHOLDER: &str = ":id";

/// Whether a segment, percent-decoded, is an identifier rather than a word.
pub(crate) fn is_identifier(segment: &str) -> bool {
    let decoded: Cow<'_, str> = if segment.contains('%') {
        percent_decode_str(segment).decode_utf8_lossy()
    } else {
        Cow::Borrowed(segment)
    };
    let Some(shape) = Shape::of(&decoded) else {
        return is_address(&decoded);
    };
    let bytes = decoded.as_bytes();
    if shape.digits == 0 {
        // Nothing else does without.
        return is_uuid(bytes);
    }
    shape.digits == bytes.len()
        || (shape.is_hex() && bytes.len() >= 8)
        || is_uuid(bytes)
        || is_ulid(bytes)
        || is_iso_date(&decoded)
        || is_prefixed_id(&decoded)
        || is_key_and_number(&decoded)
        || (bytes.len() >= 12
            && shape.upper > 0
            && shape.lower > 0
            && shape.others == 0
            && !is_word_slug(&decoded))
}

/// How many characters of each kind a segment of plain ASCII has.
#[derive(Default)]
struct Shape {
    digits: usize,
    upper: usize,
    lower: usize,
    /// Letters beyond `f`.
    beyond_hex: usize,
    dashes: usize,
    others: usize,
}

impl Shape {
    /// `None` for a segment that is empty or could only be an address.
    fn of(segment: &str) -> Option<Self> {
        let mut shape = Self::default();
        for byte in segment.bytes() {
            match byte {
                b'0'..=b'9' => shape.digits += 1,
                b'A'..=b'Z' => shape.upper += 1,
                b'a'..=b'z' => shape.lower += 1,
                b'-' | b'_' => shape.dashes += 1,
                b'@' => return None,
                _ => shape.others += 1,
            }
            shape.beyond_hex +=
                usize::from(byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit());
        }
        (!segment.is_empty()).then_some(shape)
    }

    /// Whether every character is a hexadecimal digit, with at least one letter.
    fn is_hex(&self) -> bool {
        self.beyond_hex + self.dashes + self.others == 0 && self.upper + self.lower > 0
    }
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// 26 characters of Crockford's alphabet; the first is at most 7, since 128 bits fit.
fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && matches!(bytes.first(), Some(b'0'..=b'7'))
        && bytes.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U')
        })
}

/// `YYYY-MM-DD`, with or without a time.
fn is_iso_date(segment: &str) -> bool {
    let (date, time) = segment.split_once('T').unwrap_or((segment, "0"));
    let mut parts = date.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<u16>().ok()).flatten()
    };
    let valid = number(4).is_some()
        && number(2).is_some_and(|month| (1..=12).contains(&month))
        && number(2).is_some_and(|day| (1..=31).contains(&day));
    valid
        && parts.next().is_none()
        && time.starts_with(|c: char| c.is_ascii_digit())
        && time
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | ',' | '+' | '-' | 'Z'))
}

/// Letters, an underscore, then at least three letters or digits: `cus_9s6X`, `u_4471`.
fn is_prefixed_id(segment: &str) -> bool {
    segment.split_once('_').is_some_and(|(prefix, id)| {
        !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphabetic()) && is_mixed(id)
    })
}

/// An upper-case key, a dash, then a number: `INV-20931`, `ABC-12`.
fn is_key_and_number(segment: &str) -> bool {
    segment.split_once('-').is_some_and(|(key, number)| {
        !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_uppercase())
            && (is_number(number) || is_mixed(number))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// At least three letters or digits, one of them a digit.
fn is_mixed(text: &str) -> bool {
    text.len() >= 3
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Words with perhaps a year or a number among them, as in `Annual-Report-2026`: never replaced,
/// however much they look like a random token.
fn is_word_slug(segment: &str) -> bool {
    let parts = || segment.split(['-', '_']).filter(|part| !part.is_empty());
    let is_word = |part: &str| {
        let tail = part.get(1..).unwrap_or_default();
        part.bytes().all(|byte| byte.is_ascii_alphabetic())
            && (tail.bytes().all(|byte| byte.is_ascii_lowercase())
                || part.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    let is_count = |part: &str| {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        part.len() - digits.len() <= 1 && digits.len() <= 4 && is_number(digits)
    };
    parts().count() > 1
        && parts().any(|part| part.len() >= 3 && is_word(part))
        && parts().all(|part| is_word(part) || is_count(part))
}
