//! The only source of randomness: identifiers and jitter.
//!
//! [`Chance::system`] is seeded by the operating system; [`Chance::seeded`] repeats itself, so that
//! a simulation can be replayed.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// A shared random source, cheap to clone.
#[derive(Clone, Debug)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    /// Seeded by the operating system.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// Always the same sequence for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A time-ordered identifier (UUID version 7) for something made at `now_ms`.
    pub fn id(&self, now_ms: u64) -> Uuid {
        let bytes: [u8; 10] = self.with(|rng| rng.random());
        uuid::Builder::from_unix_timestamp_millis(now_ms, &bytes).into_uuid()
    }

    /// A few bytes; eight of them are hardly ever drawn twice.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        self.with(|rng| rng.random())
    }

    /// Thirty-two bytes that nobody can guess.
    pub fn secret(&self) -> [u8; 32] {
        self.with(|rng| rng.random())
    }

    /// A number in `[0, 1)`.
    pub fn fraction(&self) -> f64 {
        self.with(|rng| rng.random())
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
