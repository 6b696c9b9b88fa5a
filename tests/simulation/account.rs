//! The calls of one instance's life for one account, and the laws for the next one.
//!
//! Only what the instance was told counts: it does not know what others do with the same account. An
//! answer that arrives in the same millisecond in which a call begins may not have been heard yet.

use event_connector::delivery::admission::{Limits, Rate, Sign};

/// What the calls so far have told.
#[derive(Default)]
pub(crate) struct Account {
    in_flight: usize,
    /// When an answer that opens the account last came.
    opened_ms: u64,
    /// How many such answers have come.
    openings: u64,
    /// When a call last ended without a definite answer.
    silent_ms: u64,
    /// So many calls that began after `opened_ms` have ended without one.
    silent: u32,
    /// Since when calls are probes, if they are.
    probing_since_ms: Option<u64>,
    probes: usize,
    /// No call begins before.
    rests_until_ms: u64,
    /// When a call last began.
    begun_ms: u64,
    /// An operator asked for a probe: so many batches of calls may come of it.
    pardons: u32,
    limited_until_ms: u64,
    window: Option<Window>,
}

/// The newest rate window that an answer told of.
#[derive(Clone, Copy)]
struct Window {
    reset_ms: u64,
    left: u32,
    told_ms: u64,
}

/// A call under way.
pub(crate) struct Call {
    began_ms: u64,
    /// Behind how many openings it is a probe, if it is one.
    probes: Option<u64>,
}

/// A law that a call breaks, and how.
pub(crate) type Broken = (&'static str, String);

impl Account {
    /// A call begins. `slack_ms` is how far the instance's clock may have been moved meanwhile.
    pub(crate) fn begin(
        &mut self,
        now_ms: u64,
        slack_ms: u64,
        limits: &Limits,
    ) -> (Call, Vec<Broken>) {
        let mut broken = Vec::new();
        self.in_flight += 1;
        if self.in_flight > limits.account_workers {
            let text = format!("{} calls at once", self.in_flight);
            broken.push(("accounts_have_shares", text));
        }
        let is_probe = self.probing_since_ms.is_some_and(|since| now_ms > since);
        self.probes += usize::from(is_probe);
        if self.probes > 1 {
            let text = format!("{} probes at once", self.probes);
            broken.push(("silent_accounts_are_probed", text));
        }
        let rests = std::mem::take(&mut self.rests_until_ms);
        if !self.is_pardoned(now_ms) && now_ms + slack_ms < rests {
            let text = format!("called at {now_ms}, closed until {rests}");
            broken.push(("closed_accounts_rest", text));
        }
        if now_ms + slack_ms < self.limited_until_ms {
            let text = format!("called at {now_ms}, not {}", self.limited_until_ms);
            broken.push(("retry_after_is_obeyed", text));
        }
        if slack_ms == 0 {
            broken.extend(self.count(now_ms));
        }
        let call = Call {
            began_ms: now_ms,
            probes: is_probe.then_some(self.openings),
        };
        (call, broken)
    }

    /// The window that was told of has one call less.
    fn count(&mut self, now_ms: u64) -> Option<Broken> {
        let window = self.window.as_mut()?;
        if now_ms >= window.reset_ms || now_ms == window.told_ms {
            return None;
        }
        if window.left == 0 {
            let text = format!("called at {now_ms}, used up until {}", window.reset_ms);
            return Some(("windows_are_not_overdrawn", text));
        }
        window.left -= 1;
        None
    }

    /// A call has ended.
    pub(crate) fn end(
        &mut self,
        call: &Call,
        now_ms: u64,
        (sign, rate): (Sign, Option<Rate>),
        limits: &Limits,
    ) {
        self.in_flight -= 1;
        let is_probe = call.probes == Some(self.openings);
        self.probes -= usize::from(is_probe);
        if let Some(rate) = rate {
            self.tell(rate, now_ms);
        }
        let is_newest = call.began_ms > self.opened_ms;
        match sign {
            Sign::NotCalled => {}
            // Only endpoints of pushes say that, and no vendor here is one.
            Sign::Rejected | Sign::Gone => unreachable!("a vendor refuses otherwise"),
            Sign::Silent => {
                self.silent_ms = now_ms;
                self.silent += u32::from(is_newest);
                if self.silent >= limits.breaker_failures {
                    self.probing_since_ms.get_or_insert(now_ms);
                }
                self.rests_until_ms = if is_probe {
                    now_ms + at_least(limits.breaker_pause_ms)
                } else {
                    0
                };
            }
            // Whoever closed the account meanwhile did so no earlier than this call began.
            Sign::Refused if is_newest && self.silent_ms < call.began_ms => {
                self.rests_until_ms = call.began_ms + at_least(limits.refused_probe_ms);
            }
            Sign::Refused => {}
            Sign::Works | Sign::Limited { .. } => {
                self.opened_ms = now_ms;
                self.openings += 1;
                self.silent = 0;
                self.probing_since_ms = None;
                self.probes = 0;
                self.rests_until_ms = 0;
            }
        }
        if let Sign::Limited { after_ms } = sign {
            let until_ms = now_ms + limits.rate_pause(after_ms);
            self.limited_until_ms = self.limited_until_ms.max(until_ms);
        }
    }

    /// Within a window the smallest number is the newest.
    fn tell(&mut self, rate: Rate, now_ms: u64) {
        let told = Window {
            reset_ms: rate.reset_ms,
            left: rate.remaining,
            told_ms: now_ms,
        };
        self.window = Some(match self.window {
            Some(known) if known.reset_ms > told.reset_ms => known,
            Some(known) if known.reset_ms == told.reset_ms => Window {
                left: known.left.min(told.left),
                ..told
            },
            _ => told,
        });
    }

    /// An operator has something sent again: the next probe may come at once. It may come behind calls
    /// that were on their way already.
    pub(crate) fn invite(&mut self) {
        self.pardons = 2;
    }

    fn is_pardoned(&mut self, now_ms: u64) -> bool {
        let is_pardoned = self.pardons > 0;
        if now_ms != std::mem::replace(&mut self.begun_ms, now_ms) {
            self.pardons = self.pardons.saturating_sub(1);
        }
        is_pardoned
    }
}

/// The shortest that a pause gets by jitter.
fn at_least(pause_ms: u64) -> u64 {
    pause_ms / 10 * 9
}
