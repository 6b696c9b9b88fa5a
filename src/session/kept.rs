//! What is kept of a key in memory between one piece of work and the next.

use super::alarm::Alarm;
use super::live::Until;
use crate::clock::{Clock, Instant};
use crate::domain::machine::Machine;
use crate::domain::time::to_ms;

/// The state of a key, if it is known, and when to look at its deadline. It stays in its box while it changes
/// hands each time the key is roused and put to rest.
pub(super) struct Kept<M: Machine> {
    pub(super) cached: Option<Cached<M>>,
    pub(super) alarm: Alarm,
    /// The key's place among those that rest; `None` while an actor works on it.
    pub(super) until: Option<Until>,
}

/// What the store is believed to hold. Its bytes are not kept: they would double the memory of every live key.
pub(super) struct Cached<M> {
    /// In a box as well, because each decision takes it and gives it back.
    pub(super) state: Box<M>,
    pub(super) standing: Standing,
}

/// Where a state stands, as far as the store is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The version that was read or written last; 0 means nothing yet.
    pub(super) version: u64,
    /// The sequence of the newest log entry, if that is certain.
    pub(super) sequence: Option<u64>,
    /// How often the store had lost everything by then.
    pub(super) losses: u64,
}

impl<M: Machine> Kept<M> {
    /// Nothing is known yet.
    pub(super) fn new(clock: &Clock) -> Box<Self> {
        Box::new(Self {
            cached: None,
            alarm: Alarm::new(clock.clone()),
            until: None,
        })
    }

    /// Keeps what the store is believed to hold.
    pub(super) fn keep(&mut self, state: Box<M>, standing: Standing) {
        self.cached = Some(Cached { state, standing });
    }

    /// Lets the alarm follow the cached state, which was decided on, or read, when the clock read
    /// `as_of_ms` at the instant `read`.
    pub(super) fn set_alarm(&mut self, as_of_ms: u64, read: Instant) {
        let cached = self.cached.as_ref();
        let deadline = cached.and_then(|cached| cached.state.deadline());
        self.alarm.follow(deadline.map(to_ms), as_of_ms, read);
    }
}
