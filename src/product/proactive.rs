//! What a product wants to be offered (contract 5.4, 5.5, 6.1): its triggers, campaigns and tours.
//!
//! What is wrong with them never keeps the product out of force. Over HTTP it is refused with every fault; a list of
//! products keeps what was in force before, and says so.

use std::sync::Arc;

use super::field::{Fault, Fields};
use crate::domain::fsm::TourRegistry;
use crate::domain::proactive::trigger::Trigger;
use crate::domain::proactive::{Flaw, Program, criteria, trigger};

/// The keys that are read.
const KEYS: [&str; 5] = [
    "proactive_enabled",
    "proactive_triggers",
    "proactive_intercom",
    "tour_registry",
    "tour_offer_body",
];

/// What a product wants to be offered, as far as it can be read.
pub(super) struct Wishes {
    /// None where the product has not opted in: there is nothing to offer.
    pub(super) program: Option<Arc<Program>>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// What has no effect, as the published form allows.
    pub(super) notices: Vec<String>,
}

/// Reads it.
pub(super) fn read(config: &mut Fields<'_>, pointer: &str) -> Wishes {
    // A product that describes what to offer wants to offer it, unless it says otherwise.
    let is_enabled =
        config.value("proactive_enabled").is_none() || config.flag("proactive_enabled");
    for key in KEYS {
        config.value(key);
    }
    let object = config.object();
    let (triggers, mut flaws) = trigger::parse(object);
    let (campaigns, more) = criteria::parse(object);
    flaws.extend(more);
    let (tours, more) = TourRegistry::of_product(object);
    flaws.extend(more);
    let mut triggers = triggers.unwrap_or_default();
    let campaigns = campaigns.into_iter();
    triggers.extend(campaigns.map(|campaign| Box::new(campaign) as Box<dyn Trigger>));
    let program = Program::new(is_enabled, triggers, tours.unwrap_or_default());
    let program = (!program.names.is_empty()).then(|| Arc::new(program));
    let (tolerated, wrong): (Vec<_>, Vec<_>) =
        flaws.into_iter().partition(|flaw| flaw.is_tolerated);
    let notice = |flaw: Flaw| format!("integration_config{} {}", flaw.pointer, flaw.text);
    let fault = |flaw: Flaw| Fault {
        pointer: format!("{pointer}{}", flaw.pointer),
        text: flaw.text,
    };
    Wishes {
        program,
        faults: wrong.into_iter().map(fault).collect(),
        notices: tolerated.into_iter().map(notice).collect(),
    }
}
