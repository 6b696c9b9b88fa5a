//! Version 1 of the published snapshot, out and in.
//!
//! Its writers have changed their minds about types, so numbers may come as text, and counts with a fraction,
//! which is cut off. An endless cooldown is the text `Infinity`: the bare word that published writers use is no
//! JSON, and they read the text as well.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::machine::{AgentFsm, Record, Settings};
use super::state::State;
use super::task::{Task, once};
use crate::domain::cooldown::Cooldown;

/// Why a snapshot cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSnapshot {
    /// Nothing in it can be trusted: it is of another version, or names none.
    #[error("the snapshot is not of version 1")]
    Version,
    /// It is in no state that we know.
    #[error("the snapshot names no known state")]
    State,
    /// The snapshot or one of its parts should be an object and is not.
    #[error("{0} is not an object")]
    NotAnObject(&'static str),
    /// A field holds a value of another type.
    #[error("{0} is of the wrong type")]
    WrongType(&'static str),
}

const ENDLESS: &str = "Infinity";

impl AgentFsm {
    /// The published snapshot. Times are Unix seconds.
    pub fn to_snapshot(&self) -> Value {
        let tasks = self.tasks.iter();
        let tasks: Map<String, Value> = tasks
            .map(|task| (task.key.clone(), written(task)))
            .collect();
        let cooldowns = |cooldowns: &BTreeMap<String, Cooldown>| -> Map<String, Value> {
            let each = cooldowns.iter();
            each.map(|(name, cooldown)| (name.clone(), instant(*cooldown)))
                .collect()
        };
        json!({
            "_v": 1,
            "state": self.state.as_str(),
            "state_entered_at": self.entered_at,
            "base_threshold": self.settings.base_threshold,
            "current_threshold": self.threshold(),
            "max_tasks": self.settings.tasks_max,
            "dismissed_count_session": self.dismissals,
            "active_guidance_flow_id": self.flow_id,
            "active_guidance_instructions": self.instructions,
            "active_tasks": tasks,
            "session_metrics": {
                "tasks_attempted": self.record.attempted,
                "tasks_completed": self.record.completed,
                "tasks_abandoned": self.record.abandoned,
                "proactive_shown_count": self.record.shown,
                "guidance_accepted_count": self.record.accepted,
                "dismissal_count": self.record.dismissed,
            },
            "conservative_cooldown_s": self.settings.conservative_cooldown_s,
            "threshold_boost": self.settings.threshold_boost,
            "conservative_cooldown_until": instant(self.conservative),
            "deviation_threshold": self.settings.deviation_threshold,
            "route_cooldowns": cooldowns(&self.routes),
            "flow_cooldowns": cooldowns(&self.flows),
        })
    }

    /// Loads a published snapshot. What is missing gets its default, the time of entry `now`; a task that
    /// cannot be read is left out; unknown keys are dropped.
    pub fn from_snapshot(snapshot: &Value, now: f64) -> Result<Self, InvalidSnapshot> {
        let root = Fields::of(snapshot, "the snapshot")?;
        if !root.is_version_1() {
            return Err(InvalidSnapshot::Version);
        }
        let state = root.0.get("state").and_then(Value::as_str);
        let state = state.and_then(State::parse).ok_or(InvalidSnapshot::State)?;
        let usual = Settings::default();
        let settings = Settings {
            base_threshold: root.number("base_threshold", usual.base_threshold)?,
            tasks_max: root.count("max_tasks", usual.tasks_max)?,
            conservative_cooldown_s: root
                .number("conservative_cooldown_s", usual.conservative_cooldown_s)?,
            threshold_boost: root.number("threshold_boost", usual.threshold_boost)?,
            deviation_threshold: root.number("deviation_threshold", usual.deviation_threshold)?,
        };
        let mut machine = Self::new(settings, root.number("state_entered_at", now)?);
        machine.state = state;
        machine.set_threshold(root.number("current_threshold", settings.base_threshold)?);
        machine.dismissals = root.count("dismissed_count_session", 0)?;
        machine.conservative = root.cooldown("conservative_cooldown_until")?;
        machine.flow_id = root.text("active_guidance_flow_id")?;
        let instructions = root.0.get("active_guidance_instructions");
        let instructions = instructions.and_then(Value::as_array).into_iter().flatten();
        machine.instructions = instructions.filter_map(Value::as_object).cloned().collect();
        machine.tasks = root.each("active_tasks")?.filter_map(read_task).collect();
        machine.record = match root.part("session_metrics")? {
            None => Record::default(),
            Some(part) => Record {
                attempted: part.names("tasks_attempted")?,
                completed: part.names("tasks_completed")?,
                abandoned: part.names("tasks_abandoned")?,
                shown: part.count("proactive_shown_count", 0)?,
                accepted: part.count("guidance_accepted_count", 0)?,
                dismissed: part.count("dismissal_count", 0)?,
            },
        };
        machine.routes = root.cooldowns("route_cooldowns")?;
        machine.flows = root.cooldowns("flow_cooldowns")?;
        Ok(machine)
    }
}

fn instant(cooldown: Cooldown) -> Value {
    match cooldown {
        Cooldown::Until(at) => at.into(),
        Cooldown::Endless => ENDLESS.into(),
    }
}

fn written(task: &Task) -> Value {
    json!({
        "flow_id": task.flow_id(),
        "flow_name": task.name,
        "started_at": task.started_at,
        "total_steps": task.steps_total,
        "steps_completed": task.steps_completed,
        "current_step_index": task.step_index,
        "best_nw_score": task.best_score,
        "attempts": task.attempts,
        "guidance_engaged": task.is_engaged,
        "abandoned": task.is_abandoned,
        "completed": task.is_completed,
        "deviation_count": task.deviations,
    })
}

/// `None` for a task that cannot be read.
fn read_task((key, value): (&String, &Value)) -> Option<Task> {
    let fields = Fields(value.as_object()?);
    let flow_id = label(fields.0.get("flow_id")?)?;
    fields
        .0
        .get("started_at")
        .and(fields.0.get("total_steps"))?;
    let flag = |name: &str| fields.0.get(name).is_some_and(|value| *value == true);
    let count = |name, missing| fields.count(name, missing).ok();
    Some(Task {
        key: key.clone(),
        other_flow_id: (flow_id != *key).then_some(flow_id),
        name: label(fields.0.get("flow_name")?)?,
        started_at: fields.number("started_at", 0.0).ok()?,
        steps_total: count("total_steps", 0)?,
        steps_completed: count("steps_completed", 0)?,
        step_index: fields.index("current_step_index").ok()?,
        best_score: fields.number("best_nw_score", 0.0).ok()?,
        attempts: count("attempts", once())?,
        is_engaged: flag("guidance_engaged"),
        is_abandoned: flag("abandoned"),
        is_completed: flag("completed"),
        deviations: count("deviation_count", 0)?,
    })
}

/// What a task is called: text, or what published readers take for text.
fn label(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some("None".to_owned()),
        _ => None,
    }
}

/// A number, or its text; never infinite.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then_some(number)
}

fn cooldown(value: &Value) -> Option<Cooldown> {
    if value == ENDLESS {
        return Some(Cooldown::Endless);
    }
    number(value).map(Cooldown::Until)
}

/// Typed access to one object of a snapshot.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &'static str) -> Result<Self, InvalidSnapshot> {
        let object = value.as_object();
        object.map(Self).ok_or(InvalidSnapshot::NotAnObject(name))
    }

    /// Published readers compare the version as a number, and to them `true` is the number 1.
    fn is_version_1(&self) -> bool {
        match self.0.get("_v") {
            Some(Value::Number(number)) => number.as_f64() == Some(1.0),
            Some(version) => *version == true,
            None => false,
        }
    }

    fn read<T>(
        &self,
        name: &'static str,
        missing: T,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, InvalidSnapshot> {
        let value = self.0.get(name);
        value
            .map_or(Some(missing), read)
            .ok_or(InvalidSnapshot::WrongType(name))
    }

    fn number(&self, name: &'static str, missing: f64) -> Result<f64, InvalidSnapshot> {
        self.read(name, missing, number)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction is to be cut off, and what is below zero refused"
    )]
    fn count(&self, name: &'static str, missing: u64) -> Result<u64, InvalidSnapshot> {
        let whole = |value: f64| (value > -1.0).then_some(value as u64);
        self.read(name, missing, |value| {
            value.as_u64().or_else(|| whole(number(value)?))
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction is to be cut off"
    )]
    fn index(&self, name: &'static str) -> Result<i64, InvalidSnapshot> {
        self.read(name, 0, |value| {
            value.as_i64().or_else(|| Some(number(value)? as i64))
        })
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, InvalidSnapshot> {
        self.read(name, None, |value| match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        })
    }

    fn cooldown(&self, name: &'static str) -> Result<Cooldown, InvalidSnapshot> {
        self.read(name, Cooldown::default(), cooldown)
    }

    /// An object below; `null` is the same as none.
    fn part(&self, name: &'static str) -> Result<Option<Fields<'a>>, InvalidSnapshot> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Fields::of(value, name).map(Some),
        }
    }

    fn each(
        &self,
        name: &'static str,
    ) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, InvalidSnapshot> {
        Ok(self.part(name)?.into_iter().flat_map(|part| part.0.iter()))
    }

    fn cooldowns(&self, name: &'static str) -> Result<BTreeMap<String, Cooldown>, InvalidSnapshot> {
        let wrong = InvalidSnapshot::WrongType(name);
        self.each(name)?
            .map(|(route, value)| Ok((route.clone(), cooldown(value).ok_or(wrong)?)))
            .collect()
    }

    fn names(&self, name: &'static str) -> Result<BTreeSet<String>, InvalidSnapshot> {
        self.read(name, BTreeSet::new(), |value| {
            let names = value.as_array()?.iter();
            names.map(|name| name.as_str().map(str::to_owned)).collect()
        })
    }
}
