//! A flow that the user is led through.

use serde::{Deserialize, Serialize};

use super::is_default;
use super::machine::count;

/// A flow that the user is led through, and how far they came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What it is kept under.
    pub(super) key: String,
    /// The flow, where a snapshot kept it under another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) other_flow_id: Option<String>,
    pub(super) name: String,
    /// Unix seconds; the newest attempt counts.
    pub(super) started_at: f64,
    pub(super) steps_total: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) steps_completed: u64,
    /// May go back, and below zero for whoever counts like that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) step_index: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) best_score: f64,
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub(super) attempts: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) is_engaged: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) is_abandoned: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) is_completed: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) deviations: u64,
}

impl Task {
    pub(super) fn new(flow_id: &str, name: &str, steps_total: u64, now: f64) -> Self {
        Self {
            key: flow_id.to_owned(),
            other_flow_id: None,
            name: name.to_owned(),
            started_at: now,
            steps_total,
            steps_completed: 0,
            step_index: 0,
            best_score: 0.0,
            attempts: once(),
            is_engaged: false,
            is_abandoned: false,
            is_completed: false,
            deviations: 0,
        }
    }

    /// The tour vendor's flow.
    pub fn flow_id(&self) -> &str {
        self.other_flow_id.as_deref().unwrap_or(&self.key)
    }

    /// Begins anew. What it is called, its length and its best score stay, and so does that the user let
    /// themselves be led.
    pub(super) fn restart(&mut self, now: f64) {
        count(&mut self.attempts);
        self.started_at = now;
        self.steps_completed = 0;
        self.step_index = 0;
        self.deviations = 0;
        self.is_abandoned = false;
        self.is_completed = false;
    }

    /// Notes that a step is done. Going back takes nothing away, and an index beyond the end is believed.
    pub(super) fn step(&mut self, index: i64) {
        let completed = u64::try_from(index.saturating_add(1)).unwrap_or(0);
        self.steps_completed = self.steps_completed.max(completed);
        self.step_index = index;
    }

    pub(super) fn complete(&mut self) {
        self.is_completed = true;
        self.steps_completed = self.steps_total;
    }
}

pub(super) fn once() -> u64 {
    1
}

fn is_once(attempts: &u64) -> bool {
    *attempts == once()
}
