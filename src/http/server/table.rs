//! How many connections are open, and which of them waits longest for a request.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::presence::{Phase, Presence};
use crate::clock::{Clock, Instant};
use crate::metrics::Metrics;

/// All open connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Table(Arc<Inner>);

struct Inner {
    max: usize,
    clock: Clock,
    origin: Instant,
    metrics: Metrics,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    open: usize,
    /// Those that wait for a request, the longest waiting first.
    waiting: BTreeMap<u64, Arc<Presence>>,
    turns: u64,
}

impl Places {
    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl Table {
    pub(super) fn new(max: usize, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            max,
            origin: clock.monotonic(),
            clock,
            metrics,
            places: Mutex::default(),
        }))
    }

    /// Milliseconds on the scale of all presences.
    pub(super) fn now_ms(&self) -> u64 {
        let running = self.0.clock.since(self.0.origin);
        u64::try_from(running.as_millis()).unwrap_or(u64::MAX)
    }

    /// A seat for a new connection, if need be that of the one that waits longest; `None` when all
    /// are in use.
    pub(super) fn admit(&self) -> Option<Seat> {
        let now_ms = self.now_ms();
        let mut places = self.0.lock();
        if places.open >= self.0.max && !self.0.evict(&mut places) {
            return None;
        }
        let turn = places.next_turn();
        let presence = Arc::new(Presence::new(turn, now_ms));
        places.waiting.insert(turn, Arc::clone(&presence));
        places.open += 1;
        self.0.metrics.connections.inc();
        Some(Seat {
            table: self.clone(),
            presence,
        })
    }

    /// Closes the connection that waits longest, if any waits.
    pub(super) fn evict(&self) -> bool {
        self.0.evict(&mut self.0.lock())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat is free at once; its connection closes when it next runs.
    fn evict(&self, places: &mut Places) -> bool {
        let Some((_, presence)) = places.waiting.pop_first() else {
            return false;
        };
        places.open -= 1;
        presence.evict();
        self.closed("evicted");
        true
    }

    fn closed(&self, reason: &str) {
        let counter = &self.metrics.connections_closed;
        counter.with_label_values(&[reason]).inc();
    }
}

/// A connection's place in the table; given back when dropped.
pub(super) struct Seat {
    table: Table,
    pub(super) presence: Arc<Presence>,
}

impl Seat {
    /// A request was read. False when the seat was given away just before.
    pub(super) fn enter(&self) -> bool {
        let turn = self.presence.turn.load(Ordering::Relaxed);
        let was_waiting = self.table.0.lock().waiting.remove(&turn).is_some();
        self.presence.set(Phase::Busy);
        was_waiting
    }

    /// The answer is complete, and the next request may come.
    pub(super) fn leave(&self) {
        let now_ms = self.table.now_ms();
        let mut places = self.table.0.lock();
        if !self.presence.is_evicted() {
            let turn = places.next_turn();
            self.presence.turn.store(turn, Ordering::Relaxed);
            places.waiting.insert(turn, Arc::clone(&self.presence));
        }
        self.presence.set_since(Phase::KeptAlive, now_ms);
    }

    /// Counts why the connection is closed, where that is not the peer's own wish.
    pub(super) fn closed(&self, reason: &str) {
        self.table.0.closed(reason);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.0.metrics.connections.dec();
        let turn = self.presence.turn.load(Ordering::Relaxed);
        let mut places = self.table.0.lock();
        // The seat of an evicted connection is somebody else's by now.
        if !self.presence.is_evicted() {
            places.open -= 1;
            places.waiting.remove(&turn);
        }
    }
}
