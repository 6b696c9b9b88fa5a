//! `slim_action`, `actions_payload`, `summary_payload` and `actions_merge`: decoding the feed.

use std::fmt::Display;

use event_connector::client::{Action, ActionsPayload, Malformed, SummaryPayload};
use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::compare::{error, is_error};
use crate::merge::merge;
use crate::topic::{Topic, exactly, nothing_later};

/// One action.
pub(crate) const ACTION: Topic = Topic {
    name: "slim_action",
    answer: |input| shown(Action::decode(&input["data"])),
    compare: exactly,
    judge: nothing_is_lost,
    later: nothing_later,
};

/// A batch of actions.
pub(crate) const BATCH: Topic = Topic {
    name: "actions_payload",
    answer: |input| shown(ActionsPayload::decode(&input["data"])),
    compare: exactly,
    judge: nothing_is_lost,
    later: nothing_later,
};

/// A summary.
pub(crate) const SUMMARY: Topic = Topic {
    name: "summary_payload",
    answer: |input| shown(SummaryPayload::decode(&input["data"])),
    compare: exactly,
    judge: nothing_is_lost,
    later: nothing_later,
};

/// Several batches as one.
pub(crate) const MERGE: Topic = Topic {
    name: "actions_merge",
    answer: |input| {
        let decoded: Result<Vec<_>, _> = input["payloads"]
            .as_array()
            .into_iter()
            .flatten()
            .map(ActionsPayload::decode)
            .collect();
        match decoded.as_deref().map(merge) {
            Ok(Some(merged)) => shown(Ok(merged)),
            Ok(None) => error("ValueError"),
            Err(_) => error("TypeError"),
        }
    },
    compare: exactly,
    judge: nothing_is_lost,
    later: nothing_later,
};

fn shown<T: Serialize + Display>(decoded: Result<T, Malformed>) -> Value {
    match decoded {
        Ok(record) => json!({"fields": record, "to_text": record.to_string()}),
        Err(_) => error("TypeError"),
    }
}

/// Input of a wrong type is refused, or every truthy value and every action of it is in the record.
fn nothing_is_lost(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if is_error(answer) {
        return Ok(());
    }
    let fields = &answer["fields"];
    let wanted = case.expected["fields"].as_object();
    for (name, value) in wanted.into_iter().flatten() {
        let held = &fields[name];
        let is_kept = match (value.as_array(), held.as_array()) {
            (Some(expected), Some(held)) => expected.len() == held.len(),
            _ => fields.get(name).is_some() && held.is_null() == value.is_null(),
        };
        if !is_kept {
            return Err(format!("{name} was lost: {held} instead of {value}"));
        }
    }
    Ok(())
}
