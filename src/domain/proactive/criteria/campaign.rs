//! One entry of `proactive_intercom`.

use serde_json::{Map, Value, json};

use super::tree::Tree;
use crate::domain::proactive::message::Chip;
use crate::domain::proactive::trigger::Trigger;
use crate::domain::proactive::{Context, Offer};

/// An offer that a product describes itself.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) criteria_id: Option<String>,
    pub(super) criteria: Tree,
    pub(super) chips: Vec<Chip>,
    pub(super) body: String,
    pub(super) interaction_timeout_s: f64,
    pub(super) cooldown_s: f64,
}

impl Campaign {
    /// The id of the topmost node of its tree.
    pub fn criteria_id(&self) -> Option<&str> {
        self.criteria_id.as_deref()
    }

    fn offer(&self, context: &Context<'_>) -> Offer {
        let matched = self.criteria.matched(context);
        let metadata = [
            ("name", json!(self.name)),
            ("criteria_id", json!(self.criteria_id)),
            ("matched", json!(matched)),
        ];
        let tour = self.chips.iter().find(|chip| chip.user_tour_exists);
        Offer {
            trigger_id: self.id.clone(),
            body: self.body.clone(),
            reply_option_labels: self.chips.iter().map(|chip| chip.label.clone()).collect(),
            metadata: metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<String, Value>>(),
            interaction_timeout_s: self.interaction_timeout_s,
            cooldown_s: self.cooldown_s,
            user_tour_id: tour.and_then(|chip| chip.user_tour_id.clone()),
        }
    }
}

impl Trigger for Campaign {
    /// Its configured id, or `proactive_intercom_<position>` where that is no text.
    fn id(&self) -> &str {
        &self.id
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        self.criteria.matches(context).then(|| self.offer(context))
    }

    /// Exact for a tree that does not match now: the first instant at which it does if the user does nothing more.
    fn deadline(&self, context: &Context<'_>, before: f64) -> Option<f64> {
        self.criteria.deadline(context, before)
    }
}
