//! What is said and what is answered (contract 5.5, 5.7, 5.8).
//!
//! The cast: a [`Chip`] is one configured answer with its label, and perhaps a tour; [`match_label`] tells which label
//! a user's message is; [`tour_offer`] tells which tour it asks for; [`YesNo`] answers whether to show it, and
//! [`pending_offer`] keeps the question until then.
//!
//! Guaranteed: matching trims both sides and folds case as Unicode says (`Straße` is `STRASSE`), and is exact
//! otherwise. Configured rows are read tolerantly: what cannot be shown is left out, and nothing is refused.

mod chip;
mod label;
mod tour;

pub(super) use chip::rows;
pub use chip::{Chip, chips};
pub use label::{NO_LABEL, YES_LABEL, YesNo, match_label, match_yes_no};
pub use tour::{TOUR_OFFER_BODY, pending_flow_id, pending_offer, tour_offer, tour_offer_body};

/// What is said when nothing is configured.
pub const DEFAULT_BODY: &str = "Need my expert help?";
