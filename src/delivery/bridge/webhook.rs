//! Reads the notifications of bridges (contract 1.8, the neutral form). Whether one is genuine is not decided here.

use serde_json::Value;

use crate::domain::id::{ConversationId, SessionId, UserId};

/// Whose conversation it is, by as many names as the bridge knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// Recognises a repetition.
    pub id: Option<String>,
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The browsing session, where the bridge knows it.
    pub session: Option<SessionId>,
    /// The product's own identifier of the person who talks.
    pub user: Option<UserId>,
    /// That person's address.
    pub email: Option<String>,
}

/// Reads one notification; `None` when the body is no JSON object. What is missing, blank or of another type is `None`.
pub fn parse(body: &[u8]) -> Option<Notification> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = body.as_object()?;
    let text = |key: &str| match body.get(key)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(Notification {
        id: text("id"),
        conversation: text("conversation_id").map(ConversationId::from),
        session: text("session_id").map(SessionId::from),
        user: text("user_id").map(UserId::from),
        email: text("email"),
    })
}
