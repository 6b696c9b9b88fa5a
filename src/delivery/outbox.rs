//! The worker: looks for due deliveries, leases them, and has each attempted in a task of its own.
//!
//! It is woken by a nudge and by the clock, and the nudge carries no data: what there is to do is read
//! from the store each time, so that the happy case, a repetition and a restart are one path.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use super::attempt::Attempt;
use super::destination::Destination;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::id::Key;
use crate::domain::retry::Schedule;
use crate::domain::session::Settlement;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tasks::Tasks;

/// Bounds and paces.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most attempts under way at once.
    pub workers: usize,
    /// How long a delivery belongs to its attempt. Must exceed `request_timeout_ms` by enough for
    /// the outcome to be committed.
    pub lease_ms: u64,
    /// The longest a call to a platform takes; an attempt without an answer is not looked up sooner.
    pub request_timeout_ms: u64,
    /// How often the store is asked without a nudge.
    pub poll_ms: u64,
    /// When to try again, and when to give up.
    pub schedule: Schedule,
}

/// Takes the end of a delivery to the session that asked for it.
#[async_trait]
pub trait Report: Send + Sync + 'static {
    /// Returns once the outcome is durable: the session's commit finishes the delivery. An error
    /// says why it is not; the delivery then stays leased and is read back when the lease ends.
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String>;
}

/// Tells the worker that there may be something to do. Cheap to clone; nudges while it works are
/// not lost, and many count as one.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// A bell nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the worker look at the store.
    pub fn nudge(&self) {
        self.0.notify_one();
    }
}

/// What the worker needs from the outside.
pub struct Surroundings {
    /// Where deliveries are.
    pub store: Arc<dyn Store>,
    /// Where they go, found by name.
    pub destinations: Vec<Arc<dyn Destination>>,
    /// Who hears of their end.
    pub report: Arc<dyn Report>,
    /// Time.
    pub clock: Clock,
    /// Jitter.
    pub chance: Chance,
    /// Spawning and stopping.
    pub tasks: Tasks,
    /// Counters.
    pub metrics: Metrics,
    /// The bell.
    pub nudge: Nudge,
}

/// The worker.
pub struct Outbox {
    around: Arc<Surroundings>,
    options: Options,
    slots: Arc<Semaphore>,
}

impl Outbox {
    /// Nothing is leased before [`Outbox::run`].
    pub fn new(around: Surroundings, options: Options) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(options.workers)),
            around: Arc::new(around),
            options,
        }
    }

    /// Works until a soft stop, then leases nothing more; attempts under way finish on their own.
    pub async fn run(self) {
        let tasks = self.around.tasks.clone();
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.free_slot() => {}
            }
            let due_ms = self.lease().await;
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.around.nudge.0.notified() => {}
                () = self.around.clock.sleep_until_ms(due_ms) => {}
            }
        }
    }

    async fn free_slot(&self) {
        // The permit is given back at once: only this loop hands permits to attempts.
        drop(self.slots.acquire().await);
    }

    /// Starts whatever is due, as far as there are free slots; returns when to look again.
    async fn lease(&self) -> u64 {
        let Surroundings { store, clock, .. } = &*self.around;
        let free = self.slots.available_permits();
        let now_ms = clock.now_ms();
        let until_ms = now_ms.saturating_add(self.options.lease_ms);
        let leases = match store.lease(now_ms, until_ms, free).await {
            Ok(leases) => leases,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read; it is read again shortly");
                return now_ms.saturating_add(self.options.poll_ms);
            }
        };
        let is_full = leases.len() >= free;
        for lease in leases {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                break;
            };
            let attempt = Attempt::new(Arc::clone(&self.around), self.options, lease, until_ms);
            let nudge = self.around.nudge.clone();
            self.around.tasks.spawn("delivery", async move {
                attempt.run().await;
                drop(slot);
                // The lane's next delivery may be due now, and a slot is free for any lane.
                nudge.nudge();
            });
        }
        if is_full {
            // More may be due: the end of any attempt nudges, and until then there is no slot.
            return now_ms.saturating_add(self.options.poll_ms);
        }
        self.next_look_ms().await
    }

    /// No later than the next poll, and never at once: what is due now has just been leased.
    async fn next_look_ms(&self) -> u64 {
        let now_ms = self.around.clock.now_ms();
        let poll_ms = now_ms.saturating_add(self.options.poll_ms);
        match self.around.store.next_delivery_ms().await {
            Ok(Some(due_ms)) => due_ms.max(now_ms + PAUSE_MS).min(poll_ms),
            Ok(None) => poll_ms,
            Err(error) => {
                tracing::warn!(%error, "the outbox's next due time could not be read");
                poll_ms
            }
        }
    }
}

/// The shortest pause between two looks at the store without a nudge.
const PAUSE_MS: u64 = 5;
