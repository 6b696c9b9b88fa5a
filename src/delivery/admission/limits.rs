//! What holds for every account.

use crate::domain::retry::Schedule;

/// Bounds and paces of every gate.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most calls under way for one account.
    pub account_workers: usize,
    /// So many calls in a row without a definite answer close it.
    pub breaker_failures: u32,
    /// How long it stays closed the first time; each further time is twice as long.
    pub breaker_pause_ms: u64,
    /// The longest it stays closed for want of answers.
    pub breaker_pause_cap_ms: u64,
    /// How often refused credentials are tried again.
    pub refused_probe_ms: u64,
    /// The shortest pause after a 429.
    pub rate_pause_ms: u64,
    /// The longest a vendor's rate limit keeps an account closed, whatever it says.
    pub rate_pause_cap_ms: u64,
}

impl Limits {
    /// How long to wait after a 429 that asked for `after_ms`.
    pub fn rate_pause(&self, after_ms: Option<u64>) -> u64 {
        let wish = after_ms.unwrap_or(0).max(self.rate_pause_ms);
        wish.min(self.rate_pause_cap_ms)
    }

    /// When an account is probed that got no answers so many times in a row.
    pub(super) fn silent_until_ms(&self, times: u32, now_ms: u64, jitter: f64) -> u64 {
        let (base_ms, cap_ms) = (self.breaker_pause_ms, self.breaker_pause_cap_ms);
        later_ms(base_ms, cap_ms, times, now_ms, jitter)
    }

    /// When refused credentials are probed.
    pub(super) fn refused_until_ms(&self, now_ms: u64, jitter: f64) -> u64 {
        let pause_ms = self.refused_probe_ms;
        later_ms(pause_ms, pause_ms, 1, now_ms, jitter)
    }
}

/// The end of the pause that a schedule without an end has after so many failures.
fn later_ms(base_ms: u64, cap_ms: u64, times: u32, now_ms: u64, jitter: f64) -> u64 {
    let schedule = Schedule {
        retries_max: u32::MAX,
        base_ms,
        cap_ms,
    };
    let pause_ms = schedule.after(times, jitter, None).unwrap_or(cap_ms);
    now_ms.saturating_add(pause_ms)
}
