//! The only place that knows the time.
//!
//! A [`Clock`] is cheap to clone and can be slept on. [`Clock::system`] follows the machine;
//! [`Clock::manual`] stands still until a test advances it, while real input and output go on, which
//! a paused runtime would not allow.
//!
//! Wall-clock time is Unix seconds as `f64`, as on the wire, or Unix milliseconds where it is
//! stored. Durations that must not jump with the wall clock use [`Clock::monotonic`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::time::to_ms;

/// A source of time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    elapsed: watch::Sender<Duration>,
    wall_at_start_ms: u64,
    sleepers: Mutex<BTreeMap<Duration, usize>>,
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hand(Arc<Manual>);

/// A point on the monotonic scale of the clock that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Reading);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    System(std::time::Instant),
    Manual(Duration),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start_s` (Unix seconds) until its [`Hand`] moves it.
    pub fn manual(start_s: f64) -> (Self, Hand) {
        let manual = Arc::new(Manual {
            elapsed: watch::Sender::new(Duration::ZERO),
            wall_at_start_ms: to_ms(start_s),
            sleepers: Mutex::default(),
        });
        (Self(Source::Manual(Arc::clone(&manual))), Hand(manual))
    }

    /// Unix milliseconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where wall-clock time enters"
    )]
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Source::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, whole_ms),
            Source::Manual(manual) => manual.wall_at_start_ms + whole_ms(*manual.elapsed.borrow()),
        }
    }

    /// Unix seconds, in steps of a millisecond.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this millennium fit a double exactly"
    )]
    pub fn now_s(&self) -> f64 {
        self.now_ms() as f64 / 1000.0
    }

    /// A reading for measuring durations.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where monotonic time enters"
    )]
    pub fn monotonic(&self) -> Instant {
        Instant(match &self.0 {
            Source::System => Reading::System(std::time::Instant::now()),
            Source::Manual(manual) => Reading::Manual(*manual.elapsed.borrow()),
        })
    }

    /// How long ago `then` was; zero if it was read from another clock.
    pub fn since(&self, then: Instant) -> Duration {
        match (self.monotonic().0, then.0) {
            (Reading::System(now), Reading::System(then)) => now.saturating_duration_since(then),
            (Reading::Manual(now), Reading::Manual(then)) => now.saturating_sub(then),
            _ => Duration::ZERO,
        }
    }

    /// Returns once `wait` has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the runtime's timer is used"
    )]
    pub async fn sleep(&self, wait: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(wait).await,
            Source::Manual(manual) => {
                let mut elapsed = manual.elapsed.subscribe();
                let until = *elapsed.borrow() + wait;
                let _asleep = Sleeper::new(manual, until);
                // The hand owns a sender, so the channel outlives every sleeper.
                let _ = elapsed.wait_for(|now| *now >= until).await;
            }
        }
    }

    /// Returns once the wall clock reads `at_ms` or later, at once if it already does.
    pub async fn sleep_until_ms(&self, at_ms: u64) {
        // The wall clock may be set while we sleep, so it is read again after every wait.
        loop {
            let now = self.now_ms();
            if now >= at_ms {
                return;
            }
            self.sleep(Duration::from_millis((at_ms - now).min(SLICE_MS)))
                .await;
        }
    }

    /// Runs `work`, or gives up after `limit`.
    pub async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.sleep(limit) => None,
        }
    }
}

impl Hand {
    /// How long until the next sleeper wakes, if anybody sleeps.
    pub fn next_wake(&self) -> Option<Duration> {
        let now = *self.0.elapsed.borrow();
        let sleepers = lock(&self.0.sleepers);
        let (until, _) = sleepers.first_key_value()?;
        Some(until.saturating_sub(now))
    }

    /// Moves time forward and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        self.0.elapsed.send_modify(|elapsed| *elapsed += by);
    }
}

/// Somebody who sleeps on a manual clock, listed for [`Hand::next_wake`].
struct Sleeper<'a> {
    manual: &'a Manual,
    until: Duration,
}

impl<'a> Sleeper<'a> {
    fn new(manual: &'a Manual, until: Duration) -> Self {
        *lock(&manual.sleepers).entry(until).or_insert(0) += 1;
        Self { manual, until }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let mut sleepers = lock(&self.manual.sleepers);
        if let Some(count) = sleepers.get_mut(&self.until) {
            *count -= 1;
            if *count == 0 {
                sleepers.remove(&self.until);
            }
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest single wait while sleeping towards a wall-clock time.
const SLICE_MS: u64 = 60_000;
