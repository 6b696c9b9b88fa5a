//! What it means that a conversation turns up for a session (contract 4.0, "link semantics").
//!
//! An index says which session a conversation shows. It is looked at first, which yields the
//! [`LinkEvent`], then overwritten whatever the event is, and only then does the session's machine
//! hear of it (`Fsm::on_conversation_linked`): a reply repoints the index while a machine that is
//! linked already keeps its conversation.

use serde::{Deserialize, Serialize};

/// Whether a conversation is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkEvent {
    /// A conversation that no session was seen in.
    New,
    /// A further message in a conversation that some session, not necessarily this one, was seen
    /// in.
    ReplyExisting,
}

impl LinkEvent {
    /// The event of a conversation, given whether the index maps it to a session whose identifier
    /// is not empty.
    pub fn infer(index_has_nonempty_session: bool) -> Self {
        if index_has_nonempty_session {
            Self::ReplyExisting
        } else {
            Self::New
        }
    }

    /// The published name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::ReplyExisting => "REPLY_EXISTING",
        }
    }

    /// The inverse of [`LinkEvent::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::New, Self::ReplyExisting]
            .into_iter()
            .find(|event| event.as_str() == text)
    }
}
