//! What is written down, behind one trait.
//!
//! The cast: a [`Commit`] is everything one decision changes; a [`Stored`] is a state with its
//! version; a [`Guard`] is a fact the decision rested on; a [`Lease`] is one attempt at a delivery.
//!
//! Guaranteed by every backend, and checked by one suite (`tests/it/store`):
//!
//! * A commit is atomic: snapshot, log entries, deliveries, index rows and deadline together.
//! * A commit computed from an old version, or whose guard no longer holds, changes nothing and is
//!   answered [`Outcome::Conflict`] with the newest snapshot.
//! * [`Outcome::Committed`] means durable. [`Outcome::NotWritten`] means nothing changed.
//!   [`Outcome::Unknown`] means the answer was lost: repeat the same commit, and finding its id in
//!   the snapshot that comes back means success.
//! * Sequences are dense per key; offsets grow strictly in commit order per product.
//! * A row that cannot be read is set aside and counted, and stops nothing else.
//!
//! Deliberately absent: transactions held open by a caller, queries by value, and any knowledge of
//! what a state means.

mod commit;
mod delivery;
pub mod erasure;
mod error;
pub(crate) mod file;
pub mod memory;
pub mod redis;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::log::{IndexKey, Offset, Space};
use erasure::{Place, Subject, Trace};

pub use commit::{Commit, CommitId, Guard, Outcome, StateWrite, WRITERS_MAX, WriterId, commit_id};
pub use delivery::{
    ATTEMPTS_MAX, DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus,
    LISTED_MAX, Lease, LeaseRequest, Quota, Retry,
};
pub use error::Error;

/// A state as it was last written.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Counts the commits of this key, from 1.
    pub version: u64,
    /// The sequence of the key's newest log entry, 0 when it has none.
    pub sequence: u64,
    /// The newest commits of the [`WRITERS_MAX`] that wrote last, oldest first.
    pub commits: Vec<CommitId>,
    /// What the clock read when it was decided on, Unix milliseconds. When that is ahead of the clock,
    /// the clock was set back since.
    pub written_ms: u64,
    /// The serialised state.
    pub state: Arc<[u8]>,
    /// Its settled part, as the commits that wrote of it left it; empty when none has.
    pub settled: Arc<[u8]>,
    /// The newest log entries, newest first, if the commit that met this state said which ones its writer
    /// [knows](StateWrite::known): at most [`NEWS_MAX`], and perhaps fewer than there are.
    pub news: Vec<Entry>,
}

/// How many log entries a conflict brings along.
pub const NEWS_MAX: usize = 16;

/// One log entry as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Position in the product's log.
    pub offset: Offset,
    /// Whose entry.
    pub key: Key,
    /// Position in the key's log, from 1.
    pub sequence: u64,
    /// The version of `body`'s shape.
    pub schema_version: u32,
    /// An [`crate::domain::log::EntryType`] by name; later versions may know more.
    pub r#type: Arc<str>,
    /// Unix seconds.
    pub at: f64,
    /// Who caused it.
    pub source: Arc<str>,
    /// What led to it.
    pub correlation_id: Arc<str>,
    /// The user concerned.
    pub user_id: Option<Arc<str>>,
    /// One JSON object.
    pub body: Arc<str>,
}

/// A stretch of a product's feed.
#[derive(Clone, Debug, Default)]
pub struct FeedPage {
    /// Entries that subscribers may see, in offset order.
    pub entries: Vec<Entry>,
    /// Everything up to here has been looked at: ask for what follows it next.
    pub scanned: Offset,
    /// The newest entry that retention has removed; `Offset::default()` when none was.
    pub trimmed: Offset,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Log entries older than this go.
    pub log_ms: u64,
    /// The oldest log entries go while the log is larger than this.
    pub log_bytes_max: u64,
    /// States without a deadline that were not written for this long go.
    pub state_ms: u64,
    /// Finished deliveries older than this go.
    pub outbox_ms: u64,
}

/// What one round of ageing removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aged {
    /// Log entries.
    pub entries: u64,
    /// States.
    pub states: u64,
    /// Finished deliveries.
    pub deliveries: u64,
    /// Link requests whose session never came.
    pub pending_links: u64,
    /// Whether there is more to remove: call again soon.
    pub more: bool,
}

/// Sizes an operator wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Deliveries that wait or are under way.
    pub outbox: u64,
    /// Deliveries given up and kept for inspection.
    pub dead_letters: u64,
    /// Bytes of log bodies.
    pub log_bytes: u64,
    /// Rows set aside because they could not be read.
    pub quarantined: u64,
    /// The newest time of any log entry there ever was, Unix milliseconds; 0 when there was none.
    pub newest_ms: u64,
}

/// An index row of a space that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The tenant.
    pub product: ProductId,
    /// The identifier looked up.
    pub id: Arc<str>,
    /// One JSON text.
    pub value: Arc<str>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Another instance has committed something.
    News(News),
    /// The store has lost what it held: see [`Store::losses`].
    Loss,
}

/// What another instance has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The tenant.
    pub product: ProductId,
    /// Whether there is something new for subscribers.
    pub is_for_feed: bool,
    /// Whether there is something new in the outbox.
    pub is_for_outbox: bool,
    /// Whether a person was erased, so that nobody may go on telling what is in memory.
    pub is_erasure: bool,
    /// Whether a product was registered, changed or removed.
    pub is_registration: bool,
}

/// A backend. All times are Unix milliseconds of the wall clock, always given by the caller.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads a state. An unreadable row is set aside, counted and answered
    /// [`Error::Unreadable`] once; afterwards the key is absent.
    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error>;

    /// Writes a commit.
    async fn commit(&self, commit: Arc<Commit>) -> Outcome;

    /// Reads index rows, in the order asked; expired rows are absent.
    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error>;

    /// The newest log entries of a key, newest first, at most `limit`.
    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error>;

    /// The product's feed after `after`, at most `limit` entries.
    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error>;

    /// The offset of the product's newest log entry, whether visible or not; `Offset::default()`
    /// when there is none.
    async fn head(&self, product: &ProductId) -> Result<Offset, Error>;

    /// Leases due deliveries, at most one per lane: the oldest that is not finished. Products take
    /// turns: each call goes on behind the product that the one before it served last, and nobody
    /// gets a second delivery before everybody with something due had one. Within a product the
    /// longest due goes first. What it costs grows with the products that have something waiting, not
    /// with how much waits.
    ///
    /// A lease that ran out without a word is leased again with its start in
    /// [`Lease::unsettled_since_ms`].
    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error>;

    /// Puts a leased delivery back. Changes nothing when the lease is not the newest one.
    async fn retry(&self, retry: Retry) -> Result<(), Error>;

    /// When the next waiting delivery of any product but those in `closed` may be leased, if any
    /// waits.
    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error>;

    /// Deliveries that match, newest first. One call looks at a bounded number of them.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error>;

    /// One delivery and the calls made for it.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error>;

    /// Has a delivery sent again, and answers which one that will be; `None` when it is unknown.
    ///
    /// What waits is due now; what is under way goes on. A dead letter waits again in its old place,
    /// due now, with all its attempts before it and its doubt kept. What was delivered or withdrawn
    /// is copied to the end of its lane as `copy`, however often that was done before.
    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error>;

    /// Which of `parts` some delivery of the lane has already recorded as its own.
    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error>;

    /// Claims up to `limit` keys whose deadline passed before `now_ms`, so that no other sweeper
    /// takes them before `until_ms`.
    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error>;

    /// Claims up to `limit` keys whose state was written when the clock read later than `now_ms`, and
    /// whose deadline is later than `until_ms`: the clock was set back since, so that the deadline
    /// says too late a time. Otherwise as [`Store::claim_overdue`].
    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error>;

    /// Adapts the outbox to a clock that was set back by `by_ms`: what waits, or is leased, is due so
    /// much earlier, and no later than `wait_ms_max` after `now_ms`; no attempt began in the future.
    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error>;

    /// Sets an unreadable state aside: the key becomes absent, the bytes are kept and counted.
    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error>;

    /// Keeps an input that cannot be handled where an operator finds it.
    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error>;

    /// Removes what is past its time, a bounded amount per call.
    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error>;

    /// Whether commits succeed: asks whoever writes. While they fail, asking also tries whether the
    /// cause is gone.
    async fn ready(&self) -> Result<(), Error>;

    /// Looks through one page of rows for those that are about a person.
    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error>;

    /// Removes the rows of a page that are still about the person; answers how many. A state goes with
    /// its version, so that a commit which rests on it conflicts. A lane goes on with its next
    /// delivery.
    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error>;

    /// All index rows of a space that is listed ([`Space::is_listed`]), in no particular order; none of another
    /// space.
    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error>;

    /// Makes sure that what was removed before the call cannot be read from the backend's files
    /// either. `false` means that somebody's reading prevents it: ask again soon.
    async fn scrub(&self) -> Result<bool, Error>;

    /// Sizes for metrics.
    async fn depth(&self) -> Result<Depth, Error>;

    /// When the oldest delivery was queued that waits or is under way, Unix milliseconds, by platform and in the
    /// order of their names.
    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error>;

    /// Calls `heard` whenever another instance has committed something that is to be looked at. News may
    /// get lost, so everybody also looks now and then. Ends when the connection does; never ends where
    /// there are no other instances.
    async fn listen(&self, _heard: &(dyn Fn(Heard) + Send + Sync)) -> Result<(), Error> {
        std::future::pending().await
    }

    /// How often the store was found to have come back without what it held, since it was opened. What was read or
    /// written before the newest loss may be gone, and only instances that have it in memory still know it.
    fn losses(&self) -> u64 {
        0
    }

    /// Whether it may ever come back without what it held, so that a state in memory is worth keeping until what
    /// follows from it is written.
    fn may_forget(&self) -> bool {
        false
    }

    /// The place where clients of the published SDK look for the states of sessions; `None` where a backend has
    /// no such place.
    fn session_states(&self) -> Option<redis::SessionStates> {
        None
    }

    /// What an operator should know of how durable a commit is, once the backend has been reached; nothing
    /// where a commit is as durable as this trait says.
    fn cautions(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// Finishes what was accepted and releases the files. Later calls are answered
    /// [`Error::Unavailable`].
    async fn close(&self);
}
