//! Labels for buttons that a host application shows (contract 1.11): who suggests them, and when they are given.
//!
//! A [`LabelSource`] is the seam for a language model: whoever adds one implements it and hands it to the doors in
//! the place of [`Configured`]. Whether anybody is asked is decided before, by [`LabelRequest::skip`] and a cooldown,
//! so that no source has to know of either.

use std::sync::Arc;

use async_trait::async_trait;

use super::settings::Product;
use crate::domain::id::{ConversationId, SessionId, pseudonym};
use crate::domain::proactive::message::match_label;

/// The most labels of an answer.
pub const LABELS_MAX: usize = 3;

/// What a product says about labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Whether any are given at all.
    pub is_enabled: bool,
    /// How many actions it takes.
    pub actions_min: u32,
    /// How long none are given after some were, seconds; 0 for no such time.
    pub cooldown_s: f64,
    /// Those that the product has written down for its offers, in its order, none of them twice.
    pub configured: Vec<Arc<str>>,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            is_enabled: true,
            actions_min: 1,
            cooldown_s: 0.0,
            configured: Vec::new(),
        }
    }
}

/// Labels in their order, none of them twice: two are one if no message could tell them apart.
pub(super) fn distinct<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let mut distinct: Vec<Arc<str>> = Vec::new();
    for label in labels {
        if match_label(label, &distinct).is_none() {
            distinct.push(label.trim().into());
        }
    }
    distinct
}

/// Who wants labels, and for whom.
#[derive(Clone, Debug)]
pub struct LabelRequest<'a> {
    /// Whose buttons they are.
    pub product: &'a Product,
    /// The session, if it is known.
    pub session: Option<SessionId>,
    /// The conversation, if it is known.
    pub conversation: Option<ConversationId>,
    /// How many actions the user has taken, as whoever asks counts them.
    pub action_count: u32,
}

/// Why no labels are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The product wants none.
    Disabled,
    /// The user has not done enough yet.
    MinActions,
    /// Some were given a short while ago.
    Cooldown,
}

impl Skip {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::MinActions => "min_actions",
            Self::Cooldown => "cooldown",
        }
    }
}

impl LabelRequest<'_> {
    /// Why the product wants none to be given, whatever was given before.
    pub fn skip(&self) -> Option<Skip> {
        let labels = &self.product.labels;
        if !labels.is_enabled {
            return Some(Skip::Disabled);
        }
        (self.action_count < labels.actions_min).then_some(Skip::MinActions)
    }

    /// Under which name the cooldown is remembered: that of the conversation, else of the session, neither of which it
    /// shows. `None` where there is no cooldown, or nobody to remember it of.
    pub fn cooldown_id(&self) -> Option<String> {
        let has_cooldown = self.product.labels.cooldown_s > 0.0;
        let name = |whose: &str, id: &str| format!("labels:{whose}:{}", pseudonym(id));
        let conversation = self.conversation.as_ref();
        let conversation = conversation.map(|id| name("conversation", id.as_str()));
        let session = || Some(name("session", self.session.as_ref()?.as_str()));
        conversation.or_else(session).filter(|_| has_cooldown)
    }
}

/// Suggests labels.
#[async_trait]
pub trait LabelSource: Send + Sync {
    /// At most [`LABELS_MAX`] short labels, the best first; empty if there is nothing to suggest. A source that has to
    /// ask somebody else bounds how long it waits, and falls back on [`Configured`].
    async fn labels(&self, request: &LabelRequest<'_>) -> Vec<Arc<str>>;
}

/// Suggests what the product has written down: the labels of its `proactive_intercom`, then those of its other triggers.
#[derive(Clone, Copy, Debug)]
pub struct Configured;

#[async_trait]
impl LabelSource for Configured {
    async fn labels(&self, request: &LabelRequest<'_>) -> Vec<Arc<str>> {
        let configured = request.product.labels.configured.iter();
        configured.take(LABELS_MAX).cloned().collect()
    }
}
