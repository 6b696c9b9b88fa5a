//! What is kept of a key in memory between one piece of work and the next.

use super::alarm::Alarm;
use crate::clock::{Clock, Instant};
use crate::domain::machine::Machine;
use crate::domain::time::to_ms;

/// The state of a key, if it is known, and when to look at its deadline. The state is in a box because
/// this changes hands each time a key is roused and put to rest.
pub(super) struct Kept<M: Machine> {
    pub(super) cached: Option<Box<Cached<M>>>,
    pub(super) alarm: Alarm,
}

/// What the store is believed to hold; version 0 means nothing yet. Its bytes are not kept: they would
/// double the memory of every live key.
pub(super) struct Cached<M> {
    pub(super) state: M,
    pub(super) version: u64,
}

impl<M: Machine> Kept<M> {
    /// Nothing is known yet.
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            cached: None,
            alarm: Alarm::new(clock.clone()),
        }
    }

    /// Keeps what the store is believed to hold.
    pub(super) fn keep(&mut self, state: M, version: u64) {
        self.cached = Some(Box::new(Cached { state, version }));
    }

    /// Lets the alarm follow the cached state, which was decided on, or read, when the clock read
    /// `as_of_ms` at the instant `read`.
    pub(super) fn set_alarm(&mut self, as_of_ms: u64, read: Instant) {
        let cached = self.cached.as_ref();
        let deadline = cached.and_then(|cached| cached.state.deadline());
        self.alarm.follow(deadline.map(to_ms), as_of_ms, read);
    }
}
