//! What is said about deliveries: how they are leased, put back, listed and sent again.

use std::sync::Arc;

use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{ConversationId, DeliveryId, Key, PartId, ProductId, SessionId};
use crate::domain::lane::{self, parse_lane};

/// How many calls are remembered of one delivery; the newest win.
pub const ATTEMPTS_MAX: u32 = 50;

/// How many deliveries one page of a listing looks at. A filter that matches few of them gives a
/// short page and a position to go on from.
pub const LISTED_MAX: usize = 10_000;

/// What a worker has hands for.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// The wall clock, Unix milliseconds.
    pub now_ms: u64,
    /// When the leases end, Unix milliseconds.
    pub until_ms: u64,
    /// The most leases in all.
    pub limit: usize,
    /// The most leases of one product that no quota names.
    pub product_max: usize,
    /// Products of which fewer are wanted, or none.
    pub quotas: Vec<Quota>,
}

/// A bound that some products share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The products.
    pub products: Vec<ProductId>,
    /// The most leases of all of them together.
    pub max: usize,
}

/// One delivery, leased for one attempt.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which delivery.
    pub id: DeliveryId,
    /// Grows with every lease of the delivery; whoever holds an older one holds none.
    pub fence: u64,
    /// The state that hears of the outcome.
    pub key: Key,
    /// Its order group.
    pub lane: Arc<str>,
    /// What to do.
    pub body: Arc<str>,
    /// Counts attempts from 1, this one included.
    pub attempt: u32,
    /// When the delivery was committed, Unix milliseconds.
    pub created_ms: u64,
    /// When the first attempt whose outcome nobody knows began, Unix milliseconds. While set, the
    /// delivery may already have happened: read before you post.
    pub unsettled_since_ms: Option<u64>,
    /// Whether an operator asked for it to be sent again.
    pub replayed: bool,
}

/// How an attempt that neither succeeded nor failed for good is put back.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Which delivery.
    pub id: DeliveryId,
    /// The [`Lease::fence`] under which it was attempted.
    pub fence: u64,
    /// Not to be leased before, Unix milliseconds.
    pub not_before_ms: u64,
    /// As in [`Lease::unsettled_since_ms`]; `None` once a read has settled the matter.
    pub unsettled_since_ms: Option<u64>,
    /// What happened, fit for an operator; never a secret. `None` leaves what was said before.
    pub error: Option<Arc<str>>,
    /// Whether this counts as an attempt; waiting does not.
    pub counts: bool,
    /// The call that was made, if one was.
    pub attempt: Option<AttemptRecord>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It waits for its turn or its next attempt.
    Waiting,
    /// It is being attempted.
    Leased,
    /// It has arrived.
    Delivered,
    /// It was given up.
    Dead,
    /// It was no longer wanted.
    Withdrawn,
}

impl DeliveryStatus {
    /// The name under which it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The inverse of [`DeliveryStatus::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Waiting,
            Self::Leased,
            Self::Delivered,
            Self::Dead,
            Self::Withdrawn,
        ];
        all.into_iter().find(|status| status.as_str() == text)
    }
}

/// One delivery as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRecord {
    /// Which.
    pub id: DeliveryId,
    /// The state that hears of its outcome.
    pub key: Key,
    /// Its order group.
    pub lane: Arc<str>,
    /// How far it is.
    pub status: DeliveryStatus,
    /// How many calls were made.
    pub calls: u32,
    /// When it was committed, Unix milliseconds.
    pub created_ms: u64,
    /// When it may be attempted next, or its lease ends; `None` behind another one of its lane, and
    /// at the end. Unix milliseconds.
    pub due_ms: Option<u64>,
    /// When it came to its end, Unix milliseconds.
    pub finished_ms: Option<u64>,
    /// The platform's number for what was posted.
    pub part: Option<PartId>,
    /// What happened last that was no success.
    pub error: Option<Arc<str>>,
    /// The status of the newest answer.
    pub http_status: Option<u16>,
    /// The delivery that was sent again as this one.
    pub replay_of: Option<DeliveryId>,
    /// What to do.
    pub body: Arc<str>,
}

/// Which deliveries an operator wants to see; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of this tenant.
    pub product: Option<ProductId>,
    /// This far.
    pub status: Option<DeliveryStatus>,
    /// To this platform.
    pub platform: Option<String>,
    /// To this conversation.
    pub conversation: Option<ConversationId>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Committed then or later, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Committed before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Last answered with this status.
    pub http_status: Option<u16>,
    /// Behind this position of an earlier page.
    pub after: Option<u64>,
    /// The most that are answered.
    pub limit: usize,
}

impl DeliveryQuery {
    /// Whether a delivery is wanted. Its body does not matter.
    pub fn admits(&self, record: &DeliveryRecord) -> bool {
        let place = parse_lane(&record.key.product, &record.lane);
        let platform = place.map(|(platform, _)| platform);
        let conversation = place.and_then(lane::conversation);
        let is = |wanted: Option<&str>, found: Option<&str>| wanted.is_none() || wanted == found;
        let session = record.key.session_id();
        self.product
            .as_ref()
            .is_none_or(|wanted| *wanted == record.key.product)
            && self.status.is_none_or(|wanted| wanted == record.status)
            && is(self.platform.as_deref(), platform)
            && is(
                self.conversation.as_ref().map(ConversationId::as_str),
                conversation,
            )
            && (self.session.is_none() || self.session == session)
            && self.since_ms.is_none_or(|since| record.created_ms >= since)
            && self.until_ms.is_none_or(|until| record.created_ms < until)
            && (self.http_status.is_none() || self.http_status == record.http_status)
    }
}

/// Deliveries, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryPage {
    /// What was found.
    pub deliveries: Vec<DeliveryRecord>,
    /// Where to go on, as [`DeliveryQuery::after`]; `None` at the end.
    pub next: Option<u64>,
}

/// One delivery with the calls made for it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryHistory {
    /// The delivery.
    pub delivery: DeliveryRecord,
    /// The newest [`ATTEMPTS_MAX`] calls, oldest first, each with its number, from 1.
    pub attempts: Vec<(u32, AttemptRecord)>,
}
