//! A copy of every session's state where clients of the published SDK read it.
//!
//! The cast: a [`Mirror`] hears of every commit and keeps the newest state of each session until it is written;
//! one task writes what waits, many sessions at once and never one of them twice at a time. A **stamp** in the
//! copy's `metadata` says whose state it is, and which version of it.
//!
//! Guaranteed:
//!
//! * No commit and no answer waits for a copy, or fails with it. What waits is bounded: a session that waits
//!   already takes its newer state in place of the older, and one more session than there is room for is left out
//!   and counted. Its next commit makes up for it, and for every write that failed.
//! * The copy comes to rest on the newest state, however many instances write. Every write tells what it has
//!   replaced. Unless that was an earlier version of the same state the truth is read once more, and what it says
//!   is written, or removed where the state is gone: a copy that was late does not outlive an erasure.
//! * The same identifier in two products is one key. The last writer has it, and taking it over is counted.
//!
//! Times in a copy are readings of this machine's monotonic clock, as the SDK means them: another program on it
//! can compare them with its own, one on another machine cannot.
//!
//! Deliberately absent: reading copies back. What other programs write there is written over by the next commit.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

use super::registry::Written;
use crate::clock::Clock;
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

/// Copies the states of sessions. Cheap to clone.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    states: SessionStates,
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: Metrics,
    pending_max: usize,
    pending: Mutex<Pending>,
    nudge: Notify,
    /// Whether the newest write failed.
    is_failing: AtomicBool,
}

/// What is to be written: each session's newest state, whoever waits longest first.
#[derive(Default)]
struct Pending {
    copies: HashMap<Key, Copy>,
    /// The keys of `copies`, and perhaps some that were taken out of it since.
    order: VecDeque<Key>,
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
    /// Nothing is written before [`Mirror::run`]. At most `pending_max` sessions wait.
    pub fn new(
        states: SessionStates,
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Metrics,
        pending_max: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            states,
            store,
            clock,
            metrics,
            pending_max,
            pending: Mutex::default(),
            nudge: Notify::new(),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Takes note of a commit. Actions without a session have no state that anybody could ask for.
    pub fn note(&self, key: &Key, written: &Written<'_, Session>) {
        if key.kind != Kind::Session {
            return;
        }
        let copy = Copy {
            fsm: written.state.fsm.clone(),
            version: written.version,
        };
        let mut pending = self.pending();
        if let Some(waiting) = pending.copies.get_mut(key) {
            *waiting = copy;
            return;
        }
        if pending.copies.len() >= self.0.pending_max {
            drop(pending);
            self.count("dropped");
            return;
        }
        pending.copies.insert(key.clone(), copy);
        pending.order.push_back(key.clone());
        drop(pending);
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

    /// Removes the copy of a session whose state is gone. One that is on its way meanwhile finds that out and is
    /// removed by whoever wrote it.
    ///
    /// # Errors
    ///
    /// It may still be there.
    pub async fn erase(&self, key: &Key) -> Result<(), Error> {
        self.pending().copies.remove(key);
        self.remove(key).await
    }

    /// Writes those that wait longest; whether there were any.
    async fn write_batch(&self) -> bool {
        let batch = self.pending().take(BATCH);
        let any = !batch.is_empty();
        join_all(batch.into_iter().map(|(key, copy)| self.write(key, copy))).await;
        any
    }

    async fn write(&self, key: Key, copy: Copy) {
        let is_failing = &self.0.is_failing;
        match self.settle(&key, copy).await {
            Ok(()) => {
                self.count("written");
                if is_failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("states of sessions are mirrored again");
                }
            }
            Err(error) => {
                self.count("failed");
                if !is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "states of sessions cannot be mirrored");
                }
            }
        }
    }

    /// Writes a copy, and goes on until it is that of the newest state.
    async fn settle(&self, key: &Key, mut copy: Copy) -> Result<(), Error> {
        let Inner { states, clock, .. } = &*self.0;
        loop {
            let replaced = states.put(&key.id, &copy.text(key, clock)).await?;
            let replaced = replaced.as_deref().and_then(Stamp::of);
            match replaced {
                Some(stamp) if stamp.product_id != key.product => {
                    self.0.metrics.mirror_takeovers.inc()
                }
                Some(stamp) if stamp.version <= copy.version => return Ok(()),
                _ => {}
            }
            match self.newest(key).await? {
                Some(newest) if newest.version == copy.version => return Ok(()),
                Some(newest) => copy = newest,
                None => return self.remove(key).await,
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

    fn pending(&self) -> MutexGuard<'_, Pending> {
        let pending = &self.0.pending;
        pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: &str) {
        let counter = &self.0.metrics.mirror_writes;
        counter.with_label_values(&[outcome]).inc();
    }
}

impl Pending {
    /// Takes out at most `count` of those that wait longest.
    fn take(&mut self, count: usize) -> Vec<(Key, Copy)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let Some(key) = self.order.pop_front() else {
                break;
            };
            taken.extend(self.copies.remove_entry(&key));
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
