//! The form in which a machine is stored: what is as it mostly is is left out.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::machine::{COOLDOWN_PERIOD_S, Fsm, INTERACTION_TIMEOUT_S, no_metadata};
use super::state::State;
use super::timers::{Cooldown, Proactive, Reactive, is_off, off};

/// As it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_no_metadata")]
    metadata: &'a Value,
    state: State,
    last_interaction_at: Option<f64>,
    #[serde(skip_serializing_if = "is_default_timeout")]
    interaction_timeout_s: Option<f64>,
    #[serde(skip_serializing_if = "is_default_cooldown")]
    cooldown_period_s: Option<f64>,
    #[serde(skip_serializing_if = "is_off")]
    visual_guidance_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_tour_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_off")]
    conversation_linked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown: Option<&'a Cooldown>,
    /// Left out where nothing has happened since the last interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    proactive: Option<&'a Proactive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reactive: Option<&'a Reactive>,
}

/// As it is read.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default = "no_metadata")]
    metadata: Value,
    state: State,
    last_interaction_at: Option<f64>,
    #[serde(default = "default_timeout")]
    interaction_timeout_s: Option<f64>,
    #[serde(default = "default_cooldown")]
    cooldown_period_s: Option<f64>,
    #[serde(default = "off")]
    visual_guidance_active: Option<bool>,
    #[serde(default)]
    active_tour_id: Option<String>,
    #[serde(default = "off")]
    conversation_linked: Option<bool>,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    cooldown: Cooldown,
    #[serde(default)]
    proactive: Option<Proactive>,
    #[serde(default)]
    reactive: Option<Reactive>,
}

impl Serialize for Fsm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = self.last_interaction_at;
        let written = Written {
            session_id: self.session_id.as_deref(),
            metadata: &self.metadata,
            state: self.state,
            last_interaction_at: last,
            interaction_timeout_s: self.interaction_timeout_s,
            cooldown_period_s: self.cooldown_period_s,
            visual_guidance_active: self.visual_guidance_active,
            active_tour_id: self.active_tour_id.as_deref(),
            conversation_linked: self.conversation_linked,
            conversation_id: self.conversation_id.as_deref(),
            cooldown: Some(&self.cooldown).filter(|cooldown| !cooldown.is_default()),
            proactive: Some(&self.proactive).filter(|data| **data != Proactive::new(last)),
            reactive: Some(&self.reactive).filter(|data| **data != Reactive::new(last)),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fsm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        let last = read.last_interaction_at;
        Ok(Self {
            session_id: read.session_id,
            metadata: read.metadata,
            state: read.state,
            last_interaction_at: last,
            interaction_timeout_s: read.interaction_timeout_s,
            cooldown_period_s: read.cooldown_period_s,
            visual_guidance_active: read.visual_guidance_active,
            active_tour_id: read.active_tour_id,
            conversation_linked: read.conversation_linked,
            conversation_id: read.conversation_id,
            cooldown: read.cooldown,
            proactive: read.proactive.unwrap_or_else(|| Proactive::new(last)),
            reactive: read.reactive.unwrap_or_else(|| Reactive::new(last)),
        })
    }
}

fn is_no_metadata(metadata: &&Value) -> bool {
    metadata.as_object().is_some_and(serde_json::Map::is_empty)
}

fn default_timeout() -> Option<f64> {
    Some(INTERACTION_TIMEOUT_S)
}

fn is_default_timeout(seconds: &Option<f64>) -> bool {
    *seconds == default_timeout()
}

fn default_cooldown() -> Option<f64> {
    Some(COOLDOWN_PERIOD_S)
}

fn is_default_cooldown(seconds: &Option<f64>) -> bool {
    *seconds == default_cooldown()
}
