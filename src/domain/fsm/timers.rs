//! What each state remembers. Optional because published snapshots may carry `null` in every field.

use serde::{Deserialize, Serialize};

/// A flag that is known to be off.
pub(super) const OFF: Option<bool> = Some(false);

pub(super) fn off() -> Option<bool> {
    OFF
}

/// Most flags are off most of the time, and are not stored then.
pub(super) fn is_off(flag: &Option<bool>) -> bool {
    *flag == OFF
}

fn zero() -> Option<f64> {
    Some(0.0)
}

fn is_zero(seconds: &Option<f64>) -> bool {
    *seconds == zero()
}

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
    #[serde(default = "off", skip_serializing_if = "is_off")]
    pub(super) clicked: Option<bool>,
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub(super) idle_s: Option<f64>,
    pub(super) anchor_at: Option<f64>,
}

impl Proactive {
    /// Nothing has happened since `last`, Unix seconds.
    pub(super) fn new(last: Option<f64>) -> Self {
        Self {
            clicked: OFF,
            idle_s: Some(0.0),
            anchor_at: last,
        }
    }
}

/// The data of the reactive state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reactive {
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub(super) idle_s: Option<f64>,
    pub(super) anchor_at: Option<f64>,
}

impl Reactive {
    /// Nothing has happened since `last`, Unix seconds.
    pub(super) fn new(last: Option<f64>) -> Self {
        Self {
            idle_s: Some(0.0),
            anchor_at: last,
        }
    }
}
