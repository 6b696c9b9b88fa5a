//! From "this conversation belongs to that person" to a link in their session.
//!
//! A platform names a user or an address, a page names a session. If the session is known its actor
//! decides; if not, the request waits as index rows under every identifier it named, until the
//! session appears or the request grows too old. Request and session each guard the other's
//! absence, so that one of the two always sees the other.

use std::sync::Arc;

use super::registry::{Error, Registry};
use crate::domain::id::{Key, ProductId, SessionId, UserId};
use crate::domain::log::{Effects, IndexKey, IndexWrite, Space};
use crate::domain::session::index::{LinkRequest, PendingRow, PendingSpace, SessionRow, email_key};
use crate::domain::session::{Input, Reply, Session};
use crate::store::{self, Commit, Guard, Outcome};

/// How often a request is tried again because a session appeared meanwhile.
const ROUNDS_MAX: u32 = 16;

/// Resolves link requests. Cheap to clone.
#[derive(Clone)]
pub struct Linker {
    sessions: Registry<Session>,
    pending_ms: u64,
}

/// Who is to be linked.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The session itself, where the asker knows it.
    pub session: Option<SessionId>,
    /// The product's user id, matched against the provider's.
    pub user: Option<UserId>,
    /// The address, in any case.
    pub email: Option<String>,
}

/// What became of a link request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The session is now tied to the conversation.
    Linked(SessionId),
    /// It already was.
    Unchanged(SessionId),
    /// The conversation belongs to another user's session.
    Refused(SessionId),
    /// Nobody matches yet; the request waits.
    Pending,
    /// The request named nobody.
    Unresolved,
}

impl Resolution {
    /// The label of `connector_links_total`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Linked(_) => "linked",
            Self::Unchanged(_) => "unchanged",
            Self::Refused(_) => "refused",
            Self::Pending => "pending",
            Self::Unresolved => "unresolved",
        }
    }
}

impl Linker {
    /// Requests wait for their session up to `pending_ms`.
    pub fn new(sessions: Registry<Session>, pending_ms: u64) -> Self {
        Self {
            sessions,
            pending_ms,
        }
    }

    /// Links, or lets the request wait. The answer is durable either way.
    pub async fn link(
        &self,
        product: &ProductId,
        person: &Person,
        request: &LinkRequest,
        correlation_id: Arc<str>,
    ) -> Result<Resolution, Error> {
        let metrics = &self.sessions.0.around.metrics;
        for _ in 0..ROUNDS_MAX {
            let found = self.find(product, person, request).await;
            let resolution = match found.map_err(Error::NotWritten)? {
                Some(session) => {
                    let correlation_id = Arc::clone(&correlation_id);
                    Some(self.ask(product, session, request, correlation_id).await?)
                }
                None => self.wait(product, person, request).await?,
            };
            if let Some(resolution) = resolution {
                metrics
                    .links
                    .with_label_values(&[resolution.as_str()])
                    .inc();
                return Ok(resolution);
            }
        }
        Err(Error::NotWritten(store::Error::Overloaded))
    }

    async fn ask(
        &self,
        product: &ProductId,
        session: SessionId,
        request: &LinkRequest,
        correlation_id: Arc<str>,
    ) -> Result<Resolution, Error> {
        let key = Key::session(product, &session);
        let input = Input::Link(request.clone());
        Ok(
            match self.sessions.ask(&key, input, correlation_id).await? {
                Reply::Linked => Resolution::Linked(session),
                Reply::Refused => Resolution::Refused(session),
                _ => Resolution::Unchanged(session),
            },
        )
    }

    /// The session to link: the one named if it was ever seen, else the latest of the user, else of
    /// the address, else the one that the conversation already shows.
    async fn find(
        &self,
        product: &ProductId,
        person: &Person,
        request: &LinkRequest,
    ) -> Result<Option<SessionId>, store::Error> {
        let around = &self.sessions.0.around;
        if let Some(session) = &person.session {
            let stored = around.store.load(&Key::session(product, session)).await?;
            return Ok(stored.map(|_| session.clone()));
        }
        let mut keys = Self::latest_keys(person);
        keys.push(IndexKey::new(
            Space::Conversation,
            request.conversation.as_str(),
        ));
        let now_ms = around.clock.now_ms();
        let rows = around.store.index(product, &keys, now_ms).await?;
        let sessions = rows.iter().flatten().filter_map(|row| {
            let row: SessionRow = serde_json::from_str(row).ok()?;
            Some(row.session)
        });
        Ok(sessions.into_iter().next())
    }

    fn latest_keys(person: &Person) -> Vec<IndexKey> {
        let user = person.user.as_ref();
        let user = user.map(|user| IndexKey::new(Space::UserSession, user.as_str()));
        let email = person.email.as_deref();
        let email = email.map(|email| email_key(Space::EmailSession, email));
        user.into_iter().chain(email).collect()
    }

    /// Writes the request down under every identifier it names; `None` when a session appeared in
    /// the same moment.
    async fn wait(
        &self,
        product: &ProductId,
        person: &Person,
        request: &LinkRequest,
    ) -> Result<Option<Resolution>, Error> {
        let rows = Self::waiting_rows(person);
        if rows.is_empty() {
            return Ok(Some(Resolution::Unresolved));
        }
        let around = &self.sessions.0.around;
        let now_ms = around.clock.now_ms();
        let row = PendingRow {
            request: request.clone(),
            also: rows.clone(),
        };
        let value: Arc<str> = serde_json::to_string(&row)
            .expect("link requests hold only strings and flags")
            .into();
        let writes = rows.iter().map(|(space, id)| IndexWrite {
            key: space.key(id),
            value: Some(Arc::clone(&value)),
            expires_ms: now_ms + self.pending_ms,
        });
        let effects = Effects {
            index: writes.collect(),
            ..Effects::default()
        };
        let commit = Arc::new(Commit {
            id: around.chance.bytes(),
            product: product.clone(),
            now_ms,
            state: None,
            effects,
            guards: Self::absences(product, person),
        });
        match around.store.commit(commit).await {
            Outcome::Committed => Ok(Some(Resolution::Pending)),
            // Writing the same rows twice is harmless, so a lost answer is simply tried again.
            Outcome::Conflict(_) | Outcome::Unknown(_) => Ok(None),
            Outcome::NotWritten(error) => Err(Error::NotWritten(error)),
        }
    }

    fn waiting_rows(person: &Person) -> Vec<(PendingSpace, String)> {
        if let Some(session) = &person.session {
            return vec![(PendingSpace::Session, session.as_str().to_owned())];
        }
        let user = person.user.as_ref();
        let user = user.map(|user| (PendingSpace::User, user.as_str().to_owned()));
        let email = person.email.as_deref();
        let email = email.map(|email| (PendingSpace::Email, email.to_lowercase()));
        user.into_iter().chain(email).collect()
    }

    fn absences(product: &ProductId, person: &Person) -> Vec<Guard> {
        if let Some(session) = &person.session {
            let key = Key::session(product, session);
            return vec![Guard::NoState { key }];
        }
        let keys = Self::latest_keys(person).into_iter();
        keys.map(|key| Guard::Index { key, value: None }).collect()
    }
}
