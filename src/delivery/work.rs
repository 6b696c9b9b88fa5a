//! What a leased delivery is, and where it goes: notes to platforms, pushes to a product's own endpoint.

use std::sync::Arc;

use super::admission::{Party, Terms};
use super::destination::{Destination, Job, Lookup, Receipt, Reply};
use super::outbox::Options;
use super::push::Push;
use crate::domain::id::ProductId;
use crate::domain::lane::{PUSH, parse_lane};
use crate::domain::retry::Schedule;
use crate::domain::session::{ConversationBody, Errand, RedactionBody};
use crate::store::Lease;

/// Where a delivery goes.
#[derive(Clone)]
pub(super) enum Route {
    /// To a platform.
    Note(Arc<dyn Destination>),
    /// To the product's push target.
    Push(Arc<Push>),
}

/// A delivery with whoever can deliver it.
pub(super) enum Work {
    /// A note to a conversation.
    Note(Arc<dyn Destination>, Job),
    /// A note that is taken back.
    Redaction(Arc<dyn Destination>, Job<RedactionBody>),
    /// A batch of actions as subscribers of the feed get it.
    Push(Arc<Push>, Job<Arc<str>>),
}

impl Route {
    /// The way that a lane names, if there is one of that name.
    pub(super) fn of(
        lease: &Lease,
        destinations: &[Arc<dyn Destination>],
        push: Option<&Arc<Push>>,
    ) -> Option<Self> {
        let (name, _) = parse_lane(&lease.key.product, &lease.lane)?;
        if name == PUSH {
            return push.cloned().map(Self::Push);
        }
        let found = destinations.iter().find(|one| one.name() == name);
        found.cloned().map(Self::Note)
    }

    /// The label in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Note(destination) => destination.name(),
            Self::Push(_) => PUSH,
        }
    }

    /// Whom a product's deliveries on this way go to.
    pub(super) fn party(&self, product: &ProductId) -> Option<Party> {
        match self {
            Self::Note(destination) => Some(Party {
                platform: destination.name(),
                account: destination.account(product)?,
                terms: Terms::default(),
            }),
            Self::Push(push) => push.party(product),
        }
    }

    /// What is to be delivered; `None` when the row cannot be read.
    pub(super) fn work(&self, lease: &Lease) -> Option<Work> {
        Some(match self {
            Self::Note(destination) => {
                let destination = Arc::clone(destination);
                match ConversationBody::read(&lease.body)? {
                    ConversationBody::Note(note) => Work::Note(destination, job(lease, note)),
                    ConversationBody::Redaction(redaction) => {
                        Work::Redaction(destination, job(lease, redaction))
                    }
                }
            }
            Self::Push(push) => {
                let body = Arc::clone(&lease.body);
                Work::Push(Arc::clone(push), job(lease, body))
            }
        })
    }
}

impl Work {
    /// What the session calls it.
    pub(super) fn errand(&self) -> Errand {
        match self {
            Self::Note(..) => Errand::Note,
            Self::Redaction(..) => Errand::Redaction,
            Self::Push(..) => Errand::Push,
        }
    }

    /// Whom to ask whether an earlier attempt arrived. A receiver of pushes knows repetitions by their id
    /// instead, and taking a note back twice is no harm.
    pub(super) fn lookup(&self) -> Option<(&dyn Lookup, &Job)> {
        match self {
            Self::Note(destination, job) => Some((destination.lookup()?, job)),
            Self::Push(..) | Self::Redaction(..) => None,
        }
    }

    /// Makes one attempt.
    pub(super) async fn deliver(&self) -> Reply<Receipt> {
        match self {
            Self::Note(destination, job) => destination.deliver(job).await,
            Self::Redaction(destination, job) => destination.redact(job).await,
            Self::Push(push, job) => push.deliver(job).await,
        }
    }

    /// The worker's bounds as they are for this delivery: how long a call takes, and when to give up.
    pub(super) fn terms(&self, options: Options) -> Options {
        let Self::Push(push, job) = self else {
            return options;
        };
        let service = options.schedule;
        Options {
            request_timeout_ms: push.timeout_ms(),
            schedule: Schedule {
                retries_max: push
                    .retries_max(&job.product)
                    .unwrap_or(service.retries_max),
                ..service
            },
            ..options
        }
    }
}

fn job<B>(lease: &Lease, body: B) -> Job<B> {
    Job {
        product: lease.key.product.clone(),
        delivery: lease.id.clone(),
        attempt: lease.attempt,
        body,
    }
}
