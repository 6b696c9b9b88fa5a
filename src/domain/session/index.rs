//! The facts that span sessions, as values of index rows.

use serde::{Deserialize, Serialize};

use super::state::Session;
use crate::domain::id::{ConversationId, SessionId, UserId};
use crate::domain::log::{IndexKey, Space};

/// Which session a conversation, a user or an address leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// Whose it is, where that is known.
    pub user: Option<UserId>,
}

/// A user's newest linked session, from which the next session inherits the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkRow {
    /// The linked session.
    pub session: SessionId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// When it last had activity or a message, Unix seconds, at most [`REFRESH_S`] late.
    pub active_at: f64,
}

/// A link request that waits for its session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingRow {
    /// What was asked for.
    pub request: LinkRequest,
    /// The request's other rows, to be removed with this one: space name and identifier.
    pub also: Vec<(PendingSpace, String)>,
}

/// The spaces in which a link request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingSpace {
    /// By session.
    Session,
    /// By user.
    User,
    /// By lower-cased e-mail.
    Email,
}

impl PendingSpace {
    /// The row of `id` in this space.
    pub fn key(self, id: &str) -> IndexKey {
        let space = match self {
            Self::Session => Space::PendingSession,
            Self::User => Space::PendingUser,
            Self::Email => Space::PendingEmail,
        };
        IndexKey::new(space, id)
    }
}

/// A wish to tie a session to a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkRequest {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who asks.
    pub trust: Trust,
    /// Whether the user has just written in the conversation.
    pub message: bool,
    /// Recognises the same notification when it is delivered again.
    pub notification_key: Option<u64>,
}

/// Who asks for a link, which decides what it may overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The chatbot platform, under its signature: its word on who talks where is final.
    Platform,
    /// A web page, which anybody can claim to be: it may not take a conversation away from another
    /// user's session (contract 1.10).
    Page,
    /// The connector itself, carrying a link from a user's previous session.
    Carried,
}

impl Trust {
    /// The `source` of log entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Page => "page",
            Self::Carried => "carried",
        }
    }
}

/// How often a live session renews its rows. Renewing on every batch would double the writes of
/// the hot path for a precision nobody needs at the default carry-over of a day.
pub const REFRESH_S: f64 = 60.0;

/// E-mail addresses are looked up in lower case (contract 3.6.7).
pub fn email_key(space: Space, email: &str) -> IndexKey {
    IndexKey::new(space, email.to_lowercase())
}

/// What the identity index says about this session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Indexed {
    /// When it was renewed last, Unix seconds; `None` while it says nothing.
    pub(super) at: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<ConversationId>,
    /// Only as it is stored: it says what the session says, which is not written twice.
    #[serde(rename = "same", default, skip_serializing_if = "std::ops::Not::not")]
    is_same: bool,
}

impl Indexed {
    /// Whether it stands for what the session says.
    pub(super) fn is_same(&self) -> bool {
        self.is_same
    }
}

impl Session {
    /// What the index should say about the session, and says once it is renewed at `at`, Unix seconds.
    pub(super) fn to_be_indexed(&self, at: Option<f64>) -> Indexed {
        Indexed {
            at,
            user: self.user.clone(),
            email: self.email.clone(),
            conversation: self.conversation().cloned(),
            is_same: false,
        }
    }

    /// Whether the index says just that.
    pub(super) fn is_indexed(&self) -> bool {
        let indexed = &self.indexed;
        indexed.user == self.user
            && indexed.email == self.email
            && indexed.conversation.as_ref() == self.conversation()
    }

    /// What stands for what the index says, where that is what the session says.
    pub(super) fn indexed_alike(&self) -> Option<Indexed> {
        let at = self.indexed.at.filter(|_| self.is_indexed())?;
        Some(Indexed {
            at: Some(at),
            is_same: true,
            ..Indexed::default()
        })
    }
}
