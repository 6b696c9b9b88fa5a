//! Whom an offer would be for.

use crate::domain::loose::trim;

/// The identifiers that say whom an offer is for; blank ones say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The tenant.
    pub product_id: &'a str,
    /// The session.
    pub session_id: &'a str,
    /// The conversation in which it would be made.
    pub conversation_id: &'a str,
}

/// The first identifier without which nothing can be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nobody knows the product.
    ProductId,
    /// Nobody knows the session.
    SessionId,
    /// There is no conversation, and there has to be one.
    ConversationId,
}

impl Missing {
    /// The name in log lines, as published clients write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProductId => "missing_product_id",
            Self::SessionId => "missing_session_id",
            Self::ConversationId => "missing_conversation_id",
        }
    }
}

impl Scope<'_> {
    /// Whether triggers may be asked: product and session are known, and the conversation where it is required.
    pub fn check(&self, requires_conversation: bool) -> Result<(), Missing> {
        if !is_set(self.product_id) {
            return Err(Missing::ProductId);
        }
        if !is_set(self.session_id) {
            return Err(Missing::SessionId);
        }
        if requires_conversation && !is_set(self.conversation_id) {
            return Err(Missing::ConversationId);
        }
        Ok(())
    }
}

/// Whether an identifier says anything.
pub fn is_set(id: &str) -> bool {
    !trim(id).is_empty()
}
