//! The only place that knows the time.
//!
//! A [`Clock`] is cheap to clone and can be slept on. [`Clock::system`] follows the machine;
//! [`Clock::manual`] stands still until a test advances it, while real input and output go on, which
//! a paused runtime would not allow.
//!
//! Wall-clock time is Unix seconds as `f64`, as on the wire, or Unix milliseconds where it is
//! stored. Durations that must not jump with the wall clock use [`Clock::monotonic`]; a [`Drift`] tells
//! when the wall clock was set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
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
    /// How far the wall clock was set since, without time passing.
    set_by_ms: AtomicI64,
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
            set_by_ms: AtomicI64::new(0),
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
            Source::Manual(manual) => {
                let unset_ms = manual.wall_at_start_ms + whole_ms(*manual.elapsed.borrow());
                unset_ms.saturating_add_signed(manual.set_by_ms.load(Ordering::SeqCst))
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

    /// Returns once the wall clock reads `at_ms` or later, at once if it already does; and no later
    /// than it would if nobody set the clock back meanwhile.
    pub async fn sleep_until_ms(&self, at_ms: u64) {
        let began = self.monotonic();
        let wait = Duration::from_millis(at_ms.saturating_sub(self.now_ms()));
        // The wall clock may be set forward while we sleep, so it is read again after every slice.
        while self.now_ms() < at_ms {
            let left = wait.saturating_sub(self.since(began));
            if left.is_zero() {
                return;
            }
            self.sleep(left.min(SLICE)).await;
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

    /// Sets the wall clock forward, or back if negative. No time passes and nobody wakes.
    pub fn set_wall(&self, by_ms: i64) {
        self.0.set_by_ms.fetch_add(by_ms, Ordering::SeqCst);
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
const SLICE: Duration = Duration::from_secs(60);
