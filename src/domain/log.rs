//! What is written down: log entries, index rows, deliveries, and the effects that ask for them.
//!
//! Effects are data. A state machine fills an [`Effects`] while it handles its inputs; the commit
//! writes all of it in one atomic step or none of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attempt::AttemptRecord;
use super::id::{DeliveryId, PartId};
use super::proactive::Tally;

/// The version of every stored log entry's body.
pub const SCHEMA_VERSION: u32 = 1;

/// A position in a product's log: `<ms>-<n>`, strictly growing in commit order.
///
/// Clients see it as the `id` of a feed event and send it back as `Last-Event-ID`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    /// Wall-clock milliseconds, never smaller than those of the entry before.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub n: u64,
}

impl Offset {
    /// The offset of the entry that follows `self` when the clock reads `now_ms`.
    #[must_use]
    pub fn next(self, now_ms: u64) -> Self {
        if now_ms > self.ms {
            Self { ms: now_ms, n: 0 }
        } else {
            Self {
                ms: self.ms,
                n: self.n + 1,
            }
        }
    }

    /// Reads `<ms>-<n>`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, n) = text.split_once('-')?;
        let digits = |part: &str| {
            (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        };
        Some(Self {
            ms: digits(ms)?,
            n: digits(n)?,
        })
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

/// What a log entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryType {
    /// A batch of actions; its body is the JSON that feed subscribers receive.
    Actions,
    /// The session was tied to a conversation.
    Linked,
    /// A link was asked for and refused.
    LinkRefused,
    /// The conversation is gone; undelivered notes went back to the window.
    Unlinked,
    /// The session machine changed its state.
    StateChanged,
    /// A note was put into the outbox.
    NoteQueued,
    /// A note is in its conversation.
    NoteDelivered,
    /// A note was given up; it is a dead letter.
    NoteFailed,
    /// Actions older than the pre-link window left it unposted.
    WindowTrimmed,
    /// Whether to speak first was decided otherwise than before.
    Decided,
    /// An offer came to its end.
    OfferEnded,
    /// A page reported what does not fit the state.
    TransitionRefused,
}

impl EntryType {
    /// The name under which the type is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Linked => "linked",
            Self::LinkRefused => "link_refused",
            Self::Unlinked => "unlinked",
            Self::StateChanged => "state_changed",
            Self::NoteQueued => "note_queued",
            Self::NoteDelivered => "note_delivered",
            Self::NoteFailed => "note_failed",
            Self::WindowTrimmed => "window_trimmed",
            Self::Decided => "decided",
            Self::OfferEnded => "offer_ended",
            Self::TransitionRefused => "transition_refused",
        }
    }

    /// Whether feed subscribers may see entries of this type.
    pub fn on_feed(self) -> bool {
        self == Self::Actions
    }
}

/// One entry about to be appended; its sequence and offset are given by the commit.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// What it tells.
    pub r#type: EntryType,
    /// Unix seconds of the decision.
    pub at: f64,
    /// Who caused it: a provider, `intercom`, `page`, `timer`, `delivery`.
    pub source: &'static str,
    /// The request or delivery that led to it.
    pub correlation_id: Arc<str>,
    /// For filters of the feed: the user concerned.
    pub user_id: Option<Arc<str>>,
    /// One JSON object.
    pub body: Arc<str>,
}

/// Which index an index row belongs to. Index rows hold facts that span sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Conversation → the session whose activity it shows.
    Conversation,
    /// User → that user's latest session.
    UserSession,
    /// Lower-cased e-mail → that person's latest session.
    EmailSession,
    /// User → the newest linked session and its conversation, for carrying a link over.
    UserLink,
    /// Session not seen yet → the link that waits for it.
    PendingSession,
    /// User not seen yet → the link that waits for them.
    PendingUser,
    /// Lower-cased e-mail not seen yet → the link that waits for it.
    PendingEmail,
    /// User → what is known of an erasure that is not finished yet.
    Erasure,
    /// Product → its registration.
    Registration,
    /// Project of an analytics vendor → the product that was registered for it.
    Project,
    /// Invitation → what it permits.
    Invite,
    /// Issued key → when it was last used.
    KeyUse,
    /// Span of time, and whose → how many offers were made in it.
    Quota,
}

impl Space {
    /// The name under which rows of the space are stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::UserSession => "user_session",
            Self::EmailSession => "email_session",
            Self::UserLink => "user_link",
            Self::PendingSession => "pending_session",
            Self::PendingUser => "pending_user",
            Self::PendingEmail => "pending_email",
            Self::Erasure => "erasure",
            Self::Registration => "registration",
            Self::Project => "project",
            Self::Invite => "invite",
            Self::KeyUse => "key_use",
            Self::Quota => "quota",
        }
    }

    /// Whether the rows of the space can be listed. There are few of them.
    pub fn is_listed(self) -> bool {
        matches!(self, Self::Erasure | Self::Registration)
    }

    /// Whether rows of the space are link requests that wait for their session.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingSession | Self::PendingUser | Self::PendingEmail
        )
    }
}

/// The address of an index row within a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey {
    /// The index.
    pub space: Space,
    /// The identifier looked up.
    pub id: Arc<str>,
}

impl IndexKey {
    /// The row of `id` in `space`.
    pub fn new(space: Space, id: impl Into<Arc<str>>) -> Self {
        Self {
            space,
            id: id.into(),
        }
    }
}

/// A change of one index row.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexWrite {
    /// The row.
    pub key: IndexKey,
    /// The new value (one JSON text), or `None` to remove the row.
    pub value: Option<Arc<str>>,
    /// Unix milliseconds after which the row counts as absent.
    pub expires_ms: u64,
}

/// A piece of work for the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Stable over retries.
    pub id: DeliveryId,
    /// Deliveries of one lane leave strictly one after the other, in the order of their commits.
    pub lane: Arc<str>,
    /// What to do, as one JSON object without credentials.
    pub body: Arc<str>,
}

/// A change of work already in the outbox, committed together with what the state made of it.
#[derive(Clone, Debug, PartialEq)]
pub enum OutboxChange {
    /// A call was made for the delivery; what is finished gets no further calls.
    Attempted {
        /// Which.
        id: DeliveryId,
        /// The call.
        attempt: AttemptRecord,
    },
    /// The delivery succeeded; platforms that cannot redact return no part.
    Delivered {
        /// Which.
        id: DeliveryId,
        /// The platform's number for what was posted.
        part: Option<PartId>,
    },
    /// The delivery was given up and stays listed as a dead letter.
    Dead {
        /// Which.
        id: DeliveryId,
        /// Why, fit for an operator.
        reason: Arc<str>,
    },
    /// The delivery is no longer wanted.
    Withdrawn {
        /// Which.
        id: DeliveryId,
    },
    /// Whatever waits in the lane for a later attempt is due now.
    RetryNow {
        /// The lane.
        lane: Arc<str>,
    },
}

/// Everything one run of a state machine asks to be written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Appended to the log in this order.
    pub entries: Vec<NewEntry>,
    /// New work.
    pub deliveries: Vec<NewDelivery>,
    /// Changes of existing work.
    pub outbox: Vec<OutboxChange>,
    /// Changes of index rows; a later write of the same row wins.
    pub index: Vec<IndexWrite>,
    /// How many actions the window rule removed, for the counter of that limit.
    pub trimmed_actions: u64,
    /// How many user properties found no room, for the counter of that limit.
    pub dropped_properties: u64,
    /// What else is counted.
    pub tallies: Vec<Tally>,
}

impl Effects {
    /// Whether nothing of it has to be written down.
    pub fn is_unwritten(&self) -> bool {
        // Every field by its name, so that one that is added later is not forgotten here.
        let Self {
            entries,
            deliveries,
            outbox,
            index,
            trimmed_actions,
            dropped_properties,
            tallies: _,
        } = self;
        entries.is_empty()
            && deliveries.is_empty()
            && outbox.is_empty()
            && index.is_empty()
            && *trimmed_actions == 0
            && *dropped_properties == 0
    }
}
