//! The vendor's rate window, as far as its answers tell it.

/// How long a window lasts until an answer says when it ends (external-apis §1.5).
const WINDOW_MS: u64 = 10_000;

/// What an answer says about the window it was counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls per window.
    pub limit: u32,
    /// Calls left in it, this one counted.
    pub remaining: u32,
    /// When it ends, Unix milliseconds.
    pub reset_ms: u64,
}

/// What is known of the window. Until an answer tells, nothing is, and then only the share bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window(Option<Known>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    limit: u32,
    /// The smallest number of calls left that an answer told of.
    told: u32,
    /// Calls that ended in this window and told nothing. Which answers counted them nobody knows.
    untold: u32,
    reset_ms: u64,
    /// No answer has told of this very window yet.
    is_guess: bool,
}

impl Window {
    /// How many further calls the window has room for when `in_flight` are under way: the vendor may or
    /// may not have counted those.
    pub fn room(&self, in_flight: usize, now_ms: u64) -> usize {
        match self.at(now_ms) {
            None => usize::MAX,
            Some(known) => {
                let left = known.told.saturating_sub(known.untold);
                (left as usize).saturating_sub(in_flight)
            }
        }
    }

    /// When the window ends, if it is known and not over.
    pub fn reset_ms(&self, now_ms: u64) -> Option<u64> {
        self.at(now_ms).map(|known| known.reset_ms)
    }

    /// Whether nothing is known that a later call would need.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.0.as_ref().is_none_or(|known| now_ms >= known.reset_ms)
    }

    /// An answer came. Its window ends no later than `pause_max_ms` from now, whatever it says.
    pub fn told(&mut self, rate: Rate, now_ms: u64, pause_max_ms: u64) {
        let rate = Rate {
            limit: rate.limit.max(1),
            reset_ms: rate.reset_ms.min(now_ms.saturating_add(pause_max_ms)),
            ..rate
        };
        let before = self.at(now_ms);
        let is_late = rate.reset_ms <= now_ms;
        self.0 = Some(match before {
            // It was counted in a window that is over.
            Some(known) if is_late || (!known.is_guess && rate.reset_ms < known.reset_ms) => known,
            // Answers overtake each other; within a window the smallest number is the newest.
            Some(known) if !known.is_guess && rate.reset_ms == known.reset_ms => Known {
                limit: rate.limit,
                told: known.told.min(rate.remaining),
                ..known
            },
            before => Known {
                limit: rate.limit,
                told: rate.remaining,
                untold: before
                    .filter(|known| known.is_guess)
                    .map_or(0, |known| known.untold),
                reset_ms: rate.reset_ms,
                is_guess: false,
            },
        });
    }

    /// A call ended that told nothing; it may have been counted.
    pub fn untold(&mut self, now_ms: u64) {
        self.0 = self.at(now_ms).map(|known| Known {
            untold: known.untold.saturating_add(1),
            ..known
        });
    }

    /// The window in force: where the known one is over, a whole new one.
    fn at(&self, now_ms: u64) -> Option<Known> {
        let known = self.0.as_ref()?;
        if now_ms < known.reset_ms {
            return Some(known.clone());
        }
        let over_ms = now_ms - known.reset_ms;
        Some(Known::guess(known.limit, now_ms - over_ms % WINDOW_MS))
    }
}

impl Known {
    fn guess(limit: u32, began_ms: u64) -> Self {
        Self {
            limit,
            told: limit,
            untold: 0,
            reset_ms: began_ms.saturating_add(WINDOW_MS),
            is_guess: true,
        }
    }
}
