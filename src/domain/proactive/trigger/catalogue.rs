//! The triggers that come with the service, and how a product chooses among them (contract 6.1).

use serde_json::{Map, Value};

use super::entity::{Entity, Timings};
use super::page_dwell::PageDwell;
use super::ping_pong::PingPong;
use super::playbook::SectionPlaybook;
use super::reader::Reader;
use super::{TRIGGERS_MAX, Trigger};
use crate::domain::loose::trim;
use crate::domain::proactive::Flaw;

/// A trigger that comes with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// [`PingPong`].
    PingPong,
    /// [`SectionPlaybook`].
    SectionPlaybook,
    /// [`PageDwell`].
    PageDwell,
}

impl Builtin {
    /// All of them, by name.
    pub const ALL: [Self; 3] = [Self::PingPong, Self::SectionPlaybook, Self::PageDwell];

    /// What it is called in configurations and offers.
    pub fn id(self) -> &'static str {
        match self {
            Self::PingPong => PingPong::ID,
            Self::SectionPlaybook => SectionPlaybook::ID,
            Self::PageDwell => PageDwell::ID,
        }
    }

    /// What it is called among people.
    pub fn name(self) -> &'static str {
        match self {
            Self::PingPong => "Back and forth",
            Self::SectionPlaybook => "Section playbook",
            Self::PageDwell => "Long stay",
        }
    }

    /// When it fires, as a sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::PingPong => "The user goes back and forth between pages.",
            Self::SectionPlaybook => "The user is in a section with a message of its own.",
            Self::PageDwell => "The user stays on one page and does little there.",
        }
    }
}

/// Whether an offer goes out as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggeringType {
    /// It does.
    Instant,
    /// A model may judge it first, where there is one.
    #[default]
    Judged,
}

impl TriggeringType {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Instant, Self::Judged];

    /// What it is called in configurations and in the metadata of offers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant_trigger",
            Self::Judged => "llm_judge_validation",
        }
    }
}

/// One row of a product's `builtins`.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Which trigger.
    pub builtin: Builtin,
    /// What the product calls it.
    pub name: String,
    /// What the product says of it.
    pub description: String,
    /// The times of its offers.
    pub timings: Timings,
    /// Whether its offers go out as they are.
    pub triggering_type: TriggeringType,
}

impl Chosen {
    /// A trigger as it is unless a product says otherwise.
    pub fn of(builtin: Builtin) -> Self {
        Self {
            builtin,
            name: builtin.name().to_owned(),
            description: builtin.description().to_owned(),
            timings: Timings::default(),
            triggering_type: TriggeringType::default(),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let before = reader.flaws();
        let id = reader.required("id");
        let builtin = id.and_then(|id| Builtin::ALL.into_iter().find(|known| known.id() == id));
        if id.is_some() && builtin.is_none() {
            let ids = Builtin::ALL.map(Builtin::id).join(", ");
            reader.flaw("id", format!("must be one of {ids}"));
        }
        let (name, description) = (reader.required("name"), reader.required("description"));
        let timings = Timings::read(reader);
        let triggering_type = read_triggering_type(reader);
        if reader.flaws() > before {
            return None;
        }
        Some(Self {
            builtin: builtin?,
            name: name?.to_owned(),
            description: description?.to_owned(),
            timings,
            triggering_type,
        })
    }

    /// The trigger itself.
    pub(super) fn build(&self, settings: &Settings) -> Box<dyn Trigger> {
        let inner: Box<dyn Trigger> = match self.builtin {
            Builtin::PingPong => Box::new(settings.ping_pong.clone()),
            Builtin::SectionPlaybook => Box::new(settings.playbook.clone()),
            Builtin::PageDwell => Box::new(settings.page_dwell.clone()),
        };
        let triggering_type = self.triggering_type.as_str().to_owned();
        Box::new(Entity::new(inner, self.timings, Some(triggering_type)))
    }
}

fn read_triggering_type(reader: &mut Reader<'_>) -> TriggeringType {
    let key = "triggering_type";
    let Some(value) = reader.value(key) else {
        return TriggeringType::default();
    };
    let word = value.as_str().map(trim);
    let mut known = TriggeringType::ALL.into_iter();
    let known = known.find(|known| Some(known.as_str()) == word);
    known.unwrap_or_else(|| {
        let words = TriggeringType::ALL.map(TriggeringType::as_str).join(" or ");
        reader.flaw(key, format!("must be {words}"));
        TriggeringType::default()
    })
}

/// What a product says about the built-in triggers, in `proactive_triggers`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Going back and forth.
    pub ping_pong: PingPong,
    /// Staying on one page.
    pub page_dwell: PageDwell,
    /// One line for each section.
    pub playbook: SectionPlaybook,
}

impl Settings {
    /// Reads `proactive_triggers`. What cannot be used is a flaw and counts as absent.
    pub fn read(triggers: &Map<String, Value>, flaws: &mut Vec<Flaw>) -> Self {
        let mut reader = Reader::new(triggers, super::POINTER, flaws);
        Self {
            ping_pong: PingPong::read(&mut reader),
            page_dwell: PageDwell::read(&mut reader),
            playbook: SectionPlaybook::read(&mut reader),
        }
    }
}

/// Reads `registry`, `mode` and `builtins` of `proactive_triggers`, in order. One bad row rejects them all: `None`.
/// Without a list, and (with a flaw, X-21) without anything in it, there is [`PingPong`] alone.
pub fn chosen(triggers: &Map<String, Value>, flaws: &mut Vec<Flaw>) -> Option<Vec<Chosen>> {
    let mut reader = Reader::new(triggers, super::POINTER, flaws);
    let before = reader.flaws();
    let is_ping_pong_only = read_mode(&mut reader);
    let key = "builtins";
    let rows = reader.objects(key, TRIGGERS_MAX);
    let mut chosen = Vec::new();
    for (index, row) in rows {
        chosen.extend(Chosen::read(
            &mut reader.below(&format!("{key}/{index}"), row),
        ));
    }
    if reader.flaws() > before {
        return None;
    }
    if reader.value(key).is_some() {
        if chosen.is_empty() {
            reader.flaw(
                key,
                "is empty, so that the default counts: canonical_url_ping_pong alone",
            );
        } else if is_ping_pong_only {
            reader.flaw(key, "does not count while mode is ping_pong_only");
        }
    }
    if chosen.is_empty() || is_ping_pong_only {
        chosen = vec![Chosen::of(Builtin::PingPong)];
    }
    Some(chosen)
}

/// Whether the product wants ping-pong and nothing else.
fn read_mode(reader: &mut Reader<'_>) -> bool {
    if reader
        .word("registry")
        .is_some_and(|word| word != "default")
    {
        reader.flaw("registry", "must be default");
    }
    match reader.word("mode") {
        None | Some("default_registry") => false,
        Some("ping_pong_only") => true,
        Some(_) => {
            reader.flaw("mode", "must be default_registry or ping_pong_only");
            false
        }
    }
}
