//! Whether buckets are still those that they were. Each has a name that is written once, so that one which comes
//! back without what it held has another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The names of the buckets as last seen.
pub(super) struct Lives {
    seen: Mutex<Vec<Option<String>>>,
    losses: AtomicU64,
    told: AtomicU64,
}

impl Lives {
    /// Nothing was seen yet.
    pub(super) fn new(buckets: u16) -> Self {
        Self {
            seen: Mutex::new(vec![None; buckets.into()]),
            losses: AtomicU64::new(0),
            told: AtomicU64::new(0),
        }
    }

    /// Notes what buckets are called, from `first` on; whether any of them had another name before, and has lost
    /// everything since.
    pub(super) fn note(&self, first: usize, lives: impl Iterator<Item = String>) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_loss = false;
        for (known, life) in seen.iter_mut().skip(first).zip(lives) {
            is_loss |= known.as_ref().is_some_and(|before| *before != life);
            *known = Some(life);
        }
        self.losses.fetch_add(is_loss.into(), Ordering::Release);
        is_loss
    }

    /// How often buckets were found to have lost everything.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Whether that has happened since this was last asked.
    pub(super) fn is_loss_untold(&self) -> bool {
        let losses = self.losses();
        self.told.swap(losses, Ordering::AcqRel) != losses
    }
}
