//! Everything that a seed decides is drawn here, from streams that do not disturb each other.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One stream of draws. Cheap to clone; clones share the stream.
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// The stream `number` of a seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number.rotate_left(40);
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(mixed))))
    }

    pub(crate) fn among(&self, range: RangeInclusive<u64>) -> u64 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rng.random_range(range)
    }

    /// True so many times out of a thousand.
    pub(crate) fn permille(&self, share: u64) -> bool {
        self.among(1..=1000) <= share
    }

    pub(crate) fn coin(&self) -> bool {
        self.permille(500)
    }

    /// One of `list`, which must not be empty.
    pub(crate) fn pick<'a, T>(&self, list: &'a [T]) -> &'a T {
        let last = list.len().saturating_sub(1) as u64;
        let place = usize::try_from(self.among(0..=last)).unwrap_or(0);
        list.get(place).expect("a list to pick from is not empty")
    }

    /// One of `list` by weight.
    pub(crate) fn weigh<T: Copy>(&self, list: &[(u64, T)]) -> T {
        let sum: u64 = list.iter().map(|(weight, _)| weight).sum();
        let mut left = self.among(1..=sum.max(1));
        for (weight, one) in list {
            if left <= *weight {
                return *one;
            }
            left -= weight;
        }
        list.last().expect("a list to weigh is not empty").1
    }
}
