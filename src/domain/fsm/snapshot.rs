//! Version 1 of the published snapshot, out and in (contract 5.2).

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::machine::{COOLDOWN_PERIOD_S, Fsm, INTERACTION_TIMEOUT_S, no_metadata};
use super::state::State;
use super::timers::{Cooldown, OFF, Proactive, Reactive};

/// Why a snapshot cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSnapshot {
    /// Nothing in it can be trusted: it is of another version, or names none.
    #[error("the snapshot is not of version 1")]
    Version,
    /// The snapshot or one of its parts should be an object and is not.
    #[error("{0} is not an object")]
    NotAnObject(&'static str),
    /// A field holds a value of another type.
    #[error("{0} is of the wrong type")]
    WrongType(&'static str),
}

impl Fsm {
    /// The published snapshot. Times are Unix seconds.
    pub fn to_snapshot(&self) -> Value {
        json!({
            "_v": 1,
            "session_id": self.session_id,
            "metadata": self.metadata,
            "current_state": self.state.as_str(),
            "last_interaction_at": self.last_interaction_at,
            "interaction_timeout_s": self.interaction_timeout_s,
            "cooldown_period_s": self.cooldown_period_s,
            "visual_guidance_active": self.visual_guidance_active,
            "active_tour_id": self.active_tour_id,
            "conversation_linked": self.conversation_linked,
            "conversation_id": self.conversation_id,
            "thinking": {
                "cooldown_active": self.cooldown.active,
                "cooldown_started_at": self.cooldown.started_at,
                "active_cooldown_period_s": self.cooldown.period_s,
            },
            "proactive": {
                "user_clicked_option": self.proactive.clicked,
                "time_since_last_interaction_s": self.proactive.idle_s,
                "last_message_at": self.proactive.anchor_at,
            },
            "reactive": {
                "time_since_last_interaction_s": self.reactive.idle_s,
                "last_message_at": self.reactive.anchor_at,
            },
        })
    }

    /// The same machine on a clock that reads `by_s` more. Published snapshots that others read hold the
    /// monotonic readings of a host (contract 5.2): subtract what the wall clock is ahead of them. A cooldown
    /// that does not run has no start, and what stands in its place is no time.
    #[must_use]
    pub fn shifted(&self, by_s: f64) -> Self {
        let mut shifted = self.clone();
        let mut times = vec![
            &mut shifted.last_interaction_at,
            &mut shifted.proactive.anchor_at,
            &mut shifted.reactive.anchor_at,
        ];
        if shifted.cooldown.active == Some(true) {
            times.push(&mut shifted.cooldown.started_at);
        }
        for at in times.into_iter().flatten() {
            *at += by_s;
        }
        shifted
    }

    /// Loads a published snapshot. A missing time becomes `now`, another missing field its
    /// default; an explicit `null` is kept; an unknown state is `thinking`; unknown keys are
    /// dropped.
    pub fn from_snapshot(snapshot: &Value, now: f64) -> Result<Self, InvalidSnapshot> {
        let root = Fields::of(snapshot, "the snapshot")?;
        if !is_version_1(root.0.get("_v")) {
            return Err(InvalidSnapshot::Version);
        }
        let state = root.0.get("current_state").and_then(Value::as_str);
        Ok(Self {
            session_id: root.text("session_id", Some(""))?,
            metadata: root.0.get("metadata").cloned().unwrap_or_else(no_metadata),
            state: state.and_then(State::parse).unwrap_or(State::Thinking),
            last_interaction_at: root.number("last_interaction_at", now)?,
            interaction_timeout_s: root.number("interaction_timeout_s", INTERACTION_TIMEOUT_S)?,
            cooldown_period_s: root.number("cooldown_period_s", COOLDOWN_PERIOD_S)?,
            visual_guidance_active: root.flag("visual_guidance_active")?,
            active_tour_id: root.text("active_tour_id", None)?,
            conversation_linked: root.flag("conversation_linked")?,
            conversation_id: root.text("conversation_id", None)?,
            cooldown: root.part("thinking", Cooldown::default(), |part| {
                Ok(Cooldown {
                    active: part.flag("cooldown_active")?,
                    started_at: part.number("cooldown_started_at", 0.0)?,
                    period_s: part.number("active_cooldown_period_s", None)?,
                })
            })?,
            proactive: root.part("proactive", Proactive::new(Some(now)), |part| {
                Ok(Proactive {
                    clicked: part.flag("user_clicked_option")?,
                    idle_s: part.number("time_since_last_interaction_s", 0.0)?,
                    anchor_at: part.number("last_message_at", now)?,
                })
            })?,
            reactive: root.part("reactive", Reactive::new(Some(now)), |part| {
                Ok(Reactive {
                    idle_s: part.number("time_since_last_interaction_s", 0.0)?,
                    anchor_at: part.number("last_message_at", now)?,
                })
            })?,
        })
    }
}

/// Published clients compare the version as a number, and to them `true` is the number 1.
fn is_version_1(version: Option<&Value>) -> bool {
    match version {
        Some(Value::Number(number)) => number.as_f64() == Some(1.0),
        Some(Value::Bool(is_one)) => *is_one,
        _ => false,
    }
}

/// Typed access to one object of a snapshot.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &'static str) -> Result<Self, InvalidSnapshot> {
        value
            .as_object()
            .map(Self)
            .ok_or(InvalidSnapshot::NotAnObject(name))
    }

    fn number(
        &self,
        name: &'static str,
        missing: impl Into<Option<f64>>,
    ) -> Result<Option<f64>, InvalidSnapshot> {
        match self.0.get(name) {
            None => Ok(missing.into()),
            Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or(InvalidSnapshot::WrongType(name)),
        }
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, InvalidSnapshot> {
        match self.0.get(name) {
            None => Ok(OFF),
            Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_bool()
                .map(Some)
                .ok_or(InvalidSnapshot::WrongType(name)),
        }
    }

    fn text(
        &self,
        name: &'static str,
        missing: Option<&str>,
    ) -> Result<Option<String>, InvalidSnapshot> {
        match self.0.get(name) {
            None => Ok(missing.map(str::to_owned)),
            Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_str()
                .map(|text| Some(text.to_owned()))
                .ok_or(InvalidSnapshot::WrongType(name)),
        }
    }

    fn part<T>(
        &self,
        name: &'static str,
        missing: T,
        read: impl FnOnce(&Fields<'_>) -> Result<T, InvalidSnapshot>,
    ) -> Result<T, InvalidSnapshot> {
        match self.0.get(name) {
            None => Ok(missing),
            Some(value) => read(&Fields::of(value, name)?),
        }
    }
}
