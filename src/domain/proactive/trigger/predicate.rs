//! Triggers that a product writes down itself: our addition to the published keys.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::entity::Timings;
use super::reader::Reader;
use super::{Trigger, offer};
use crate::domain::proactive::{Context, Offer, Scalar};

/// A question about the session, and what is said if the answer is yes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Predicate {
    trigger_id: String,
    question: Question,
    body: String,
    reply_option_labels: Vec<String>,
    metadata: Map<String, Value>,
    timings: Timings,
}

#[derive(Clone, Debug, PartialEq)]
enum Question {
    Always,
    Never,
    /// At least so many actions lately.
    RecentActionsGte(usize),
    /// Some page's address contains this, to the letter.
    AnyUrlContains(String),
    /// The user has this property, and it is neither no, nor 0, nor empty.
    ExtraTruthy(Arc<str>),
}

impl Predicate {
    /// Reads one row; nothing if something about it is wrong.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let before = reader.flaws();
        let trigger_id = reader.required("trigger_id");
        let body = reader.required_text("body");
        let reply_option_labels = reader.texts("reply_option_labels");
        let metadata = reader.object("metadata").cloned().unwrap_or_default();
        let timings = Timings::read(reader);
        let question = reader.required_object("predicate");
        let question =
            question.and_then(|object| Question::read(&mut reader.below("predicate", object)));
        if reader.flaws() > before {
            return None;
        }
        Some(Self {
            trigger_id: trigger_id?.to_owned(),
            question: question?,
            body: body?.to_owned(),
            reply_option_labels,
            metadata,
            timings,
        })
    }
}

impl Question {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.required("op")? {
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            "recent_actions_gte" => match reader.value("n").and_then(Value::as_u64) {
                Some(n) => Some(Self::RecentActionsGte(
                    usize::try_from(n).unwrap_or(usize::MAX),
                )),
                None => {
                    reader.flaw("n", "must be a whole number");
                    None
                }
            },
            "any_url_contains" => {
                let value = reader.required_text("value")?;
                Some(Self::AnyUrlContains(value.to_owned()))
            }
            "extra_truthy" => Some(Self::ExtraTruthy(reader.required("key")?.into())),
            _ => {
                reader.flaw(
                    "op",
                    "must be always, never, recent_actions_gte, any_url_contains or extra_truthy",
                );
                None
            }
        }
    }

    fn is_yes(&self, context: &Context<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::RecentActionsGte(least) => context.actions().len() >= *least,
            Self::AnyUrlContains(part) => {
                let mut actions = context.actions().iter();
                actions.any(|action| action.canonical_url.contains(part))
            }
            Self::ExtraTruthy(key) => match context.properties.get(key) {
                None => false,
                Some(Scalar::Flag(flag)) => *flag,
                Some(Scalar::Number(number)) => *number != 0.0,
                Some(Scalar::Text(text)) => !text.is_empty(),
            },
        }
    }
}

impl Trigger for Predicate {
    fn id(&self) -> &str {
        &self.trigger_id
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        if !self.question.is_yes(context) {
            return None;
        }
        let mut offer = offer(&self.trigger_id, self.body.clone(), self.metadata.clone());
        offer
            .reply_option_labels
            .clone_from(&self.reply_option_labels);
        self.timings.set(&mut offer);
        Some(offer)
    }

    fn labels(&self) -> Vec<&str> {
        let labels = self.reply_option_labels.iter();
        labels.map(String::as_str).collect()
    }
}
