//! The only place that knows the time.
//!
//! A [`Clock`] is cheap to clone and can be slept on. [`Clock::system`] follows the machine;
//! [`Clock::manual`] stands still until a test advances it, while real input and output go on, which
//! a paused runtime would not allow. It wakes its sleepers in the order of their times, and those of
//! one time in the order in which they fell asleep, so that a run on one thread repeats itself.
//!
//! Wall-clock time is Unix seconds as `f64`, as on the wire, or Unix milliseconds where it is
//! stored. Durations that must not jump with the wall clock use [`Clock::monotonic`]; a [`Drift`] tells
//! when the wall clock was set.

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
        self.monotonic().since(then)
    }

    /// Whether `then` has come.
    pub fn has_come(&self, then: Instant) -> bool {
        then <= self.monotonic()
    }

    /// Seconds on the monotonic clock as every program of this machine reads it: on Linux those since it was
    /// started. For times that another program is to compare with its own.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the seconds of a machine's life fit a double exactly"
    )]
    pub fn host_monotonic_s(&self) -> f64 {
        match &self.0 {
            Source::System => {
                let read = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                read.tv_sec as f64 + read.tv_nsec as f64 / 1e9
            }
            Source::Manual(manual) => manual.lock().elapsed.as_secs_f64(),
        }
    }

    /// Returns once `wait` has passed.
    pub async fn sleep(&self, wait: Duration) {
        self.sleep_until(self.monotonic().after(wait)).await;
    }

    /// Returns once `then` has come. Who waits for a point in time sleeps until it rather than for what
    /// is left: time that passes between reading the clock and falling asleep is not waited again.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the runtime's timer is used"
    )]
    pub async fn sleep_until(&self, then: Instant) {
        match (&self.0, then.0) {
            (Source::System, Reading::System(then)) => tokio::time::sleep_until(then.into()).await,
            (Source::Manual(manual), Reading::Manual(then)) => {
                let mut sleeper = Sleeper::new(manual, then);
                poll_fn(|context| sleeper.poll(context)).await;
            }
            // Of another clock: it says nothing about this one.
            _ => {}
        }
    }

    /// Returns once the wall clock reads `at_ms` or later, at once if it already does; and no later
    /// than it would if nobody set the clock back meanwhile.
    pub async fn sleep_until_ms(&self, at_ms: u64) {
        let wait = Duration::from_millis(at_ms.saturating_sub(self.now_ms()));
        let latest = self.monotonic().after(wait);
        // The wall clock may be set forward while we sleep, so it is read again after every slice.
        while self.now_ms() < at_ms && !self.has_come(latest) {
            let slice = self.monotonic().after(SLICE);
            self.sleep_until(latest.min(slice)).await;
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

impl Instant {
    /// The point `wait` later; decades from now if it is too far away for the machine to tell.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(match self.0 {
            Reading::System(at) => {
                Reading::System(at.checked_add(wait).unwrap_or_else(|| at + FAR_AWAY))
            }
            Reading::Manual(at) => Reading::Manual(at.saturating_add(wait)),
        })
    }

    /// How long after `then` this is; zero if it is before it, or of another clock.
    pub fn since(self, then: Self) -> Duration {
        match (self.0, then.0) {
            (Reading::System(at), Reading::System(then)) => at.saturating_duration_since(then),
            (Reading::Manual(at), Reading::Manual(then)) => at.saturating_sub(then),
            _ => Duration::ZERO,
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
    pub fn set_wall(&self, by_ms: i64) {
        let mut standing = self.0.lock();
        standing.wall_ahead_ms = standing.wall_ahead_ms.saturating_add_signed(by_ms);
    }
}

/// Tells how far the wall clock was set, by comparing it with the monotonic one.
#[derive(Clone, Debug)]
pub struct Drift {
    clock: Clock,
    wall_ms: u64,
    at: Instant,
}

impl Drift {
    /// Compares from now on.
    pub fn new(clock: &Clock) -> Self {
        Self {
            wall_ms: clock.now_ms(),
            at: clock.monotonic(),
            clock: clock.clone(),
        }
    }

    /// By how many milliseconds the wall clock was set forward, or back if negative, since the last
    /// look. A machine that was suspended looks as if its clock had been set forward.
    pub fn look(&mut self) -> i64 {
        let passed_ms = whole_ms(self.clock.since(self.at));
        let expected_ms = self.wall_ms.saturating_add(passed_ms);
        self.wall_ms = self.clock.now_ms();
        self.at = self.clock.monotonic();
        let ahead_ms = i128::from(self.wall_ms) - i128::from(expected_ms);
        i64::try_from(ahead_ms).unwrap_or(if ahead_ms < 0 { i64::MIN } else { i64::MAX })
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
    fn new(manual: &'a Manual, until: Duration) -> Self {
        let mut standing = manual.lock();
        standing.sleepers_ever += 1;
        let place = (until, standing.sleepers_ever);
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
const SLICE: Duration = Duration::from_secs(60);

/// Later than anything is waited for.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
