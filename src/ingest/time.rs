//! When a raw event happened (contract 3.6.6). Two moments are told apart here: what the provider
//! says, and receipt, which fills in for it.

use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::json::Node;

/// How far ahead of us a provider's clock may be, in seconds, before we stop believing it.
const FUTURE_S_MAX: f64 = 300.0;

/// From this number on, an integer counts milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// The start of an action, in Unix seconds: the first of `candidates` that can be read. Receipt
/// time when there is none, or when it lies too far in the future.
pub(crate) fn start(candidates: &[Option<&Node<'_>>], received_at: f64) -> f64 {
    candidates
        .iter()
        .flatten()
        .find_map(|candidate| seconds(candidate))
        .filter(|at| *at <= received_at + FUTURE_S_MAX)
        .unwrap_or(received_at)
}

/// The moment a value names, in Unix seconds; `None` for anything at or before 1970.
fn seconds(value: &Node<'_>) -> Option<f64> {
    let seconds = match value {
        Node::Number(number) => number_seconds(number.as_f64()),
        Node::Text(text) => text_seconds(text.trim())?,
        _ => return None,
    };
    (seconds > 0.0).then_some(seconds)
}

fn number_seconds(number: f64) -> f64 {
    if number >= MILLISECONDS_FROM {
        number / 1000.0
    } else {
        number
    }
}

/// ISO 8601 in any precision and with any offset, UTC where none is given, or a number in digits.
fn text_seconds(text: &str) -> Option<f64> {
    // Eight digits would be a date and fourteen nothing at all; no provider writes either, while
    // numbers in quotes are common.
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return text.parse().ok().map(number_seconds);
    }
    let (head, tail) = at_most_nanoseconds(text);
    let joined;
    let text = if tail.is_empty() {
        head
    } else {
        joined = format!("{head}{tail}");
        &joined
    };
    let pieces = Pieces::parse(text).ok()?;
    let clock = pieces.time().unwrap_or_default();
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    let moment = offset.to_timestamp(pieces.date().to_datetime(clock)).ok()?;
    Some(exact_seconds(moment.as_microsecond()))
}

/// Seconds with a fraction, rounded once: a sum of two floats would round twice.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since 1970 stay below 2^53 until the year 2255"
)]
fn exact_seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// Splits off a fraction's digits beyond the ninth, which no clock needs and the parser refuses:
/// what comes before them, and what comes after.
fn at_most_nanoseconds(text: &str) -> (&str, &str) {
    let Some(point) = text.find(['.', ',']) else {
        return (text, "");
    };
    let digits = text[point + 1..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    if digits <= 9 {
        return (text, "");
    }
    (&text[..point + 10], &text[point + 1 + digits..])
}
