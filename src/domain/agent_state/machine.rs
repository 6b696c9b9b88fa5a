//! The moves, the tasks, and how long to keep quiet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::is_default;
use super::state::{Gate, InvalidTransition, State};
use super::task::Task;
use crate::domain::cooldown::Cooldown;

/// How much longer to keep quiet after each further dismissal, seconds.
const COOLDOWN_STEP_S: f64 = 300.0;

/// From this dismissal on the machine keeps quiet for ever.
const DISMISSALS_MAX: u64 = 3;

/// The highest threshold that dismissals lead to; a base above it is lowered.
const THRESHOLD_MAX: f64 = 0.9;

/// What may be chosen; the default is the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How sure an offer has to be, from 0 to 1.
    pub base_threshold: f64,
    /// How many tasks there should be at most. Published snapshots carry it, and nothing enforces it.
    pub tasks_max: u64,
    /// How long to keep quiet after the first dismissal, seconds.
    pub conservative_cooldown_s: f64,
    /// How much surer an offer has to be after each dismissal.
    pub threshold_boost: f64,
    /// Below this score the user has left a task's way.
    pub deviation_threshold: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_threshold: 0.5,
            tasks_max: 3,
            conservative_cooldown_s: 600.0,
            threshold_boost: 0.15,
            deviation_threshold: 0.3,
        }
    }
}

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) attempted: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) completed: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) abandoned: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) shown: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) accepted: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dismissed: u64,
}

/// The machine of one conversation key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentFsm {
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) state: State,
    pub(super) entered_at: f64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) settings: Settings,
    /// The threshold, where it is not the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) other_threshold: Option<f64>,
    /// What the next cooldown is measured by. A snapshot may count them otherwise than its record does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dismissals: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) conservative: Cooldown,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flow_id: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) instructions: Vec<Map<String, Value>>,
    /// In the order in which they were begun first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) tasks: Vec<Task>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) record: Record,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) routes: BTreeMap<String, Cooldown>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) flows: BTreeMap<String, Cooldown>,
}

impl AgentFsm {
    /// A thinking machine to which nothing has happened yet.
    pub fn new(settings: Settings, now: f64) -> Self {
        Self {
            state: State::Thinking,
            entered_at: now,
            settings,
            other_threshold: None,
            dismissals: 0,
            conservative: Cooldown::default(),
            flow_id: None,
            instructions: Vec::new(),
            tasks: Vec::new(),
            record: Record::default(),
            routes: BTreeMap::new(),
            flows: BTreeMap::new(),
        }
    }

    /// Where the machine stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when, Unix seconds.
    pub fn entered_at(&self) -> f64 {
        self.entered_at
    }

    /// How sure an offer has to be, from 0 to 1; never lowered again.
    pub fn threshold(&self) -> f64 {
        self.other_threshold.unwrap_or(self.settings.base_threshold)
    }

    /// Until when the user is left alone, if the machine is conservative.
    pub fn quiet_until(&self) -> Option<Cooldown> {
        (self.state == State::ConservativeAssistance).then_some(self.conservative)
    }

    /// Moves to another state. A cooldown does not hold a move to thinking back.
    pub fn transition(&mut self, to: State, now: f64) -> Result<(), InvalidTransition> {
        if to == self.state {
            return Ok(());
        }
        if !self.state.may_become(to) {
            return Err(self.refused(to.as_str()));
        }
        match to {
            State::Thinking if self.state == State::GuidanceExecution => {
                self.flow_id = None;
                self.instructions.clear();
            }
            State::Thinking | State::ReactiveAssistance => {}
            State::ProactiveAssistance => count(&mut self.record.shown),
            State::GuidanceExecution => count(&mut self.record.accepted),
            State::ConservativeAssistance => self.dismiss(now),
        }
        self.state = to;
        self.entered_at = now;
        Ok(())
    }

    /// Leads the user through a task. A flow that is none of the tasks leaves the flow of the last guidance in
    /// place, as missing instructions do those.
    pub fn guide(
        &mut self,
        flow_id: Option<&str>,
        instructions: Option<Vec<Map<String, Value>>>,
        now: f64,
    ) -> Result<(), InvalidTransition> {
        if self.state == State::GuidanceExecution {
            return Ok(());
        }
        self.transition(State::GuidanceExecution, now)?;
        if let Some(task) = flow_id.and_then(|id| self.task(id)) {
            task.is_engaged = true;
            self.flow_id = Some(task.flow_id().to_owned());
        }
        if let Some(instructions) = instructions {
            self.instructions = instructions;
        }
        Ok(())
    }

    /// The user has walked away from a tour, which counts as a dismissal.
    pub fn disengage(&mut self, now: f64) -> Result<(), InvalidTransition> {
        if self.state != State::GuidanceExecution {
            return Err(self.refused("disengagement"));
        }
        self.transition(State::ConservativeAssistance, now)
    }

    /// Whether an offer may be shown, on a route and for a flow if these are known and not empty. An elapsed
    /// cooldown ends the conservative state here.
    pub fn can_show_proactive(
        &mut self,
        route: Option<&str>,
        flow: Option<&str>,
        now: f64,
    ) -> Gate {
        match self.standing(now) {
            State::Thinking => {}
            State::ConservativeAssistance => return Gate::Conservative,
            _ => return Gate::WrongState,
        }
        if self.state != State::Thinking {
            self.state = State::Thinking;
            self.entered_at = now;
        }
        let is_cooling = |cooldowns: &BTreeMap<String, Cooldown>, name: Option<&str>| {
            let cooldown = name.filter(|name| !name.is_empty());
            let cooldown = cooldown.and_then(|name| cooldowns.get(name));
            cooldown.is_some_and(|cooldown| cooldown.is_running(now))
        };
        if is_cooling(&self.routes, route) {
            Gate::Route
        } else if is_cooling(&self.flows, flow) {
            Gate::Flow
        } else {
            Gate::Open
        }
    }

    /// Shows nothing on a route for so many seconds.
    pub fn cool_route(&mut self, route: &str, seconds: f64, now: f64) {
        let cooldown = Cooldown::of(seconds, now);
        self.routes.insert(route.to_owned(), cooldown);
    }

    /// Shows nothing for a flow for so many seconds. A flow without a name has none.
    pub fn cool_flow(&mut self, flow: &str, seconds: f64, now: f64) {
        if !flow.is_empty() {
            let cooldown = Cooldown::of(seconds, now);
            self.flows.insert(flow.to_owned(), cooldown);
        }
    }

    /// Begins a task, or begins it anew: then it keeps its name and its length.
    pub fn start_task(&mut self, flow_id: &str, name: &str, steps_total: u64, now: f64) -> &Task {
        self.record.attempted.insert(flow_id.to_owned());
        let known = self.tasks.iter().position(|task| task.key == flow_id);
        let at = known.unwrap_or(self.tasks.len());
        if known.is_some() {
            self.tasks[at].restart(now);
        } else {
            let task = Task::new(flow_id, name, steps_total, now);
            self.tasks.push(task);
        }
        &self.tasks[at]
    }

    /// The user has done all of a task. This ends a guidance, even one through another task.
    pub fn complete_task(&mut self, flow_id: &str, now: f64) {
        if let Some(task) = self.task(flow_id) {
            task.complete();
            self.record.completed.insert(flow_id.to_owned());
        }
        if self.state == State::GuidanceExecution {
            // There is such a move.
            let _ = self.transition(State::Thinking, now);
        }
    }

    /// The user has given a task up.
    pub fn abandon_task(&mut self, flow_id: &str) {
        if let Some(task) = self.task(flow_id) {
            task.is_abandoned = true;
            self.record.abandoned.insert(flow_id.to_owned());
        }
    }

    /// The user has done a step of a task, counted from 0.
    pub fn record_step(&mut self, flow_id: &str, index: i64) {
        if let Some(task) = self.task(flow_id) {
            task.step(index);
        }
    }

    /// How well the user keeps to a task's way; whether that is to have left it.
    pub fn record_deviation(&mut self, flow_id: &str, score: f64) -> bool {
        let threshold = self.settings.deviation_threshold;
        let Some(task) = self.task(flow_id) else {
            return false;
        };
        count(&mut task.deviations);
        score < threshold
    }

    /// Whether an offer has been left alone for `timeout_s` (inclusive).
    pub fn is_offer_idle(&self, now: f64, timeout_s: f64) -> bool {
        self.state == State::ProactiveAssistance && now - self.entered_at >= timeout_s
    }

    /// An offer that nobody answered is over, and nobody is blamed for it. Returns whether there was one.
    pub fn expire_offer(&mut self, now: f64) -> bool {
        let standing = self.state == State::ProactiveAssistance;
        if standing {
            self.state = State::Thinking;
            self.entered_at = now;
        }
        standing
    }

    /// The earliest instant at which a standing offer is idle, Unix seconds; `None` while there is none, or
    /// when the timeout is endless.
    pub fn deadline(&self, timeout_s: f64) -> Option<f64> {
        let mut at = self.entered_at + timeout_s;
        if self.state != State::ProactiveAssistance || !at.is_finite() {
            return None;
        }
        // A sum of doubles may fall short of what it is compared with.
        while at - self.entered_at < timeout_s {
            at = at.next_up();
        }
        Some(at)
    }

    /// Where the machine stands, once it is noticed that a cooldown has elapsed.
    pub(super) fn standing(&self, now: f64) -> State {
        match self.state {
            State::ConservativeAssistance if !self.conservative.is_running(now) => State::Thinking,
            state => state,
        }
    }

    fn refused(&self, attempt: &'static str) -> InvalidTransition {
        let from = self.state;
        InvalidTransition { from, attempt }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody dismisses 2^53 offers")]
    fn dismiss(&mut self, now: f64) {
        count(&mut self.dismissals);
        count(&mut self.record.dismissed);
        let dismissals = self.dismissals as f64;
        let Settings {
            base_threshold,
            threshold_boost,
            conservative_cooldown_s,
            ..
        } = self.settings;
        self.conservative = if self.dismissals < DISMISSALS_MAX {
            Cooldown::of(
                conservative_cooldown_s + (dismissals - 1.0) * COOLDOWN_STEP_S,
                now,
            )
        } else {
            Cooldown::Endless
        };
        let raised = (base_threshold + threshold_boost * dismissals).min(THRESHOLD_MAX);
        self.set_threshold(raised);
    }

    pub(super) fn set_threshold(&mut self, threshold: f64) {
        let is_other = threshold.to_bits() != self.settings.base_threshold.to_bits();
        self.other_threshold = is_other.then_some(threshold);
    }

    fn task(&mut self, key: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.key == key)
    }
}

/// One more; what a snapshot counted to the end stays there.
pub(super) fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}
