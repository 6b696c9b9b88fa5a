//! How many calls may begin within a second.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::Range;

const SECOND_MS: u64 = 1_000;

/// When calls began, oldest first, as far as that bounds the next ones: no second, wherever it begins, sees more of
/// them than it may.
#[derive(Clone, Debug, Default)]
pub struct Pace(VecDeque<u64>);

impl Pace {
    /// How many more calls may begin now.
    pub fn room(&self, second_max: Option<NonZeroU32>, now_ms: u64) -> usize {
        let Some(most) = second_max else {
            return usize::MAX;
        };
        (most.get() as usize).saturating_sub(self.recent(now_ms).len())
    }

    /// When time lets one begin that may not begin now.
    pub fn opens_ms(&self, second_max: Option<NonZeroU32>, now_ms: u64) -> Option<u64> {
        let most = second_max?.get() as usize;
        let recent = self.recent(now_ms);
        (recent.len() >= most).then(|| self.0[recent.end - most] + SECOND_MS)
    }

    /// A call begins.
    pub fn begin(&mut self, now_ms: u64) {
        let recent = self.recent(now_ms);
        self.0.truncate(recent.end);
        self.0.drain(..recent.start);
        self.0.push_back(now_ms);
    }

    /// Whether nothing is known that a later call would need.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.recent(now_ms).is_empty()
    }

    /// The places of those within the last second. What lies ahead was written before the clock was set back.
    fn recent(&self, now_ms: u64) -> Range<usize> {
        let is_old = |began_ms: &u64| began_ms.saturating_add(SECOND_MS) <= now_ms;
        let since = self.0.partition_point(is_old);
        since..self.0.partition_point(|began_ms| *began_ms <= now_ms)
    }
}
