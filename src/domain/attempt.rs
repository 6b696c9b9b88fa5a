//! One call that was made for a delivery, as an operator reads it later.

use std::sync::Arc;

/// What was called, when, and what came of it. It never holds a secret or any of what was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// What was asked of the platform.
    pub call: Call,
    /// When it began, Unix milliseconds.
    pub started_ms: u64,
    /// How long it took, milliseconds; `None` when nobody was there to see its end.
    pub took_ms: Option<u64>,
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// Our own words on what happened.
    pub reason: Option<Arc<str>>,
    /// The beginning of what the other side said about a failure, as plain text.
    pub excerpt: Option<Arc<str>>,
}

impl AttemptRecord {
    /// An attempt that began and whose end nobody saw.
    pub fn lost(started_ms: u64) -> Self {
        Self {
            call: Call::Unknown,
            started_ms,
            took_ms: None,
            http_status: None,
            outcome: AttemptOutcome::Lost,
            reason: None,
            excerpt: None,
        }
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The name under which it is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The inverse of `as_str`.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

named! {
    /// What was asked of the platform.
    Call {
        /// To take the note, or the push.
        Post = "post",
        /// To show the conversation, to learn whether the note is in it.
        Read = "read",
        /// Whoever knew is gone.
        Unknown = "unknown",
    }
}

named! {
    /// What came of an attempt.
    AttemptOutcome {
        /// It has arrived.
        Delivered = "delivered",
        /// The conversation was read, and the note is not in it.
        Missing = "missing",
        /// No definite answer: a conversation has to be read, a push is repeated.
        Unknown = "unknown",
        /// Certainly not done; to be tried again.
        Later = "later",
        /// The rate limit was hit.
        Limited = "limited",
        /// The credentials were refused.
        Unauthorized = "unauthorized",
        /// The endpoint is disabled, by this answer or because it had only failed for long.
        Disabled = "disabled",
        /// The settings were refused.
        Misconfigured = "misconfigured",
        /// The other side will never take this.
        Rejected = "rejected",
        /// The conversation does not exist.
        Gone = "gone",
        /// The worker ended in the middle of it.
        Lost = "lost",
    }
}
