//! When an actor looks at its deadline. Kept on the monotonic clock, so that setting the wall clock
//! back keeps nobody waiting.

use std::time::Duration;

use crate::clock::{Clock, Instant};

/// How long to wait before looking again at a deadline whose commit was refused.
const RETRY: Duration = Duration::from_secs(1);

/// The deadline of the state that an actor holds, if it has one.
pub(super) struct Alarm {
    clock: Clock,
    due: Option<Due>,
    refused: Option<Instant>,
}

/// What there is to hear of a deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bell {
    /// There is none, or it is not to be looked at yet.
    Silent,
    /// It is to be looked at.
    Rings,
    /// It is to be looked at although the wall clock does not say so: mail would be decided on as if nothing were
    /// due.
    RingsEarly,
}

#[derive(Clone, Copy)]
struct Due {
    at_ms: u64,
    set: Instant,
    wait: Duration,
}

impl Alarm {
    /// Nothing is due.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            due: None,
            refused: None,
        }
    }

    /// Follows a state with the deadline `at_ms` that was decided on, or read, at the instant `read`,
    /// when the clock read `as_of_ms`. A deadline that stays keeps the time it was set for.
    pub(super) fn follow(&mut self, at_ms: Option<u64>, as_of_ms: u64, read: Instant) {
        if self.due.map(|due| due.at_ms) == at_ms {
            return;
        }
        self.refused = None;
        self.due = at_ms.map(|at_ms| Due {
            at_ms,
            set: read,
            wait: Duration::from_millis(at_ms.saturating_sub(as_of_ms)),
        });
    }

    /// The commit of the deadline was refused: it is not looked at again at once.
    pub(super) fn refuse(&mut self) {
        self.refused = Some(self.clock.monotonic());
    }

    /// When the deadline is looked at: when as much time has passed as there was when it was set, or
    /// once the wall clock says so, whatever comes first.
    pub(super) fn rings_at(&self) -> Option<Instant> {
        let due = self.due?;
        Some(self.rings_for(due, self.clock.now_ms()))
    }

    /// Whether the deadline is to be looked at now.
    pub(super) fn bell(&self) -> Bell {
        let Some(due) = self.due else {
            return Bell::Silent;
        };
        let now_ms = self.clock.now_ms();
        if !self.clock.has_come(self.rings_for(due, now_ms)) {
            Bell::Silent
        } else if now_ms < due.at_ms {
            Bell::RingsEarly
        } else {
            Bell::Rings
        }
    }

    fn rings_for(&self, due: Due, now_ms: u64) -> Instant {
        let is_over = now_ms >= due.at_ms;
        let wait = if is_over { Duration::ZERO } else { due.wait };
        let rings_at = due.set.after(wait);
        let again = self.refused.map(|at| at.after(RETRY));
        again.map_or(rings_at, |again| rings_at.max(again))
    }

    /// The wall-clock time of the deadline, 0 without one.
    pub(super) fn due_ms(&self) -> u64 {
        self.due.map_or(0, |due| due.at_ms)
    }
}
