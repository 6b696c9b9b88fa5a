//! Reading `proactive_intercom`.

use serde_json::{Map, Value};

use super::campaign::Campaign;
use super::params::{seconds, text};
use super::reader::Reader;
use super::tree::{MISSING, Tree, Trees};
use crate::domain::loose::is_truthy;
use crate::domain::proactive::Flaw;
use crate::domain::proactive::message::{Chip, DEFAULT_BODY, rows};
use crate::domain::proactive::text::{BODY_CHARS_MAX, as_text};
use crate::domain::proactive::trigger::{COOLDOWN_S, INTERACTION_TIMEOUT_S};

/// How many entries of a product are read.
pub const ENTRIES_MAX: usize = 64;

const KEY: &str = "proactive_intercom";
const MESSAGES_MAX: usize = 3;

/// Reads the entries of a product's configuration, and what is wrong with them at pointers below it. The object that
/// `proactive_intercom` was before 0.7.0 is one entry; it may do without criteria, and then only has answers to show.
pub fn parse(integration_config: &Map<String, Value>) -> (Vec<Campaign>, Vec<Flaw>) {
    let mut reader = Reader::default();
    let pointer = format!("/{KEY}");
    let campaigns = match integration_config.get(KEY) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => {
            if entries.len() > ENTRIES_MAX {
                let text =
                    format!("is not read, nor what follows: {ENTRIES_MAX} entries are allowed");
                reader.flaw(format!("{pointer}/{ENTRIES_MAX}"), text);
            }
            let numbered = entries.iter().enumerate().take(ENTRIES_MAX);
            numbered
                .filter_map(|(position, value)| {
                    entry(
                        value,
                        position,
                        &format!("{pointer}/{position}"),
                        &mut reader,
                    )
                })
                .collect()
        }
        Some(Value::Object(fields)) if !fields.contains_key("proactive_criteria") => Vec::new(),
        Some(value @ Value::Object(_)) => {
            let read = entry(value, 0, &pointer, &mut reader);
            read.into_iter().collect()
        }
        Some(_) => {
            reader.flaw(pointer, "must be a list of entries");
            Vec::new()
        }
    };
    (campaigns, reader.flaws)
}

/// Everything that is wrong with a skipped entry is noted, not only the first of it.
fn entry(value: &Value, position: usize, pointer: &str, reader: &mut Reader) -> Option<Campaign> {
    let Some(fields) = value.as_object() else {
        let text =
            "must be an object with id, name, proactive_criteria and messages; it is skipped";
        reader.flaw(pointer, text);
        return None;
    };
    let mut is_named = true;
    for name in ["id", "name"] {
        if !fields.contains_key(name) {
            reader.flaw(format!("{pointer}/{name}"), MISSING);
            is_named = false;
        }
    }
    let criteria_pointer = format!("{pointer}/proactive_criteria");
    let configured = fields.get("proactive_criteria").unwrap_or(&Value::Null);
    let criteria = Trees::new(reader).read(configured, &criteria_pointer, 1);
    let chips = messages(
        fields.get("messages"),
        &format!("{pointer}/messages"),
        reader,
    );
    let (Some(criteria), Some(chips), true) = (criteria, chips, is_named) else {
        reader.flaw(pointer, "is skipped until this is put right");
        return None;
    };
    let id = fields.get("id").and_then(as_text).map(String::from);
    let name = fields.get("name").and_then(as_text).map(String::from);
    let criteria_id = configured.get("id").and_then(Value::as_str);
    Some(Campaign {
        id: id.unwrap_or_else(|| format!("{KEY}_{position}")),
        name: name.unwrap_or_default(),
        criteria_id: criteria_id.map(str::to_owned),
        criteria: Tree::new(criteria),
        chips: accepting_first(chips, fields.get("accept"), pointer, reader),
        body: body(fields, pointer, reader),
        interaction_timeout_s: own_seconds(fields, "interaction_timeout_s", pointer, reader)
            .unwrap_or(INTERACTION_TIMEOUT_S),
        cooldown_s: own_seconds(fields, "cooldown_s", pointer, reader).unwrap_or(COOLDOWN_S),
    })
}

/// The answers of an entry; `None` when its messages are not as published clients have them.
fn messages(value: Option<&Value>, pointer: &str, reader: &mut Reader) -> Option<Vec<Chip>> {
    let list = value.and_then(Value::as_array);
    let Some(messages) = list.filter(|list| (1..=MESSAGES_MAX).contains(&list.len())) else {
        reader.flaw(pointer, "must be a list of one to three messages");
        return None;
    };
    let mut is_sound = true;
    for (position, message) in messages.iter().enumerate() {
        let mut flaw = |name: &str, text: &str| {
            reader.flaw(format!("{pointer}/{position}{name}"), text);
            is_sound = false;
        };
        let is_set = |name: &str| message.get(name).is_some_and(is_truthy);
        if !message.is_object() {
            flaw("", "must be an object with id and label");
            continue;
        }
        for name in ["id", "label"] {
            if message.get(name).is_none() {
                flaw(&format!("/{name}"), MISSING);
            }
        }
        if is_set("user_tour_exists") && !is_set("user_tour_id") {
            flaw(
                "/user_tour_id",
                "is missing, although user_tour_exists is set",
            );
        }
    }
    if !is_sound {
        return None;
    }
    let chips = rows(messages);
    if chips.len() < messages.len() {
        reader.flaw(
            pointer,
            "must all have a label that is not blank; those without are not shown",
        );
    }
    Some(chips)
}

/// The first answer accepts where only two can be shown: `accept` is the id of the message that shall be it.
fn accepting_first(
    mut chips: Vec<Chip>,
    accept: Option<&Value>,
    pointer: &str,
    reader: &mut Reader,
) -> Vec<Chip> {
    let Some(accept) = accept.filter(|accept| !accept.is_null()) else {
        return chips;
    };
    let id = as_text(accept);
    match chips
        .iter()
        .position(|chip| Some(&*chip.id) == id.as_deref())
    {
        Some(position) => chips[..=position].rotate_right(1),
        None => reader.flaw(
            format!("{pointer}/accept"),
            "must be the id of one of the messages; the first one accepts",
        ),
    }
    chips
}

fn body(fields: &Map<String, Value>, pointer: &str, reader: &mut Reader) -> String {
    let Some(value) = fields.get("body").filter(|value| !value.is_null()) else {
        return DEFAULT_BODY.to_owned();
    };
    let Ok(body) = text(value) else {
        let text = "must be text that is not blank; the default is said instead";
        reader.flaw(format!("{pointer}/body"), text);
        return DEFAULT_BODY.to_owned();
    };
    let cut: String = body.chars().take(BODY_CHARS_MAX).collect();
    if cut.len() < body.len() {
        let text = format!("must have at most {BODY_CHARS_MAX} characters; the rest is not said");
        reader.flaw(format!("{pointer}/body"), text);
    }
    cut.trim_end().to_owned()
}

fn own_seconds(
    fields: &Map<String, Value>,
    name: &str,
    pointer: &str,
    reader: &mut Reader,
) -> Option<f64> {
    let value = fields.get(name).filter(|value| !value.is_null())?;
    let read = seconds(value);
    if let Err(why) = read {
        let text = format!("{why}; the default counts instead");
        reader.flaw(format!("{pointer}/{name}"), text);
    }
    read.ok()
}
