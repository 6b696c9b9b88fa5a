//! What people outside know: what they sent, what they were answered, what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_connector::domain::action::Activity;
use event_connector::domain::id::{ConversationId, Key, ProductId, SessionId};
use event_connector::domain::session::index::LinkRequest;
use event_connector::session::linker::{Person, Resolution};

use super::shape::Person as Owner;

/// Shared by everybody outside. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) requests: Vec<Request>,
    pub(crate) asks: Vec<Ask>,
    /// What pages were told to show: the session, and the offer's own name.
    pub(crate) offered: Vec<(Key, String)>,
    /// How many people still wait for an answer.
    pub(crate) waiting: usize,
}

/// One request with activity, however often it is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) key: Key,
    pub(crate) activity: Activity,
    /// The actions that no earlier request told.
    pub(crate) own: Vec<String>,
    /// Whether it says whose session it is.
    pub(crate) is_identified: bool,
    /// The event at which it was first sent.
    pub(crate) sent: u64,
    /// The event at which it was first answered, and the true time.
    pub(crate) answered: Option<(u64, u64)>,
}

/// One wish for a link, however often it is sent.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) product: ProductId,
    pub(crate) person: Person,
    pub(crate) request: LinkRequest,
    pub(crate) sent: u64,
    /// All answers, each with its event and the true time.
    pub(crate) answers: Vec<(u64, u64, Resolution)>,
}

impl Book {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Whether anybody ever said that this conversation belongs to this person, or to a session of
    /// theirs: a user's next session inherits what an earlier one was linked to.
    pub(crate) fn may_link(
        &self,
        product: &ProductId,
        owner: &Owner,
        conversation: &ConversationId,
    ) -> bool {
        let is_own = |session: &SessionId| owner.sessions.contains(session);
        self.asks.iter().any(|ask| {
            let person = &ask.person;
            let email = person.email.as_deref();
            ask.product == *product
                && ask.request.conversation == *conversation
                && (person.session.as_ref().is_some_and(is_own)
                    || person.user.as_ref() == Some(&owner.user)
                    || email.is_some_and(|email| email.eq_ignore_ascii_case(&owner.email)))
        })
    }

    /// Actions that were sent at all, and those of them that were acknowledged.
    pub(crate) fn actions(&self) -> (BTreeMap<String, Key>, BTreeSet<String>) {
        let mut sent = BTreeMap::new();
        let mut acknowledged = BTreeSet::new();
        for request in &self.requests {
            for action in &request.activity.actions {
                sent.insert(action.description.clone(), request.key.clone());
                if request.answered.is_some() {
                    acknowledged.insert(action.description.clone());
                }
            }
        }
        (sent, acknowledged)
    }
}
