//! Scripted misfortunes.

use std::time::Duration;

/// The calls that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /conversations/{id}/reply`.
    Reply,
    /// `GET /conversations/{id}`.
    Read,
    /// Anything else.
    Other,
}

/// One misfortune of one call.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Whether the call takes effect before it goes wrong.
    pub takes_effect: bool,
    /// What goes wrong.
    pub twist: Twist,
}

impl Fault {
    /// Goes wrong before anything happened.
    pub fn before(twist: Twist) -> Self {
        Self {
            takes_effect: false,
            twist,
        }
    }

    /// Takes effect, then goes wrong.
    pub fn after(twist: Twist) -> Self {
        Self {
            takes_effect: true,
            twist,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Twist {
    /// This answer instead of the right one.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Further headers, as name and value.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The call waits, then goes on as it should: before it takes effect or before its answer.
    Delay(Duration),
    /// The connection ends without an answer.
    Reset,
    /// The headers of a success, then bytes without end.
    Endless,
    /// The headers of a success, then one byte at a time, this far apart.
    Trickle(Duration),
}

impl Twist {
    /// An error as Intercom words it.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: super::wire::error_list(code).to_string(),
        }
    }

    /// 429 with the instant at which the limit is lifted, Unix seconds.
    pub fn rate_limited(reset_s: u64) -> Self {
        Self::Answer {
            status: 429,
            headers: vec![("x-ratelimit-reset", reset_s.to_string())],
            body: super::wire::error_list("rate_limit_exceeded").to_string(),
        }
    }
}
