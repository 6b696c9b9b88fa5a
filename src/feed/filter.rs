//! What a subscriber asked for.

use crate::domain::id::Key;
use crate::domain::log::Offset;
use crate::domain::time::{parse_s, to_ms};

/// Which events a subscriber wants; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this provider session.
    pub session: Option<String>,
    /// Only this user.
    pub user: Option<String>,
    /// Only these types.
    pub types: Vec<String>,
}

impl Filter {
    /// Whether the subscriber wants an entry of this key, user and type.
    pub fn admits(&self, key: &Key, user_id: Option<&str>, r#type: &str) -> bool {
        let is_session = |wanted: &str| key.session_id().is_some_and(|id| id.as_str() == wanted);
        self.session.as_deref().is_none_or(is_session)
            && (self.user.is_none() || self.user.as_deref() == user_id)
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == r#type))
    }
}

/// Where a subscriber wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Live,
    /// With what follows this offset.
    After(Offset),
}

impl Start {
    /// Reads `?since=`: an offset, Unix seconds, or an ISO 8601 time; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(offset) = Offset::parse(text) {
            return Some(Self::After(offset));
        }
        // Everything of the named instant itself is wanted.
        let ms = to_ms(parse_s(text)?);
        Some(Self::After(match ms.checked_sub(1) {
            Some(ms) => Offset { ms, n: u64::MAX },
            None => Offset::default(),
        }))
    }
}
