//! What may lead to an offer (contract 5.4).
//!
//! The cast: a [`Trigger`] looks at a session and may answer with an [`Offer`]. [`PingPong`], [`PageDwell`] and
//! [`SectionPlaybook`] come with the service, [`Builtin`] is their catalogue, and others are written down in a product's
//! configuration. An [`Entity`] gives a trigger's offers other times. A [`Registry`] asks triggers in their order, and
//! [`Scope`] says whether there is anybody to ask for.
//!
//! Guaranteed: the first that fires wins; one that panics is skipped and told of; as long as nothing fires, nothing is
//! allocated.

mod catalogue;
mod entity;
mod page_dwell;
mod ping_pong;
mod playbook;
mod predicate;
mod reader;
mod registry;
mod scope;
mod section;

use std::fmt;

use serde_json::{Map, Value};

use super::{Context, Flaw, Offer};
use predicate::Predicate;
use reader::Reader;

pub use catalogue::{Builtin, Chosen, Settings, TriggeringType, chosen};
pub use entity::{Entity, Timings};
pub use page_dwell::PageDwell;
pub use ping_pong::{PingPong, touches};
pub use playbook::SectionPlaybook;
pub use registry::{Look, Registry};
pub use scope::{Missing, Scope, is_set};
pub use section::{SectionRule, Tally, Visit, section_of, visits};

/// How long an offer stands without an answer unless something else is written down, seconds.
pub const INTERACTION_TIMEOUT_S: f64 = 10.0;

/// How long a trigger keeps quiet after its offer unless something else is written down, seconds.
pub const COOLDOWN_S: f64 = 30.0;

/// How many built-in triggers, and how many predicates, a product may list.
const TRIGGERS_MAX: usize = 64;

/// Where the settings of triggers are.
const POINTER: &str = "/proactive_triggers";

/// Something that may lead to an offer. It only looks: the same context always gets the same answer.
pub trait Trigger: Send + Sync + fmt::Debug {
    /// What it is called in offers, cooldowns and metrics.
    fn id(&self) -> &str;

    /// What it offers to the user of a session, if anything.
    fn evaluate(&self, context: &Context<'_>) -> Option<Offer>;

    /// What its offers may be answered, as far as nothing else has it: the answers of `proactive_intercom` are
    /// [chips](super::message::chips).
    fn labels(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The earliest later instant at which it could come to fire although the user does nothing more, if that is sooner
    /// than `before`, Unix seconds; whether it fires now is not asked.
    fn deadline(&self, _context: &Context<'_>, _before: f64) -> Option<f64> {
        None
    }
}

/// Reads the triggers of `proactive_triggers`, in the order in which they are asked: built-in ones, then predicates.
///
/// Everything that is wrong becomes a flaw, at a pointer below `integration_config`. A setting that cannot be used
/// counts as absent, and so does a predicate; but one bad row among `builtins`, or a whole that is no object, rejects
/// everything: `None`, and whoever reads keeps what was there before. A product that says nothing has no triggers.
pub fn parse(
    integration_config: &Map<String, Value>,
) -> (Option<Vec<Box<dyn Trigger>>>, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let object = match integration_config.get("proactive_triggers") {
        None | Some(Value::Null) => return (Some(Vec::new()), flaws),
        Some(Value::Object(object)) => object,
        Some(_) => {
            flaws.push(Flaw::new(
                POINTER.to_owned(),
                "must be an object".to_owned(),
            ));
            return (None, flaws);
        }
    };
    let settings = Settings::read(object, &mut flaws);
    let chosen = chosen(object, &mut flaws);
    let predicates = read_predicates(object, &mut flaws);
    let triggers = chosen.map(|chosen| {
        let builtins = chosen.iter().map(|chosen| chosen.build(&settings));
        builtins.chain(predicates).collect()
    });
    (triggers, flaws)
}

fn read_predicates(triggers: &Map<String, Value>, flaws: &mut Vec<Flaw>) -> Vec<Box<dyn Trigger>> {
    let key = "predicates";
    let mut reader = Reader::new(triggers, POINTER, flaws);
    let mut predicates: Vec<Box<dyn Trigger>> = Vec::new();
    for (index, row) in reader.objects(key, TRIGGERS_MAX) {
        if let Some(predicate) = Predicate::read(&mut reader.below(&format!("{key}/{index}"), row))
        {
            predicates.push(Box::new(predicate));
        }
    }
    predicates
}

fn offer(trigger_id: &str, body: String, metadata: Map<String, Value>) -> Offer {
    Offer {
        trigger_id: trigger_id.to_owned(),
        body,
        reply_option_labels: Vec::new(),
        metadata,
        interaction_timeout_s: INTERACTION_TIMEOUT_S,
        cooldown_s: COOLDOWN_S,
        user_tour_id: None,
    }
}
