//! What is offered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Help that a trigger suggests to offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Which trigger.
    pub trigger_id: String,
    /// What to say.
    pub body: String,
    /// What the user may answer; the first accepts, the second declines.
    pub reply_option_labels: Vec<String>,
    /// Why, for whoever asks.
    pub metadata: Map<String, Value>,
    /// How long it stands without an answer, seconds.
    pub interaction_timeout_s: f64,
    /// How long the trigger keeps quiet afterwards, seconds.
    pub cooldown_s: f64,
    /// The tour that accepting it starts, by the tour vendor's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_tour_id: Option<String>,
}
