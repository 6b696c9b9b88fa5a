//! Tours that a product offers, and how long they keep a session in conversation (contract 5.9).

use serde::{Deserialize, Serialize};

/// The tours of one product. Unknown keys are ignored, as old configurations carry some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TourRegistry {
    /// For tours without a timeout of their own, seconds.
    #[serde(default = "interaction_timeout_s")]
    pub default_interaction_timeout_s: f64,
    /// For tours without a cooldown of their own, seconds.
    #[serde(default = "cooldown_period_s")]
    pub default_cooldown_period_s: f64,
    /// The tours; the first match counts.
    #[serde(default)]
    pub tours: Vec<Tour>,
}

/// One tour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tour {
    /// Our name for it.
    pub id: String,
    /// The tour vendor's flow identifier, by which a running tour is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_tour_id: Option<String>,
    /// How long it may rest, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction_timeout_s: Option<f64>,
    /// How long to keep quiet after it, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_period_s: Option<f64>,
}

impl TourRegistry {
    /// The timeout and the cooldown of the running tour, seconds; `None` when the registry does
    /// not know the vendor's identifier.
    pub fn periods(&self, user_tour_id: &str) -> Option<(f64, f64)> {
        let tour = self.tours.iter().find(|tour| {
            !user_tour_id.is_empty() && tour.user_tour_id.as_deref() == Some(user_tour_id)
        })?;
        Some((
            tour.interaction_timeout_s
                .unwrap_or(self.default_interaction_timeout_s),
            tour.cooldown_period_s
                .unwrap_or(self.default_cooldown_period_s),
        ))
    }
}

fn interaction_timeout_s() -> f64 {
    20.0
}

fn cooldown_period_s() -> f64 {
    120.0
}
