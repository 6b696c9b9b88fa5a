//! What each state remembers. Optional because published snapshots may carry `null` in every field.

use serde::{Deserialize, Serialize};

/// A flag that is known to be off.
pub(super) const OFF: Option<bool> = Some(false);

/// The data of the thinking state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cooldown {
    pub(super) active: Option<bool>,
    pub(super) started_at: Option<f64>,
    /// The period in force when it started; `None` follows the session's setting.
    pub(super) period_s: Option<f64>,
}

impl Cooldown {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            active: OFF,
            started_at: Some(0.0),
            period_s: None,
        }
    }
}

/// The data of the proactive state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Proactive {
    pub(super) clicked: Option<bool>,
    pub(super) idle_s: Option<f64>,
    pub(super) anchor_at: Option<f64>,
}

impl Proactive {
    pub(super) fn new(now: f64) -> Self {
        Self {
            clicked: OFF,
            idle_s: Some(0.0),
            anchor_at: Some(now),
        }
    }
}

/// The data of the reactive state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reactive {
    pub(super) idle_s: Option<f64>,
    pub(super) anchor_at: Option<f64>,
}

impl Reactive {
    pub(super) fn new(now: f64) -> Self {
        Self {
            idle_s: Some(0.0),
            anchor_at: Some(now),
        }
    }
}
