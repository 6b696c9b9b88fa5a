//! Between Unix seconds, in which the wire speaks, and milliseconds, in which deadlines are kept.

/// Unix seconds to whole milliseconds, rounded up, so that a deadline is never early; clamped to
/// what can be stored.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, which is the clamp that is wanted"
)]
pub fn to_ms(seconds: f64) -> u64 {
    // A product such as 1.15 * 1000 may land a hair above the whole number that was meant, and one of
    // an instant a hair after a millisecond may land on that millisecond.
    let exact = seconds * 1000.0;
    let nearest = exact.round();
    let is_meant = (exact - nearest).abs() < 1e-3 && nearest / 1000.0 >= seconds;
    let up = exact.ceil();
    let whole = if is_meant {
        nearest
    } else if up / 1000.0 < seconds {
        up + 1.0
    } else {
        up
    };
    whole.clamp(0.0, MS_MAX) as u64
}

/// A bound in whole milliseconds, of one for which zero seconds mean that there is none.
pub fn bound_ms(seconds: f64) -> Option<u64> {
    Some(to_ms(seconds)).filter(|ms| *ms > 0)
}

/// Milliseconds as the wire's seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this millennium fit a double exactly"
)]
pub fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Unix seconds of a time that a person wrote: Unix seconds, or an ISO 8601 time with its zone.
#[expect(
    clippy::cast_precision_loss,
    reason = "the year 9999 in milliseconds fits a double exactly"
)]
pub fn parse_s(text: &str) -> Option<f64> {
    match text.parse::<f64>() {
        Ok(seconds) => (seconds.is_finite() && seconds >= 0.0).then_some(seconds),
        Err(_) => {
            let at: jiff::Timestamp = text.parse().ok()?;
            Some(at.as_millisecond() as f64 / 1000.0)
        }
    }
}

/// The instant `after_s` later than `now`, on the grid of milliseconds on which clocks are read.
///
/// A sum of doubles can land a hair beside the instant that was meant; a timer set for one side of it
/// and a comparison made on the other would miss each other.
pub fn later(now: f64, after_s: f64) -> f64 {
    let exact = (now + after_s) * 1000.0;
    let nearest = exact.round();
    let whole = if (exact - nearest).abs() < 1e-3 {
        nearest
    } else {
        exact.ceil()
    };
    whole / 1000.0
}

/// The year 287396: later times cannot be told apart as doubles anyway.
const MS_MAX: f64 = 9_007_199_254_740_991.0;
