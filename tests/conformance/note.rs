//! `note_format`: the text of notes.

use event_connector::domain::note::{self, Line};
use serde_json::{Value, json};

use crate::case::Case;
use crate::compare::{error, is_error};
use crate::topic::{Topic, exactly, nothing_later};

/// Headers and whole notes.
pub(crate) const TOPIC: Topic = Topic {
    name: "note_format",
    answer,
    compare: exactly,
    judge: every_action_has_its_line,
    later: nothing_later,
};

fn answer(input: &Value) -> Value {
    let session_id = input["session_id"].as_str();
    if input["fn"] == "header" {
        let Some(timestamp) = input["timestamp"].as_f64() else {
            return error("TypeError");
        };
        return note::header(session_id, timestamp)
            .map_or_else(|_| error("ValueError"), |text| json!({ "text": text }));
    }
    let lines: Option<Vec<Line>> = input["actions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(line)
        .collect();
    let bin_seconds = [&input["bin_seconds"], &input["ctor_bin_seconds"]]
        .into_iter()
        .find_map(Value::as_f64);
    let (Some(lines), Some(now)) = (lines, input["now"].as_f64()) else {
        return error("TypeError");
    };
    let bin_seconds = bin_seconds.unwrap_or_default();
    let pieces = note::render(session_id, &lines, bin_seconds, now, usize::MAX);
    let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
    json!({ "text": texts.concat() })
}

/// An action of a case as our service holds it; `None` for types it never holds.
fn line(action: &Value) -> Option<Line> {
    let entries = action.as_object()?;
    let at = match entries.get("timestamp_start") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_f64()?),
    };
    let description = match entries.get("description") {
        None | Some(Value::Null) => "",
        Some(value) => value.as_str()?,
    };
    Some(Line {
        at,
        description: description.to_owned(),
    })
}

/// Types that we never hold are refused; anything rendered has one numbered line per action.
fn every_action_has_its_line(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if is_error(answer) {
        return Ok(());
    }
    let text = answer["text"].as_str().unwrap_or_default();
    let actions = case.input["actions"].as_array().map_or(0, Vec::len);
    let missing = (1..=actions).find(|number| !text.contains(&format!("\n[{number}] ")));
    missing.map_or(Ok(()), |number| {
        Err(format!("line {number} is not in {text:?}"))
    })
}
