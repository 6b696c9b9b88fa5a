//! What a product wants of its sessions.

use std::sync::Arc;

use super::offers::OfferPolicy;
use crate::domain::proactive::Program;
use crate::domain::proactive::resilience::Limits;

/// What a product wants of its sessions (contract 6.1, 6.3). Lengths of time are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The platform that takes notes, as the first part of the outbox lane; `None` when the product
    /// has no chatbot.
    pub platform: Option<&'static str>,
    /// Whether every batch of actions is pushed as well.
    pub pushes: bool,
    /// How old an action may be when the next one arrives and still be kept for a first note.
    pub pre_link_window_s: f64,
    /// How long a linked session must be quiet before its note is written.
    pub post_link_debounce_s: f64,
    /// Width of the bins that a first note is spaced by; 0 for none.
    pub bin_seconds: f64,
    /// How long the session machine stays in a conversation without interaction.
    pub interaction_timeout_s: f64,
    /// How long it keeps quiet afterwards.
    pub cooldown_period_s: f64,
    /// How long after its last activity a link is inherited by the user's next session.
    pub link_carry_s: f64,
    /// How long identities and links can be looked up after their last renewal.
    pub index_s: f64,
    /// The most actions held for a note; more push out the oldest before a link, and force a note
    /// after it.
    pub window_actions_max: usize,
    /// The longest text of one note.
    pub note_bytes_max: usize,
    /// How actions are numbered.
    pub index_mode: IndexMode,
    /// What is offered, if the product wants that.
    pub program: Option<Arc<Program>>,
    /// How long things count for offers.
    pub offers: OfferPolicy,
    /// How often offers are made.
    pub resilience: Limits,
}

impl Default for Policy {
    /// The documented defaults, with notes to Intercom.
    fn default() -> Self {
        Self {
            platform: Some("intercom"),
            pushes: false,
            pre_link_window_s: 120.0,
            post_link_debounce_s: 0.15,
            bin_seconds: 3.0,
            interaction_timeout_s: 20.0,
            cooldown_period_s: 60.0,
            link_carry_s: 86_400.0,
            index_s: 86_400.0,
            window_actions_max: 1000,
            note_bytes_max: 10_000,
            index_mode: IndexMode::Session,
            program: None,
            offers: OfferPolicy::default(),
            resilience: Limits::default(),
        }
    }
}

impl Policy {
    /// Whether the product wants to speak first (gate 1 of contract 5.1).
    pub(super) fn wants_offers(&self) -> bool {
        let program = self.program.as_ref();
        program.is_some_and(|program| program.is_enabled)
    }
}

/// How actions are numbered (contract 3.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexMode {
    /// On and on through the session.
    Session,
    /// From 0 in every batch.
    Batch,
}
