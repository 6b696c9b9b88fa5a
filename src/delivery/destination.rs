//! What a platform must be able to do, and what a call tells: about the delivery, and about the account.

use std::sync::Arc;

use async_trait::async_trait;

use super::admission::{Fingerprint, Rate, Sign};
use crate::domain::id::{DeliveryId, PartId, ProductId};
use crate::domain::session::{NoteBody, RedactionBody};

/// One delivery as its destination sees it: a note, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Job<B = NoteBody> {
    /// Whose account is used.
    pub product: ProductId,
    /// Stable over attempts.
    pub delivery: DeliveryId,
    /// Counts attempts from 1, this one included.
    pub attempt: u32,
    /// What to deliver.
    pub body: B,
}

/// What came of one call.
#[derive(Clone, Debug)]
pub struct Reply<T> {
    /// What it means for the delivery.
    pub result: Result<T, Refusal>,
    /// What it says about the account.
    pub sign: Sign,
    /// What it says about the account's rate window.
    pub rate: Option<Rate>,
    /// The status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The beginning of what the other side said about a failure: plain text, bounded, without secrets
    /// and without any of what was delivered.
    pub excerpt: Option<Arc<str>>,
}

impl<T> Reply<T> {
    /// No call was made, and this is why.
    pub fn not_called(refusal: Refusal) -> Self {
        Self {
            result: Err(refusal),
            sign: Sign::NotCalled,
            rate: None,
            http_status: None,
            excerpt: None,
        }
    }
}

/// Proof of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The platform's number for what was posted. Success without one is success: some platforms
    /// give none, and then the note cannot be redacted later; nor do push targets.
    pub part: Option<PartId>,
}

/// Why a call did not succeed. The variant is the decision; nobody reads status codes again.
/// Reasons are for operators and never hold a secret or a note's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Certainly not done; try again.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: Arc<str>,
    },
    /// Nobody knows whether it was done: no answer, half an answer, or a failure of the server. Look
    /// before trying again, where the other side can be asked, and no sooner than `after_ms` milliseconds
    /// from now if set.
    #[error("{reason}")]
    Unknown {
        /// What the platform asked for.
        after_ms: Option<u64>,
        /// What happened.
        reason: Arc<str>,
    },
    /// Certainly not done, and the same call will never succeed.
    #[error("{reason}")]
    Never {
        /// What happened.
        reason: Arc<str>,
    },
    /// The conversation does not exist.
    #[error("{reason}")]
    Gone {
        /// What happened.
        reason: Arc<str>,
    },
    /// Certainly not done, because the rate limit was hit. Waiting for it is no attempt.
    #[error("{reason}")]
    Limited {
        /// What the platform asked for.
        after_ms: Option<u64>,
        /// What happened.
        reason: Arc<str>,
    },
    /// Certainly not done, because the account's credentials are not accepted. An operator can mend
    /// that; waiting for it is no attempt.
    #[error("{reason}")]
    Unauthorized {
        /// What happened.
        reason: Arc<str>,
    },
    /// Not done, because the endpoint is disabled: it wants nothing any more, or has only failed for long.
    /// Its owner can mend that; waiting for it is no attempt.
    #[error("{reason}")]
    Disabled {
        /// What happened.
        reason: Arc<str>,
    },
    /// Certainly not done, because the product's settings are not accepted. An operator can mend that,
    /// so the delivery is tried again, rarely.
    #[error("{reason}")]
    Misconfigured {
        /// What happened.
        reason: Arc<str>,
    },
}

impl Refusal {
    /// Try again as the schedule says.
    pub fn later(reason: impl Into<Arc<str>>) -> Self {
        Self::Later {
            reason: reason.into(),
        }
    }

    /// No definite answer.
    pub fn unknown(reason: impl Into<Arc<str>>) -> Self {
        Self::Unknown {
            after_ms: None,
            reason: reason.into(),
        }
    }

    /// The same of an endpoint that is disabled because of it.
    pub(super) fn into_disabled(self) -> Self {
        let reason = match self {
            Self::Disabled { reason } => reason,
            other => {
                format!("{other}; the endpoint has only failed for long and is disabled").into()
            }
        };
        Self::Disabled { reason }
    }

    /// Not accepted as configured.
    pub fn misconfigured(reason: impl Into<Arc<str>>) -> Self {
        Self::Misconfigured {
            reason: reason.into(),
        }
    }
}

/// A platform that takes notes. Every call ends within the request timeout.
#[async_trait]
pub trait Destination: Send + Sync + 'static {
    /// The platform's name: the middle part of its lanes and its label in metrics.
    fn name(&self) -> &'static str;

    /// The account that a product's deliveries use now; `None` when it has none.
    fn account(&self, product: &ProductId) -> Option<Fingerprint>;

    /// Where to look before a note is sent again; `None` where the other side knows a note that is sent again by its
    /// identifier.
    fn lookup(&self) -> Option<&dyn Lookup> {
        None
    }

    /// Makes one attempt.
    async fn deliver(&self, job: &Job) -> Reply<Receipt>;

    /// Takes a note back. Once it is, doing it again changes nothing.
    async fn redact(&self, _job: &Job<RedactionBody>) -> Reply<Receipt> {
        let reason = format!("{} cannot take a note back", self.name());
        Reply::not_called(Refusal::Never {
            reason: reason.into(),
        })
    }
}

/// A platform that can be asked what a conversation holds.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Reads the conversation back: the parts that could be this very delivery, attempted at or
    /// after `since_ms` (Unix milliseconds), oldest first. Which of them belong to other deliveries
    /// only the store knows.
    async fn read_back(&self, job: &Job, since_ms: u64) -> Reply<Vec<PartId>>;
}
