//! The world around the instances: true time, its tasks, and the wait for everything to come to rest.
//!
//! One thread runs everything. Nothing ever waits for the machine: when no task can go on, the clocks
//! are moved to the next moment at which one can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use event_connector::clock::{Clock, Hand};
use event_connector::tasks::Tasks;
use tokio::sync::Notify;

use super::dice::Dice;
use super::mutant::Mutant;
use super::offer_laws::Broken;
use super::shape::Shape;
use super::trace::{START_MS, Trace};

/// What everybody in a run shares. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    /// The true time.
    pub(crate) clock: Clock,
    /// Whatever belongs to no instance: people, wires, the platform.
    pub(crate) tasks: Tasks,
    pub(crate) trace: Trace,
    pub(crate) shape: Arc<Shape>,
    pub(crate) mutant: Option<Mutant>,
    /// How things travel.
    pub(crate) wire: Dice,
    is_foul: Arc<AtomicBool>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, prints: bool) -> (Self, Hand) {
        #[expect(clippy::cast_precision_loss, reason = "exact in this millennium")]
        let (clock, hand) = Clock::manual(START_MS as f64 / 1000.0);
        let world = Self {
            trace: Trace::new(clock.clone(), prints),
            clock,
            tasks: Tasks::new(),
            shape: Arc::new(Shape::draw(seed)),
            mutant,
            wire: Dice::new(seed, 2),
            is_foul: Arc::new(AtomicBool::new(true)),
        };
        (world, hand)
    }

    /// Lets true time pass.
    pub(crate) async fn wait_ms(&self, wait_ms: u64) {
        self.clock.sleep(Duration::from_millis(wait_ms)).await;
    }

    /// Whether things may go wrong: at the end of a run they no longer do.
    pub(crate) fn is_foul(&self) -> bool {
        self.is_foul.load(Ordering::Relaxed)
    }

    pub(crate) fn clear_up(&self) {
        self.is_foul.store(false, Ordering::Relaxed);
    }

    /// Says so if a law of offers does not hold.
    pub(crate) fn hold(&self, checked: Result<(), Broken>) {
        if let Err(broken) = checked {
            self.trace.break_law(broken.law, broken.text);
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// Rings whenever no task can go on, and the store is not at work for one.
#[derive(Clone, Default)]
pub(crate) struct Rest {
    bell: Arc<Notify>,
    work: Work,
}

impl Rest {
    /// A runtime of one thread that rings. With `is_real` it waits for what goes on outside the world, too; else
    /// there is no timer and no input or output to wait for.
    pub(crate) fn runtime(&self, is_real: bool) -> std::io::Result<tokio::runtime::Runtime> {
        let rest = self.clone();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        if is_real {
            builder.enable_all();
        }
        builder.on_thread_park(move || {
            if rest.work.is_done() {
                rest.bell.notify_one();
            }
        });
        builder.build()
    }

    pub(crate) async fn come(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn work(&self) -> Work {
        self.work.clone()
    }
}

/// Who is at work outside the world. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Work(Arc<AtomicU64>);

/// One who is at work until it is dropped.
pub(crate) struct Worker(Work);

impl Work {
    pub(crate) fn begin(&self) -> Worker {
        self.0.fetch_add(1, Ordering::Relaxed);
        Worker(self.clone())
    }

    fn is_done(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A door through which nothing passes while its instance stands still.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Closed>);

#[derive(Default)]
struct Closed {
    is_closed: AtomicBool,
    stalls: AtomicU64,
    bell: Notify,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.stalls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.0.is_closed.store(false, Ordering::Relaxed);
        self.0.bell.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Relaxed)
    }

    /// How often the instance has stood still so far.
    pub(crate) fn stalls(&self) -> u64 {
        self.0.stalls.load(Ordering::Relaxed)
    }

    pub(crate) async fn pass(&self) {
        loop {
            let opened = self.0.bell.notified();
            if !self.is_closed() {
                return;
            }
            opened.await;
        }
    }
}
