//! `trigger_config`: the entries of `proactive_intercom`, their answers, and what a user's message answers.
//!
//! The library gives an entry back as it was configured, less what it does not know. Ours says which entries are
//! sound; the shape is put together here.

use event_connector::domain::proactive::criteria::{self, Campaign};
use event_connector::domain::proactive::message::{self, Chip, YesNo};
use event_connector::domain::proactive::trigger::Trigger;
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::compare::{self, error, is_error};
use crate::topic::{Topic, exactly, nothing_later};

/// Reading and matching.
pub(crate) const TOPIC: Topic = Topic {
    name: "trigger_config",
    answer,
    compare: any_refusal_is_one,
    judge: exactly,
    later: nothing_later,
};

fn answer(input: &Value) -> Value {
    let nothing = Map::new();
    let config = input["integration_config"].as_object().unwrap_or(&nothing);
    let text = |name: &str| input[name].as_str().unwrap_or_default();
    let chips = message::chips(config);
    let (message, default) = (text("message"), text("default_flow_id"));
    match text("fn") {
        "parse_message" => one(
            &entry(&leaf(), &input["message"]),
            |entry| json!({"message": shown_message(&entry["messages"][0])}),
        ),
        "parse_criteria" => one(
            &entry(&input["criteria"], &plain()),
            |entry| json!({"criteria": shown_criteria(&entry["proactive_criteria"])}),
        ),
        "parse_config" => one(
            &input["config"],
            |entry| json!({"config": shown_entry(entry)}),
        ),
        "parse_configs" => json!({"configs": shown_entries(config)}),
        "find_by_criteria" => {
            let (campaigns, _) = criteria::parse(config);
            let id = input["criteria_id"].as_str();
            let mut campaigns = campaigns.iter();
            let found = campaigns.find(|campaign| id.is_some() && campaign.criteria_id() == id);
            json!({"config_id": found.map(Campaign::id)})
        }
        "chip_rows" => {
            let rows: Vec<Value> = chips.iter().map(shown_chip).collect();
            json!({"rows": (!rows.is_empty()).then_some(rows)})
        }
        "chip_labels" => {
            let labels: Vec<&str> = chips.iter().map(|chip| &*chip.label).collect();
            json!({"labels": (!labels.is_empty()).then_some(labels)})
        }
        "effective_flow_id" => json!({"flow_id": chip(&input["row"]).flow_id(default)}),
        "resolve_tour_offer" => {
            json!({"flow_id": message::tour_offer(&chips, message, default)})
        }
        "tour_offer_body" => json!({"body": message::tour_offer_body(config)}),
        "match_label" => {
            let labels = input["labels"].as_array().into_iter().flatten();
            let labels: Vec<&str> = labels
                .map(|label| label.as_str().unwrap_or_default())
                .collect();
            json!({"index": message::match_label(message, &labels)})
        }
        "match_yes_no" => {
            let label = |name: &str, default| match input["labels"].get(name) {
                Some(label) => label.as_str().unwrap_or_default(),
                None => default,
            };
            let yes = label("yes_label", message::YES_LABEL);
            let answer = message::match_yes_no(message, yes, label("no_label", message::NO_LABEL));
            let shown = answer.map(|answer| match answer {
                YesNo::Yes => "yes",
                YesNo::No => "no",
            });
            json!({ "answer": shown })
        }
        "pending_to_json" => json!({"text": message::pending_offer(text("flow_id"))}),
        _ => json!({"flow_id": message::pending_flow_id(text("stored"), default)}),
    }
}

/// Whatever the library says to what it refuses or trips over, ours refuses as well, or takes it for nothing where
/// something is only looked up.
fn any_refusal_is_one(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if !is_error(case.expected) {
        return exactly(case, answer);
    }
    let nothing = match case.input["fn"].as_str() {
        Some("chip_rows") => json!({"rows": null}),
        Some("chip_labels") => json!({"labels": null}),
        Some("match_label") => json!({"index": null}),
        Some("tour_offer_body") => json!({"body": message::TOUR_OFFER_BODY}),
        _ if is_error(answer) => return Ok(()),
        _ => return Err(format!("not refused: {answer}")),
    };
    compare::exactly(&nothing, answer)
}

fn leaf() -> Value {
    json!({"id": "c", "name": "C", "type": "idle"})
}

fn plain() -> Value {
    json!({"id": "m", "label": "M"})
}

fn entry(criteria: &Value, message: &Value) -> Value {
    json!({"id": "e", "name": "E", "proactive_criteria": criteria, "messages": [message]})
}

/// Shows an entry, if it is sound.
fn one(entry: &Value, show: fn(&Value) -> Value) -> Value {
    let config = Map::from_iter([("proactive_intercom".to_owned(), json!([entry]))]);
    let (campaigns, _) = criteria::parse(&config);
    match campaigns.as_slice() {
        [_] => show(entry),
        _ => error("ValueError"),
    }
}

/// The sound entries: nothing is wrong with them as a whole.
fn shown_entries(config: &Map<String, Value>) -> Vec<Value> {
    let (campaigns, flaws) = criteria::parse(config);
    let entries = config.get("proactive_intercom").and_then(Value::as_array);
    let entries = entries.into_iter().flatten().enumerate();
    let shown: Vec<Value> = entries
        .filter(|(position, _)| {
            let pointer = format!("/proactive_intercom/{position}");
            flaws.iter().all(|flaw| flaw.pointer != pointer)
        })
        .map(|(_, entry)| shown_entry(entry))
        .collect();
    assert_eq!(shown.len(), campaigns.len(), "{flaws:?}");
    shown
}

fn shown_entry(entry: &Value) -> Value {
    let messages = entry["messages"].as_array().into_iter().flatten();
    json!({
        "id": entry["id"],
        "name": entry["name"],
        "proactive_criteria": shown_criteria(&entry["proactive_criteria"]),
        "messages": messages.map(shown_message).collect::<Vec<_>>(),
    })
}

fn shown_criteria(node: &Value) -> Value {
    let (id, name) = (&node["id"], &node["name"]);
    let Some(operator) = node.get("operator") else {
        return json!({"id": id, "name": name, "type": node["type"]});
    };
    let conditions = node["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<_> = conditions.map(shown_criteria).collect();
    json!({"id": id, "name": name, "operator": operator, "conditions": conditions})
}

fn shown_message(message: &Value) -> Value {
    let mut shown = json!({"id": message["id"], "label": message["label"]});
    let flag = message.get("user_tour_exists");
    shown["user_tour_exists"] = flag.cloned().unwrap_or(json!(false));
    if !message["user_tour_id"].is_null() {
        shown["user_tour_id"] = message["user_tour_id"].clone();
    }
    shown
}

fn shown_chip(chip: &Chip) -> Value {
    json!({
        "id": chip.id,
        "label": chip.label,
        "user_tour_exists": chip.user_tour_exists,
        "user_tour_id": chip.user_tour_id,
    })
}

fn chip(row: &Value) -> Chip {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    Chip {
        id: text("id").unwrap_or_default(),
        label: text("label").unwrap_or_default(),
        user_tour_exists: row["user_tour_exists"] == true,
        user_tour_id: text("user_tour_id"),
    }
}
