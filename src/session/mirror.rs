//! A copy of every session's state where clients of the published SDK read it.
//!
//! The cast: a [`Mirror`] hears of every commit and keeps the newest state of each session until it is written;
//! one task writes what waits, some sessions at once and never one of them twice at a time. A **stamp** in the
//! copy's `metadata` says whose state it is, and which version of it.
//!
//! Guaranteed:
//!
//! * No commit and no answer waits for a copy, or fails with it. What waits is bounded: a session that waits
//!   already takes its newer state in place of the older, and one more session than there is room for is left out
//!   and counted. Its next commit makes up for it, and for every write that failed.
//! * A commit that leaves the machine as it was copied, as most of those that only bring actions do, writes nothing,
//!   unless the copy is an hour old. That is only said of a session all whose commits since the copy were made here.
//! * The copy comes to rest on the newest state, however many instances write. Every write tells what it has
//!   replaced. Unless that was an earlier version of the same state the truth is read once more, and what it says
//!   is written, or removed where the state is gone: a copy that was late does not outlive an erasure. Should Redis
//!   or this process fail between the two, the next commit puts it right, or the copy expires.
//! * The same identifier in two products is one key. The last writer has it, and taking it over is counted.
//!
//! Times in a copy are readings of this machine's monotonic clock, as the SDK means them: another program on it
//! can compare them with its own, one on another machine cannot.
//!
//! Deliberately absent: reading copies back. What other programs write there is written over when the state changes.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

use super::registry::Written;
use crate::clock::{Clock, Instant};
use crate::domain::fsm::Fsm;
use crate::domain::id::{Key, Kind, ProductId};
use crate::domain::machine::Machine;
use crate::domain::session::Session;
use crate::metrics::Metrics;
use crate::store::redis::SessionStates;
use crate::store::{Error, Store};
use crate::tasks::Tasks;

/// How many copies are written at once.
const BATCH: usize = 64;

/// How old a copy may be when a commit finds that it need not be another one: so much less than 24 hours may be
/// left to it.
const OLD: Duration = Duration::from_secs(3600);

/// Copies the states of sessions. Cheap to clone.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    states: SessionStates,
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: Metrics,
    limits: Limits,
    book: Mutex<Book>,
    nudge: Notify,
    /// Whether the newest write failed.
    is_failing: AtomicBool,
}

/// Bounds on what a mirror holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most sessions whose copies wait to be written.
    pub pending_max: usize,
    /// The most sessions of which is known what their copy says; one more has all forgotten, at the price of
    /// writing them again.
    pub known_max: usize,
}

/// What is to be written, and what was.
#[derive(Default)]
struct Book {
    /// Each session's newest state.
    waiting: HashMap<Key, Copy>,
    /// The keys of `waiting`, whoever waits longest first, and perhaps some that do not wait any more.
    order: VecDeque<Key>,
    /// By the fingerprint of the key: nobody is named in what is remembered for long.
    known: HashMap<u64, Known>,
}

/// What a copy says.
struct Known {
    /// The newest version of which that holds.
    version: u64,
    machine: u64,
    written: Instant,
}

/// A state as it was committed.
struct Copy {
    fsm: Fsm,
    version: u64,
}

/// Whose state a copy is, and which: what lies in its `metadata`.
#[derive(Deserialize)]
struct Stamp {
    product_id: ProductId,
    version: u64,
}

impl Mirror {
    /// Nothing is written before [`Mirror::run`].
    pub fn new(
        states: SessionStates,
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Metrics,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            states,
            store,
            clock,
            metrics,
            limits,
            book: Mutex::default(),
            nudge: Notify::new(),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Takes note of a commit. Actions without a session have no state that anybody could ask for.
    pub fn note(&self, key: &Key, written: &Written<'_, Session>) {
        if key.kind != Kind::Session {
            return;
        }
        let (fsm, version) = (&written.state.fsm, written.version);
        let mut book = self.book();
        if let Some(waiting) = book.waiting.get_mut(key) {
            (waiting.fsm, waiting.version) = (fsm.clone(), version);
            return;
        }
        if let Some(known) = book.known.get_mut(&fingerprint(key))
            && known.version + 1 == version
            && self.0.clock.since(known.written) < OLD
            && known.machine == machine_fingerprint(fsm)
        {
            known.version = version;
            return;
        }
        if book.waiting.len() >= self.0.limits.pending_max {
            drop(book);
            self.count("dropped");
            return;
        }
        let fsm = fsm.clone();
        book.waiting.insert(key.clone(), Copy { fsm, version });
        book.order.push_back(key.clone());
        drop(book);
        self.0.nudge.notify_one();
    }

    /// Writes what waits until the service stops.
    pub async fn run(self, tasks: Tasks) {
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.0.nudge.notified() => {}
            }
            if self.write_batch().await {
                self.0.nudge.notify_one();
            }
        }
    }

    /// Writes whatever waits, once [`Mirror::run`] has ended.
    pub async fn flush(&self) {
        while self.write_batch().await {}
    }

    /// Lets go of what is known of copies: they are gone with everything else.
    pub fn forget_all(&self) {
        self.book().known.clear();
    }

    /// Removes the copy of a session whose state is gone. One that is on its way meanwhile finds that out and is
    /// removed by whoever wrote it.
    ///
    /// # Errors
    ///
    /// It may still be there.
    pub async fn erase(&self, key: &Key) -> Result<(), Error> {
        self.book().forget(key);
        self.remove(key).await
    }

    /// Writes those that wait longest; whether there were any.
    async fn write_batch(&self) -> bool {
        let batch = self.book().take(BATCH);
        let any = !batch.is_empty();
        join_all(batch.into_iter().map(|(key, copy)| self.write(key, copy))).await;
        any
    }

    async fn write(&self, key: Key, copy: Copy) {
        let is_failing = &self.0.is_failing;
        let written = self.0.clock.monotonic();
        match self.settle(&key, copy).await {
            Ok(copy) => {
                self.count("written");
                self.know(&key, copy, written);
                if is_failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("states of sessions are mirrored again");
                }
            }
            Err(error) => {
                self.count("failed");
                self.know(&key, None, written);
                if !is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "states of sessions cannot be mirrored");
                }
            }
        }
    }

    /// Remembers what a copy says; `None` where there is none, or nobody knows.
    fn know(&self, key: &Key, copy: Option<Copy>, written: Instant) {
        let key = fingerprint(key);
        let known = copy.map(|copy| Known {
            version: copy.version,
            machine: machine_fingerprint(&copy.fsm),
            written,
        });
        let mut book = self.book();
        book.known.remove(&key);
        let Some(known) = known else { return };
        if book.known.len() >= self.0.limits.known_max {
            book.known.clear();
        }
        book.known.insert(key, known);
    }

    /// Writes a copy, and goes on until it is that of the newest state; answers what it is then.
    async fn settle(&self, key: &Key, mut copy: Copy) -> Result<Option<Copy>, Error> {
        let Inner { states, clock, .. } = &*self.0;
        loop {
            let replaced = states.put(&key.id, &copy.text(key, clock)).await?;
            let replaced = replaced.as_deref().and_then(Stamp::of);
            match replaced {
                Some(stamp) if stamp.product_id != key.product => {
                    self.0.metrics.mirror_takeovers.inc();
                }
                Some(stamp) if stamp.version <= copy.version => return Ok(Some(copy)),
                _ => {}
            }
            match self.newest(key).await? {
                Some(newest) if newest.version == copy.version => return Ok(Some(copy)),
                Some(newest) => copy = newest,
                None => {
                    self.remove(key).await?;
                    return Ok(None);
                }
            }
        }
    }

    /// The state as the store has it.
    async fn newest(&self, key: &Key) -> Result<Option<Copy>, Error> {
        let Some(stored) = self.0.store.load(key).await? else {
            return Ok(None);
        };
        let session = Session::decode(&stored.state, &stored.settled);
        let session = session.map_err(|reason| Error::Backend(reason.into()))?;
        Ok(Some(Copy {
            fsm: session.fsm,
            version: stored.version,
        }))
    }

    /// Removes the copy of a session, unless it is that of another product.
    async fn remove(&self, key: &Key) -> Result<(), Error> {
        let states = &self.0.states;
        while let Some(held) = states.get(&key.id).await? {
            let is_foreign = Stamp::of(&held).is_some_and(|stamp| stamp.product_id != key.product);
            if is_foreign || states.remove(&key.id, &held).await? {
                break;
            }
        }
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        let book = &self.0.book;
        book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: &str) {
        let counter = &self.0.metrics.mirror_writes;
        counter.with_label_values(&[outcome]).inc();
    }
}

impl Book {
    /// Lets go of whatever is held of a session.
    fn forget(&mut self, key: &Key) {
        self.waiting.remove(key);
        self.known.remove(&fingerprint(key));
    }

    /// Takes out at most `count` of those that wait longest.
    fn take(&mut self, count: usize) -> Vec<(Key, Copy)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some(key) = self.order.pop_front() else {
                break;
            };
            taken.extend(self.waiting.remove_entry(&key));
        }
        taken
    }
}

impl Copy {
    /// The published snapshot as another program of this machine is to read it now.
    fn text(&self, key: &Key, clock: &Clock) -> String {
        let ahead_s = clock.now_s() - clock.host_monotonic_s();
        let mut snapshot = self.fsm.shifted(-ahead_s).to_snapshot();
        snapshot["metadata"] = json!({"product_id": key.product, "version": self.version});
        snapshot.to_string()
    }
}

fn fingerprint(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Tells a machine from what it was before, and from that of another session.
fn machine_fingerprint(fsm: &Fsm) -> u64 {
    fingerprint(&serde_json::to_vec(fsm).unwrap_or_default())
}

impl Stamp {
    /// The stamp of what lies under a key; `None` where somebody else has written it.
    fn of(held: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Held {
            metadata: Stamp,
        }
        serde_json::from_slice(held)
            .ok()
            .map(|held: Held| held.metadata)
    }
}
