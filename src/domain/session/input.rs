//! What may happen to a session, and what is answered.

use std::sync::Arc;

use super::index::LinkRequest;
use super::notes::RedactionBody;
use super::offers::{OpenOffer, Verdict};
use super::page::Reporter;
use crate::domain::action::Activity;
use crate::domain::agent_state::{Event, State};
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, PartId, UserId};
use crate::domain::log::{Effects, OutboxChange};

/// What may happen to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The user did something.
    Activity(Arc<Activity>),
    /// A conversation belongs to this session.
    Link(LinkRequest),
    /// A delivery came to its end.
    Settled(Settlement),
    /// An operator wants a note to be taken back.
    Redact(Redaction),
    /// The page asks whether there is something to offer.
    Poll,
    /// Somebody reports what the user did with an offer or in a chat.
    Reported(Event, Reporter),
}

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A note to a conversation: the session waits for its end.
    Note,
    /// A batch of actions to the product's push target: for the session it is done once it is written
    /// down. It only remembers why one was given up.
    Push,
    /// A note is taken back: it is an operator's matter, and no session's.
    Redaction,
}

/// A note that is to be taken back.
#[derive(Clone, Debug)]
pub struct Redaction {
    /// The order group of the note, which its redaction joins.
    pub lane: Arc<str>,
    /// What to take back.
    pub body: RedactionBody,
}

/// The end of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Which.
    pub delivery: DeliveryId,
    /// What it was to deliver.
    pub errand: Errand,
    /// How it ended.
    pub outcome: Outcome,
    /// The call that ended it, if one was made.
    pub attempt: Option<AttemptRecord>,
    /// Whether an operator asked for it to be sent again: then its end is news, even when the
    /// session has long forgotten the delivery.
    pub replayed: bool,
}

impl Settlement {
    /// All that is to be written down of an end that no session has to hear of: that a push arrived changes none,
    /// nor does whatever became of a redaction. `None` of every other end.
    pub fn alone(&self) -> Option<Effects> {
        let id = self.delivery.clone();
        let end = match (self.errand, &self.outcome) {
            (Errand::Push | Errand::Redaction, Outcome::Delivered(_)) => {
                OutboxChange::Delivered { id, part: None }
            }
            (Errand::Redaction, Outcome::Failed(reason)) => {
                let reason = Arc::clone(reason);
                OutboxChange::Dead { id, reason }
            }
            (Errand::Redaction, Outcome::Gone(_)) => OutboxChange::Withdrawn { id },
            (Errand::Note, _) | (Errand::Push, _) => return None,
        };
        Some(Effects {
            outbox: self.attempted().into_iter().chain([end]).collect(),
            ..Effects::default()
        })
    }

    /// The call that ended it, as the outbox keeps it.
    pub(super) fn attempted(&self) -> Option<OutboxChange> {
        let attempt = self.attempt.clone()?;
        let id = self.delivery.clone();
        Some(OutboxChange::Attempted { id, attempt })
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has arrived; a push, and platforms that cannot redact, return no part.
    Delivered(Option<PartId>),
    /// It was given up.
    Failed(Arc<str>),
    /// The conversation no longer exists.
    Gone(Arc<str>),
}

/// What a page learns that asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// What was decided.
    pub verdict: Verdict,
    /// What the page is to show.
    pub open: Option<OpenOffer>,
    /// Where the machine of the page's toast stands.
    pub state: State,
    /// Whose session it is.
    pub user: Option<UserId>,
}

/// What the sender of an input learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Activity was taken in.
    Accepted {
        /// New actions.
        actions: usize,
        /// Actions seen before.
        duplicates: usize,
    },
    /// The session is now tied to the conversation.
    Linked,
    /// It already was.
    Unchanged,
    /// The conversation belongs to another user's session.
    Refused,
    /// A delivery's end was noted.
    Settled,
    /// This delivery is in the outbox.
    Queued(DeliveryId),
    /// What the page is to show, or why nothing.
    Polled(Arc<Polled>),
    /// A report was taken.
    Moved {
        /// The state before it.
        previous: &'static str,
        /// The state now.
        state: &'static str,
    },
    /// The report does not fit the state, which stays.
    InvalidTransition,
}
