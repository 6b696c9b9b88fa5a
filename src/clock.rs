//! The only place that knows the time.
//!
//! A [`Clock`] is cheap to clone and can be slept on. [`Clock::system`] follows the machine;
//! [`Clock::manual`] stands still until a test advances it, while real input and output go on, which
//! a paused runtime would not allow. It wakes its sleepers in the order of their times, and those of
//! one time in the order in which they fell asleep, so that a run on one thread repeats itself.
//!
//! Wall-clock time is Unix seconds as `f64`, as on the wire, or Unix milliseconds where it is
//! stored. Durations that must not jump with the wall clock use [`Clock::monotonic`].

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::domain::time::to_ms;

/// A source of time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug, Default)]
struct Manual(Mutex<Standing>);

/// How a manual clock stands.
#[derive(Debug, Default)]
struct Standing {
    elapsed: Duration,
    /// What the wall clock reads beyond `elapsed`.
    wall_ahead_ms: u64,
    /// Numbers the sleepers.
    sleepers_ever: u64,
    /// By the time of their waking, then by number.
    sleepers: BTreeMap<(Duration, u64), Waker>,
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
        let manual = Arc::new(Manual::default());
        manual.lock().wall_ahead_ms = to_ms(start_s);
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
            Source::Manual(manual) => {
                let standing = manual.lock();
                standing.wall_ahead_ms + whole_ms(standing.elapsed)
            }
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
            Source::Manual(manual) => Reading::Manual(manual.lock().elapsed),
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
                let mut sleeper = Sleeper::new(manual, wait);
                poll_fn(|context| sleeper.poll(context)).await;
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
        let standing = self.0.lock();
        let ((until, _), _) = standing.sleepers.first_key_value()?;
        Some(until.saturating_sub(standing.elapsed))
    }

    /// Moves time forward and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        let mut standing = self.0.lock();
        let now = standing.elapsed + by;
        standing.elapsed = now;
        let later = standing.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut standing.sleepers, later);
        drop(standing);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Sets the wall clock forward or back, as an operator or a time server may. What measures
    /// durations does not notice, and nobody wakes.
    pub fn shift_wall(&self, by_ms: i64) {
        let mut standing = self.0.lock();
        standing.wall_ahead_ms = standing.wall_ahead_ms.saturating_add_signed(by_ms);
    }
}

impl Manual {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who sleeps on a manual clock, listed for [`Hand::next_wake`] once polled.
struct Sleeper<'a> {
    manual: &'a Manual,
    place: (Duration, u64),
}

impl<'a> Sleeper<'a> {
    fn new(manual: &'a Manual, wait: Duration) -> Self {
        let mut standing = manual.lock();
        standing.sleepers_ever += 1;
        let place = (standing.elapsed + wait, standing.sleepers_ever);
        Self { manual, place }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut standing = self.manual.lock();
        if standing.elapsed >= self.place.0 {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        let before = standing.sleepers.insert(self.place, waker);
        // A waker may hold the last of a task, which may hold sleepers: never dropped under the lock.
        drop(standing);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let waker = self.manual.lock().sleepers.remove(&self.place);
        drop(waker);
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The longest single wait while sleeping towards a wall-clock time.
const SLICE_MS: u64 = 60_000;
