//! What happens when somebody sets the clock.
//!
//! Most of the house measures on the monotonic clock and does not notice. What is written down is in
//! wall-clock time: deliveries are moved when the clock was set back, and retention doubts a leap
//! forward for a while before it removes what would be too old.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Drift, Instant};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tasks::Tasks;

/// How often the two clocks are compared.
const GLANCE: Duration = Duration::from_secs(1);

/// Less than this is the ordinary correction of a clock, milliseconds.
const NOTICED_MS: i64 = 1_000;

/// A leap forward that retention does not believe at once, milliseconds.
const LEAP_MS: u64 = 60_000;

/// Notices when the clock is set, tells, and keeps deliveries from waiting for a time that comes twice.
/// None waits longer than `wait_ms_max` afterwards.
pub(super) async fn watch(
    store: Arc<dyn Store>,
    clock: Clock,
    tasks: Tasks,
    metrics: Metrics,
    wait_ms_max: u64,
) {
    let mut drift = Drift::new(&clock);
    // It may have been set back before the start.
    let mut rewind_ms = Some(0);
    loop {
        if let Some(by_ms) = rewind_ms {
            let done = store.rewind(clock.now_ms(), by_ms, wait_ms_max).await;
            match done {
                Ok(()) => rewind_ms = None,
                Err(error) => error.report("deliveries wait for a clock that was set"),
            }
        }
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = clock.sleep(GLANCE) => {}
        }
        let set_ms = drift.look();
        if set_ms.abs() < NOTICED_MS {
            continue;
        }
        let direction = if set_ms < 0 { "back" } else { "forward" };
        metrics.clock_jumps.with_label_values(&[direction]).inc();
        tracing::warn!(by_ms = set_ms, "the clock was set {direction}");
        if set_ms < 0 {
            rewind_ms = Some(rewind_ms.unwrap_or(0).saturating_add(set_ms.unsigned_abs()));
        }
    }
}

/// The time that retention goes by. It follows the wall clock, but believes a leap forward only after a
/// while, so that a mistake which is mended meanwhile costs nothing.
pub(super) struct Cautious {
    clock: Clock,
    drift: Drift,
    doubt: Duration,
    /// How much of the wall clock is not believed yet, and since when.
    leap: Option<(u64, Instant)>,
}

impl Cautious {
    /// Starts from the newest time that was written down: a clock far ahead of it may have been set
    /// while nobody ran, or a day may have passed.
    pub(super) fn new(clock: Clock, doubt: Duration, newest_ms: u64) -> Self {
        let drift = Drift::new(&clock);
        let mut cautious = Self {
            clock,
            drift,
            doubt,
            leap: None,
        };
        if newest_ms > 0 {
            cautious.leap_by(cautious.clock.now_ms().saturating_sub(newest_ms));
        }
        cautious
    }

    /// Unix milliseconds, as far as they are believed.
    pub(super) fn now_ms(&mut self) -> u64 {
        let set_ms = self.drift.look();
        let by_ms = set_ms.unsigned_abs();
        if set_ms > 0 {
            self.leap_by(by_ms);
        } else if let Some((leap_ms, since)) = self.leap {
            let left_ms = leap_ms.saturating_sub(by_ms);
            self.leap = (left_ms >= LEAP_MS).then_some((left_ms, since));
        }
        if let Some((_, since)) = self.leap
            && self.clock.since(since) >= self.doubt
        {
            tracing::warn!("retention goes by the clock again");
            self.leap = None;
        }
        let (leap_ms, _) = self.leap.unwrap_or((0, self.clock.monotonic()));
        self.clock.now_ms().saturating_sub(leap_ms)
    }

    fn leap_by(&mut self, by_ms: u64) {
        if by_ms < LEAP_MS {
            return;
        }
        tracing::warn!(
            by_ms,
            doubt_s = self.doubt.as_secs(),
            "the clock is ahead of what was written last; retention waits before it believes it"
        );
        let before_ms = self.leap.map_or(0, |(leap_ms, _)| leap_ms);
        self.leap = Some((before_ms.saturating_add(by_ms), self.clock.monotonic()));
    }
}
