//! One account's gate: what its calls tell, and whether the next one may begin.

use std::num::NonZeroU32;

use super::limits::Limits;
use super::pace::Pace;
use super::window::{Rate, Window};

/// What holds for one kind of account and not for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The most calls under way, where that is not [`Limits::account_workers`].
    pub workers: Option<usize>,
    /// The most calls that begin within any second; `None` for as many as there are.
    pub second_max: Option<NonZeroU32>,
    /// How long it may only fail before it is disabled; `None` where that never happens.
    pub disable_after_ms: Option<u64>,
}

/// What a call says about its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A definite answer, whatever it says about the note.
    Works,
    /// No connection, no answer, or none that is definite.
    Silent,
    /// The rate limit was hit.
    Limited {
        /// How long the vendor asks to wait.
        after_ms: Option<u64>,
    },
    /// The credentials were refused.
    Refused,
    /// A definite answer of an endpoint that does not take what it was sent.
    Rejected,
    /// The endpoint says that it wants nothing any more.
    Gone,
    /// No call was made.
    NotCalled,
}

/// Why a gate is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Calls get no definite answer.
    Silent,
    /// The credentials are refused.
    Refused,
    /// The endpoint is disabled: it said so, or it has only failed for long.
    Disabled,
}

/// What a call changed, to be told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The gate is shut from now on.
    Shut(Why),
    /// It was shut for this reason and is open again.
    Opened(Why),
}

/// One account's gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    window: Window,
    limited_until_ms: u64,
    door: Door,
    /// Grows whenever the door opens or shuts.
    epoch: u64,
    in_flight: usize,
    pace: Pace,
    terms: Terms,
    /// When the first call failed since one last succeeded, if that may matter.
    failing_since_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Open { failures: u32 },
    Shut { why: Why, until_ms: u64, times: u32 },
    Probing { why: Why, times: u32 },
}

impl Default for Door {
    fn default() -> Self {
        Self::Open { failures: 0 }
    }
}

/// A call that was admitted. Must be given back to [`Gate::settle`], once.
#[derive(Debug)]
pub struct Ticket {
    epoch: u64,
}

impl Gate {
    /// An open gate.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            ..Self::default()
        }
    }

    /// What holds for the account from now on.
    pub fn agree(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// How many calls may begin now.
    pub fn places(&self, now_ms: u64, limits: &Limits) -> usize {
        if now_ms < self.limited_until_ms {
            return 0;
        }
        let workers = self.terms.workers.unwrap_or(limits.account_workers);
        let share = workers.saturating_sub(self.in_flight);
        let places = share
            .min(self.window.room(self.in_flight, now_ms))
            .min(self.pace.room(self.terms.second_max, now_ms));
        match self.door {
            Door::Open { .. } => places,
            Door::Shut { until_ms, .. } if now_ms >= until_ms => places.min(1),
            Door::Shut { .. } | Door::Probing { .. } => 0,
        }
    }

    /// When time alone may let a call begin; `None` when one may begin now, or only the end of another
    /// will let it.
    pub fn opens_ms(&self, now_ms: u64) -> Option<u64> {
        let shut_until_ms = match self.door {
            Door::Shut { until_ms, .. } => until_ms,
            Door::Open { .. } | Door::Probing { .. } => 0,
        };
        let closed_until_ms = self.limited_until_ms.max(shut_until_ms);
        if closed_until_ms > now_ms {
            return Some(closed_until_ms).filter(|until_ms| *until_ms < NEVER_MS);
        }
        let is_used_up = self.window.room(self.in_flight, now_ms) == 0;
        let reset_ms = self.window.reset_ms(now_ms).filter(|_| is_used_up);
        reset_ms.max(self.pace.opens_ms(self.terms.second_max, now_ms))
    }

    /// Whether a new gate would do the same.
    pub fn is_as_new(&self, now_ms: u64) -> bool {
        matches!(self.door, Door::Open { failures: 0 })
            && self.in_flight == 0
            && self.failing_since_ms.is_none()
            && now_ms >= self.limited_until_ms
            && self.window.is_over(now_ms)
            && self.pace.is_over(now_ms)
    }

    /// Whether all calls have begun that may begin within a second.
    pub fn is_paced(&self, now_ms: u64) -> bool {
        self.pace.room(self.terms.second_max, now_ms) == 0
    }

    /// Whether a call is under way.
    pub fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether it stays shut until somebody mends something.
    pub fn is_stuck(&self) -> bool {
        self.is_refused() || self.is_disabled()
    }

    /// Whether the credentials are refused.
    pub fn is_refused(&self) -> bool {
        self.why() == Some(Why::Refused)
    }

    /// Whether the endpoint is disabled.
    pub fn is_disabled(&self) -> bool {
        self.why() == Some(Why::Disabled)
    }

    fn why(&self) -> Option<Why> {
        match self.door {
            Door::Shut { why, .. } | Door::Probing { why, .. } => Some(why),
            Door::Open { .. } => None,
        }
    }

    /// Lets a call begin, if one may. Behind a shut door it is the probe.
    pub fn admit(&mut self, now_ms: u64, limits: &Limits) -> Option<Ticket> {
        if self.places(now_ms, limits) == 0 {
            return None;
        }
        if let Door::Shut { why, times, .. } = self.door {
            self.door = Door::Probing { why, times };
        }
        self.in_flight += 1;
        if self.terms.second_max.is_some() {
            self.pace.begin(now_ms);
        }
        Some(Ticket { epoch: self.epoch })
    }

    /// Lets the next probe come at once.
    pub fn invite(&mut self) {
        if let Door::Shut { until_ms, .. } = &mut self.door {
            *until_ms = 0;
        }
    }

    /// A call ended. `jitter` is a random number in `[0, 1)`.
    pub fn settle(
        &mut self,
        ticket: Ticket,
        sign: Sign,
        rate: Option<Rate>,
        (now_ms, jitter): (u64, f64),
        limits: &Limits,
    ) -> Option<Change> {
        self.in_flight = self.in_flight.saturating_sub(1);
        match rate {
            Some(rate) => self.window.told(rate, now_ms, limits.rate_pause_cap_ms),
            None if sign == Sign::NotCalled => {}
            None => self.window.untold(now_ms),
        }
        if let Sign::Limited { after_ms } = sign {
            let until_ms = now_ms.saturating_add(limits.rate_pause(after_ms));
            self.limited_until_ms = self.limited_until_ms.max(until_ms);
        }
        let has_failed_for_long = self.has_failed_for_long(sign, now_ms);
        // Stragglers say nothing about the door as it is now.
        if ticket.epoch != self.epoch {
            return None;
        }
        if (has_failed_for_long || sign == Sign::Gone) && !self.is_disabled() {
            return Some(self.shut(Why::Disabled, NEVER_MS, 0));
        }
        match self.door {
            Door::Open { failures } => self.settle_open(failures, sign, now_ms, jitter, limits),
            Door::Probing { why, times } => {
                self.settle_probe((why, times), sign, now_ms, jitter, limits)
            }
            Door::Shut { .. } => None,
        }
    }

    /// Notes whether calls succeed; whether they have only failed for as long as an endpoint may.
    fn has_failed_for_long(&mut self, sign: Sign, now_ms: u64) -> bool {
        match sign {
            Sign::Works => self.failing_since_ms = None,
            Sign::NotCalled => return false,
            _ => {}
        }
        let Some(after_ms) = self.terms.disable_after_ms.filter(|_| sign != Sign::Works) else {
            return false;
        };
        let since_ms = *self.failing_since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) >= after_ms
    }

    fn settle_open(
        &mut self,
        failures: u32,
        sign: Sign,
        now_ms: u64,
        jitter: f64,
        limits: &Limits,
    ) -> Option<Change> {
        let failures = match sign {
            Sign::NotCalled => failures,
            Sign::Works | Sign::Rejected | Sign::Gone | Sign::Limited { .. } => 0,
            Sign::Silent => failures.saturating_add(1),
            Sign::Refused => {
                let until_ms = limits.refused_until_ms(now_ms, jitter);
                return Some(self.shut(Why::Refused, until_ms, 0));
            }
        };
        if failures >= limits.breaker_failures {
            let until_ms = limits.silent_until_ms(1, now_ms, jitter);
            return Some(self.shut(Why::Silent, until_ms, 1));
        }
        self.door = Door::Open { failures };
        None
    }

    fn settle_probe(
        &mut self,
        (why, times): (Why, u32),
        sign: Sign,
        now_ms: u64,
        jitter: f64,
        limits: &Limits,
    ) -> Option<Change> {
        match (why, sign) {
            // A rate limit is an answer, but it may be told before the credentials are looked at.
            (_, Sign::Works) | (Why::Silent, Sign::Limited { .. } | Sign::Rejected) => {
                self.door = Door::default();
                self.epoch += 1;
                Some(Change::Opened(why))
            }
            // Asked for by an operator, and in vain.
            (Why::Disabled, sign) if sign != Sign::NotCalled => {
                self.shut(why, NEVER_MS, 0);
                None
            }
            (Why::Silent, Sign::Refused) => {
                let until_ms = limits.refused_until_ms(now_ms, jitter);
                Some(self.shut(Why::Refused, until_ms, 0))
            }
            (Why::Refused, Sign::Refused) => {
                self.shut(why, limits.refused_until_ms(now_ms, jitter), 0);
                None
            }
            (_, Sign::Silent) => {
                let times = times.saturating_add(1);
                self.shut(why, limits.silent_until_ms(times, now_ms, jitter), times);
                None
            }
            _ => {
                self.shut(why, now_ms, times);
                None
            }
        }
    }

    fn shut(&mut self, why: Why, until_ms: u64, times: u32) -> Change {
        self.door = Door::Shut {
            why,
            until_ms,
            times,
        };
        self.epoch += 1;
        Change::Shut(why)
    }
}

/// Until an invitation, or for another account.
const NEVER_MS: u64 = u64::MAX;
