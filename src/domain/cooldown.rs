//! Until when to keep quiet.

use serde::{Deserialize, Serialize};

/// Until when to keep quiet. The default has long been over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cooldown {
    /// Up to this instant, Unix seconds; at it the cooldown is over.
    Until(f64),
    /// For ever. JSON has no infinity, so it has a name.
    Endless,
}

impl Cooldown {
    /// A cooldown of so many seconds from now on. An end that no clock reaches is never.
    pub fn of(seconds: f64, now: f64) -> Self {
        let at = now + seconds;
        if at.is_finite() {
            Self::Until(at)
        } else {
            Self::Endless
        }
    }

    /// Whether it still runs. At its end it does not, nor at a time that is none.
    pub fn is_running(self, now: f64) -> bool {
        match self {
            Self::Until(at) => now < at,
            Self::Endless => true,
        }
    }
}

impl Default for Cooldown {
    fn default() -> Self {
        Self::Until(0.0)
    }
}
