//! Newtypes for every identifier, so that a conversation can never be passed where a session is
//! meant. All are opaque strings, compared byte for byte, cheap to clone.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! id {
    ($(#[$doc:meta] $name:ident)*) => {$(
        #[$doc]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as it travels on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

id! {
    /// A tenant: one web application whose activity we receive.
    ProductId
    /// A browsing session as the analytics provider numbers it.
    SessionId
    /// A person as the product knows them, or the provider's distinct id while anonymous.
    UserId
    /// A chatbot platform's conversation.
    ConversationId
    /// One message inside a conversation, as numbered by the platform.
    PartId
    /// One piece of work in the outbox.
    DeliveryId
}

/// A name for what has this identifier that does not show it: a row that is named so is not about whoever is erased.
pub(crate) fn pseudonym(id: &str) -> String {
    let digest = Sha256::digest(id);
    let head = digest.first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(head))
}

/// What kind of state a key holds. Kinds have their own version, log and deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A provider's browsing session.
    Session,
    /// One of 16 buckets per product for actions that carry no session; it can never be linked.
    Unsessioned,
}

impl Kind {
    /// The name under which the kind is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Unsessioned => "unsessioned",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "session" => Some(Self::Session),
            "unsessioned" => Some(Self::Unsessioned),
            _ => None,
        }
    }
}

/// The address of one serialised state: whoever holds the newest version of it may change it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    /// The tenant.
    pub product: ProductId,
    /// What is stored there.
    pub kind: Kind,
    /// The identifier within product and kind.
    pub id: Arc<str>,
}

impl Key {
    /// The key of a provider session.
    pub fn session(product: &ProductId, session: &SessionId) -> Self {
        Self {
            product: product.clone(),
            kind: Kind::Session,
            id: Arc::clone(&session.0),
        }
    }

    /// The key of the bucket for actions without a session; `spread` decides which of the 16.
    pub fn unsessioned(product: &ProductId, spread: u64) -> Self {
        Self {
            product: product.clone(),
            kind: Kind::Unsessioned,
            id: (spread % UNSESSIONED_BUCKETS).to_string().into(),
        }
    }

    /// The provider session this key stands for, if it stands for one.
    pub fn session_id(&self) -> Option<SessionId> {
        (self.kind == Kind::Session).then(|| SessionId(Arc::clone(&self.id)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.product, self.kind.as_str(), self.id)
    }
}

/// How many buckets share the actions of a product that carry no session.
const UNSESSIONED_BUCKETS: u64 = 16;
