//! A time as a person types it, and as one reads it.

use std::convert::Infallible;
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// How long ago something was, or anything else, which whoever is asked may understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So many milliseconds ago: typed as `90s`, `10m`, `2h`, `3d`, or several of them together.
    AgoMs(u64),
    /// As it was typed.
    Typed(String),
}

impl Moment {
    /// Unix seconds, or what was typed.
    pub(super) fn at(&self, now_ms: u64) -> String {
        match self {
            Self::AgoMs(ms) => {
                let at_ms = now_ms.saturating_sub(*ms);
                format!("{}.{:03}", at_ms / 1000, at_ms % 1000)
            }
            Self::Typed(text) => text.clone(),
        }
    }
}

impl FromStr for Moment {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let typed = || Self::Typed(text.to_owned());
        let ms = length(text).and_then(|length| u64::try_from(length.abs().as_millis()).ok());
        Ok(ms.map_or_else(typed, Self::AgoMs))
    }
}

/// Reads a length of time that is typed like [`Moment::AgoMs`], in seconds.
pub(super) fn length_s(text: &str) -> Result<f64, &'static str> {
    let length = length(text).filter(|length| !length.is_negative());
    let length = length.ok_or("is a length of time such as 90s, 2h or 3d")?;
    Ok(length.as_secs_f64())
}

fn length(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// `2026-11-21 15:14:22 UTC`.
pub(super) fn date(at_s: f64) -> String {
    written(at_s, "%Y-%m-%d %H:%M:%S UTC")
}

/// `Nov 21 15:14:22`, in UTC: what is listed is seldom older than a week.
pub(super) fn short_date(at_s: f64) -> String {
    written(at_s, "%b %d %H:%M:%S")
}

/// `2026-11-21`, in UTC.
pub(super) fn day(at_s: f64) -> String {
    written(at_s, "%Y-%m-%d")
}

/// `15:14:22`, in UTC.
pub(super) fn time_of_day(at_s: f64) -> String {
    written(at_s, "%H:%M:%S")
}

fn written(at_s: f64, form: &str) -> String {
    let since_1970 = SignedDuration::try_from_secs_f64(at_s).ok();
    let at = since_1970.and_then(|length| jiff::Timestamp::from_duration(length).ok());
    at.map_or_else(|| "?".to_owned(), |at| at.strftime(form).to_string())
}
