//! What a product wants to be offered (contract 5.4, 5.5, 6.1): its triggers, campaigns and tours, and labels for
//! buttons (1.11).
//!
//! What is wrong with them never keeps the product out of force. Over HTTP it is refused with every fault; a list of
//! products keeps what was in force before, and says so.

use std::sync::Arc;

use serde_json::Value;

use super::labels::{Labels, distinct};
use crate::domain::proactive::{Flaw, Program, message};
use crate::fields::{Fault, Fields};

/// The keys that are read.
const KEYS: [&str; 5] = [
    "proactive_enabled",
    "proactive_triggers",
    "proactive_intercom",
    "tour_registry",
    "tour_offer_body",
];

/// What says when labels are given.
const LABELS_KEY: &str = "proactive";

/// The most actions that can be asked for before labels are given.
const ACTIONS_MIN_MAX: u32 = 1_000_000;

/// What a product wants to be offered, as far as it can be read.
pub(super) struct Wishes {
    /// None where the product has not opted in: there is nothing to offer.
    pub(super) program: Option<Arc<Program>>,
    /// Labels for buttons.
    pub(super) labels: Labels,
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
    let (program, flaws) = Program::read(is_enabled, object);
    let chips = message::chips(object);
    let chips = chips.iter().map(|chip| chip.label.as_str());
    let configured = distinct(
        chips.chain(
            program
                .triggers
                .triggers()
                .flat_map(|trigger| trigger.labels()),
        ),
    );
    let program = (!program.names.is_empty()).then(|| Arc::new(program));
    let (tolerated, wrong): (Vec<_>, Vec<_>) =
        flaws.into_iter().partition(|flaw| flaw.is_tolerated);
    let notice = |flaw: Flaw| format!("integration_config{} {}", flaw.pointer, flaw.text);
    let fault = |flaw: Flaw| Fault {
        pointer: format!("{pointer}{}", flaw.pointer),
        text: flaw.text,
    };
    let mut wishes = Wishes {
        program,
        labels: Labels {
            configured,
            ..Labels::default()
        },
        faults: wrong.into_iter().map(fault).collect(),
        notices: tolerated.into_iter().map(notice).collect(),
    };
    if let Some(value) = config.value(LABELS_KEY) {
        wishes.read_labels(value, format!("{pointer}/{LABELS_KEY}"));
    }
    wishes
}

impl Wishes {
    /// Reads when labels are given.
    fn read_labels(&mut self, value: &Value, pointer: String) {
        let Some(object) = value.as_object() else {
            let text = "must be an object".to_owned();
            self.faults.push(Fault { pointer, text });
            return;
        };
        let mut fields = Fields::new(object, pointer);
        let labels = &mut self.labels;
        labels.is_enabled = fields.value("enabled").is_none() || fields.flag("enabled");
        if let Some(least) = fields.whole("min_actions", 0..=ACTIONS_MIN_MAX) {
            labels.actions_min = least;
        }
        if let Some(cooldown_s) = fields.seconds("cooldown_seconds") {
            labels.cooldown_s = cooldown_s;
        }
        for key in fields.unknown(&[]) {
            let notice = format!("integration_config.{LABELS_KEY}.{key} has no effect");
            self.notices.push(notice);
        }
        self.faults.extend(fields.faults);
    }
}
