//! When to try again, and when to give up.
//!
//! A pure function of the attempt's number, a random fraction and what the other side asked for, so
//! that a whole schedule can be read as a table (`tests/it/delivery/schedule.rs`).

/// Exponential pauses with jitter and a last attempt. All times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Attempts after the first.
    pub retries_max: u32,
    /// The pause after the first attempt; every further pause is twice as long.
    pub base_ms: u64,
    /// The longest pause of our own making, before jitter.
    pub cap_ms: u64,
}

impl Schedule {
    /// How long to wait after `attempt` (counted from 1) failed; `None` means give up.
    ///
    /// The pause is `base · 2^(attempt-1)`, at most `cap`, spread by ±10 % with `jitter`, a random
    /// number in `[0, 1)`. A wish of the other side (`Retry-After`, a rate-limit reset) wins when it is
    /// longer: it is never undercut, up to four caps, because a mistaken header must not park work
    /// for days. Above such a wish up to one `base` is added, since everybody who was refused was
    /// told the same instant.
    pub fn after(&self, attempt: u32, jitter: f64, retry_after_ms: Option<u64>) -> Option<u64> {
        if attempt > self.retries_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1);
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let pause = self.base_ms.saturating_mul(factor).min(self.cap_ms);
        let own = share(pause, SPREAD_LOW + fraction(jitter, SPREAD));
        let Some(wish) = retry_after_ms else {
            return Some(own);
        };
        let asked = wish.min(self.cap_ms.saturating_mul(WISH_CAPS_MAX));
        let asked = asked.saturating_add(share(self.base_ms, fraction(jitter, WHOLE)));
        Some(own.max(asked))
    }

    /// Whether `attempt` (counted from 1) is beyond the last one the schedule allows.
    pub fn is_spent(&self, attempt: u32) -> bool {
        attempt.saturating_sub(1) > self.retries_max
    }
}

/// `pause` scaled by `thousandths`.
fn share(pause: u64, thousandths: u64) -> u64 {
    pause.saturating_mul(thousandths) / WHOLE
}

/// `jitter` of `range`; anything outside `[0, 1]`, and what is no number, counts as its nearest end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the range is at most a thousand, and float casts saturate"
)]
fn fraction(jitter: f64, range: u64) -> u64 {
    (jitter.clamp(0.0, 1.0) * range as f64) as u64
}

/// Shares are counted in thousandths.
const WHOLE: u64 = 1000;

/// The shortest jittered pause: 90 %.
const SPREAD_LOW: u64 = 900;

/// From there up to 110 %.
const SPREAD: u64 = 200;

/// The longest wish that is honoured, in caps.
pub const WISH_CAPS_MAX: u64 = 4;
