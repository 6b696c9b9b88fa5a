//! How long an offer stands, how long its trigger keeps quiet, and who may judge it first.

use serde_json::json;

use super::reader::Reader;
use super::{COOLDOWN_S, INTERACTION_TIMEOUT_S, Trigger};
use crate::domain::proactive::{Context, Offer};

/// The times of an offer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timings {
    /// How long it stands without an answer, seconds.
    pub interaction_timeout_s: f64,
    /// How long its trigger keeps quiet afterwards, seconds.
    pub cooldown_s: f64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            interaction_timeout_s: INTERACTION_TIMEOUT_S,
            cooldown_s: COOLDOWN_S,
        }
    }
}

impl Timings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let mut seconds = |key, default| reader.some_seconds(key).unwrap_or(default);
        Self {
            interaction_timeout_s: seconds("interaction_timeout_s", default.interaction_timeout_s),
            cooldown_s: seconds("cooldown_s", default.cooldown_s),
        }
    }

    pub(super) fn set(self, offer: &mut Offer) {
        offer.interaction_timeout_s = self.interaction_timeout_s;
        offer.cooldown_s = self.cooldown_s;
    }
}

/// A trigger whose offers get other times, and are told how they are to be judged.
#[derive(Debug)]
pub struct Entity {
    inner: Box<dyn Trigger>,
    timings: Timings,
    triggering_type: Option<String>,
}

impl Entity {
    /// Wraps a trigger. The times replace its own; the type is put into the metadata unless one is there already,
    /// whatever it says.
    pub fn new(inner: Box<dyn Trigger>, timings: Timings, triggering_type: Option<String>) -> Self {
        Self {
            inner,
            timings,
            triggering_type,
        }
    }
}

impl Trigger for Entity {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        let mut offer = self.inner.evaluate(context)?;
        self.timings.set(&mut offer);
        if let Some(triggering_type) = &self.triggering_type {
            let entry = offer.metadata.entry("triggering_type");
            entry.or_insert_with(|| json!(triggering_type));
        }
        Some(offer)
    }

    fn labels(&self) -> Vec<&str> {
        self.inner.labels()
    }

    fn deadline(&self, context: &Context<'_>, before: f64) -> Option<f64> {
        self.inner.deadline(context, before)
    }
}
