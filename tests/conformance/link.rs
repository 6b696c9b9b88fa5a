//! `link_conversation`: the index, the event, and what a session's machine makes of it.

use std::collections::BTreeMap;

use event_connector::domain::fsm::Fsm;
use event_connector::domain::link::LinkEvent;
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::topic::{Topic, exactly, nothing_later};

/// Linking and looking up.
pub(crate) const TOPIC: Topic = Topic {
    name: "link_conversation",
    answer,
    compare: exactly,
    judge: states_hold_only_what_was_linked_to_them,
    later: nothing_later,
};

/// Sessions by the names a case gives them, and the index.
struct World {
    states: BTreeMap<String, Fsm>,
    index: Map<String, Value>,
}

fn answer(input: &Value) -> Value {
    let mut world = World {
        states: BTreeMap::new(),
        index: input["store"].as_object().cloned().unwrap_or_default(),
    };
    for (name, record) in input["states"].as_object().into_iter().flatten() {
        let mut snapshot = record.clone();
        snapshot["_v"] = json!(1);
        match Fsm::from_snapshot(&snapshot, 0.0) {
            Ok(fsm) => world.states.insert(name.clone(), fsm),
            Err(_) => return json!({"error": "TypeError"}),
        };
    }
    let steps: Vec<Value> = input["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| {
            let mut shown = world.take(step);
            shown["states"] = world.shown_states();
            shown["store"] = Value::Object(world.index.clone());
            shown
        })
        .collect();
    json!({ "steps": steps })
}

impl World {
    fn take(&mut self, step: &Value) -> Value {
        let conversation = step["conversation_id"].as_str().unwrap_or_default();
        if step["op"] == "lookup" {
            return json!({"session_id": self.index.get(conversation)});
        }
        let name = step["state"].as_str().unwrap_or_default();
        let Some(fsm) = self.states.get_mut(name) else {
            return json!({"error": "KeyError"});
        };
        let named = step["event"].as_str().filter(|event| !event.is_empty());
        let event = match named.map(LinkEvent::parse) {
            Some(Some(event)) => event,
            Some(None) => return json!({"error": "TypeError"}),
            None => LinkEvent::infer(
                self.index
                    .get(conversation)
                    .and_then(Value::as_str)
                    .is_some_and(|session| !session.is_empty()),
            ),
        };
        if step["op"] == "apply_only" {
            fsm.on_conversation_linked(conversation, event);
            return json!({});
        }
        let explicit = step["session_id"].as_str().filter(|id| !id.is_empty());
        let own = fsm.session_id().filter(|id| !id.is_empty());
        let Some(session) = explicit.or(own).map(str::to_owned) else {
            return json!({"error": "ValueError"});
        };
        self.index.insert(conversation.to_owned(), json!(session));
        fsm.on_conversation_linked(conversation, event);
        json!({"link": {
            "session_id": session,
            "conversation_id": conversation,
            "event": event.as_str(),
            "is_reply_existing": event == LinkEvent::ReplyExisting,
        }})
    }

    fn shown_states(&self) -> Value {
        let shown = self.states.iter().map(|(name, fsm)| {
            let snapshot = fsm.to_snapshot();
            let state = json!({
                "conversation_linked": snapshot["conversation_linked"],
                "conversation_id": snapshot["conversation_id"],
                "resolved": fsm.resolved(),
            });
            (name.clone(), state)
        });
        Value::Object(shown.collect())
    }
}

/// Whatever the event is called, a state's conversation is its first one or one that a step has
/// linked to it.
fn states_hold_only_what_was_linked_to_them(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    let steps = case.input["steps"].as_array().into_iter().flatten();
    let linked: Vec<_> = steps
        .map(|step| (&step["state"], &step["conversation_id"]))
        .collect();
    for shown in answer["steps"].as_array().into_iter().flatten() {
        for (name, state) in shown["states"].as_object().into_iter().flatten() {
            let held = &state["conversation_id"];
            let first = &case.input["states"][name]["conversation_id"];
            let is_own = linked
                .iter()
                .any(|(state, id)| *state == name && *id == held);
            if held != first && !is_own {
                return Err(format!("{name} holds {held}, which nobody linked to it"));
            }
        }
    }
    Ok(())
}
