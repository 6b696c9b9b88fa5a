//! `session_state_v2`: the three-state session machine.

use event_connector::domain::fsm::{
    COOLDOWN_PERIOD_S, Fsm, INTERACTION_TIMEOUT_S, InvalidSnapshot, State, TourRegistry,
};
use event_connector::domain::link::LinkEvent;
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::compare::{self, error, is_falsy};
use crate::topic::{Topic, exactly, nothing_later};
use crate::tours;

/// The machine, operation by operation.
pub(crate) const TOPIC: Topic = Topic {
    name: "session_state_v2",
    answer,
    compare: exactly,
    judge: a_withdrawn_offer_does_not_stand,
    later: nothing_later,
};

/// What a step comes to, or the class of its error.
pub(crate) type Outcome = Result<Value, &'static str>;

fn answer(input: &Value) -> Value {
    let tours = tours::registry(&input["tour_registry"]);
    let start_at = input["start_at"].as_f64().unwrap_or_default();
    let mut fsm = match init(&input["init"], start_at) {
        Ok(fsm) => fsm,
        Err(class) => return json!({"init": error(class)}),
    };
    let first = fsm.to_snapshot();
    let mut before = first.clone();
    let steps: Vec<Value> = input["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|step| {
            let mut shown = shown(&mut fsm, step, tours.as_ref());
            let after = fsm.to_snapshot();
            shown["delta"] = delta(&before, &after);
            before = after;
            shown
        })
        .collect();
    json!({"init": {"state": first}, "steps": steps})
}

fn init(init: &Value, now: f64) -> Result<Fsm, &'static str> {
    if let Some(snapshot) = init.get("from_dict") {
        return Fsm::from_snapshot(snapshot, now).map_err(class_of);
    }
    let given = &init["new"];
    let id = given["session_id"].as_str().ok_or("ValueError")?;
    let number = |name: &str, default| given[name].as_f64().unwrap_or(default);
    let fsm = Fsm::new(
        id,
        number("interaction_timeout_s", INTERACTION_TIMEOUT_S),
        number("cooldown_period_s", COOLDOWN_PERIOD_S),
        now,
    )
    .map_err(|_| "ValueError")?;
    let mut snapshot = fsm.to_snapshot();
    for (name, value) in given.as_object().into_iter().flatten() {
        snapshot[name] = value.clone();
    }
    Fsm::from_snapshot(&snapshot, now).map_err(class_of)
}

fn class_of(error: InvalidSnapshot) -> &'static str {
    match error {
        InvalidSnapshot::Version => "ValueError",
        InvalidSnapshot::NotAnObject(_) | InvalidSnapshot::WrongType(_) => "TypeError",
    }
}

fn shown(fsm: &mut Fsm, step: &Value, tours: Option<&TourRegistry>) -> Value {
    let mut hooks = Vec::new();
    let outcome = match step["op"].as_str() {
        Some("run_proactive_idle_expiry") => expire(fsm, step, &mut hooks),
        _ => take(fsm, step, tours),
    };
    match outcome {
        Ok(result) => json!({ "result": result }),
        Err(class) if hooks.is_empty() => error(class),
        Err(class) => json!({"error": class, "hooks": hooks}),
    }
}

/// Takes one step; `at` is on the clock of the machine.
pub(crate) fn take(fsm: &mut Fsm, step: &Value, tours: Option<&TourRegistry>) -> Outcome {
    let now = step["at"].as_f64().ok_or("TypeError")?;
    let args = &step["args"];
    match step["op"].as_str().unwrap_or_default() {
        "tick" => fsm.tick(now, tours.filter(|_| args["use_registry"] == true)),
        "transition_to_proactive" => {
            return fsm
                .transition_to_proactive(now)
                .map(Value::from)
                .map_err(|_| "InvalidTransitionError");
        }
        "transition_to_reactive" => fsm
            .transition_to_reactive(now)
            .map_err(|_| "InvalidTransitionError")?,
        "can_deliver_proactive" => {
            let gate = fsm.can_deliver_proactive();
            return Ok(json!([gate.is_open(), gate.reason()]));
        }
        "record_user_interaction" => fsm.record_message(now),
        "record_option_click" => fsm.record_option_click(now),
        "record_reaction" => fsm.record_reaction(now),
        "record_tour_step" => fsm.record_tour_step(now),
        "record_any_interaction" => fsm.record_interaction(now),
        "set_visual_guidance" => fsm
            .set_visual_guidance(args["active"] == true, args["tour_id"].as_str(), now)
            .map_err(|_| "InvalidTransitionError")?,
        "start_cooldown" => fsm.start_cooldown(now, args["override_period_s"].as_f64()),
        "clear_cooldown" => fsm.clear_cooldown(),
        "set_timeouts" => {
            let number = |name: &str, old| args[name].as_f64().unwrap_or(old);
            let timeout_s = number("interaction_timeout_s", fsm.interaction_timeout_s());
            let cooldown_s = number("cooldown_period_s", fsm.cooldown_period_s());
            fsm.set_periods(timeout_s, cooldown_s);
        }
        "on_conversation_linked" => {
            let event = args["event"].as_str().and_then(LinkEvent::parse);
            let conversation = args["conversation_id"].as_str().unwrap_or_default();
            fsm.on_conversation_linked(conversation, event.ok_or("ValueError")?);
        }
        "round_trip" => return Ok(json!({ "equal": survives_storing(fsm, now) })),
        _ => return Err("AttributeError"),
    }
    Ok(Value::Null)
}

/// Both stored forms give the same machine back.
fn survives_storing(fsm: &Fsm, now: f64) -> bool {
    let stored = serde_json::to_string(fsm).unwrap_or_default();
    Fsm::from_snapshot(&fsm.to_snapshot(), now).as_ref() == Ok(fsm)
        && serde_json::from_str::<Fsm>(&stored).is_ok_and(|loaded| loaded == *fsm)
}

/// Takes an idle offer back: eligibility, remote thread, machine, local data, in this order.
/// `hooks` collects the calls, each with the state it sees.
fn expire(fsm: &mut Fsm, step: &Value, hooks: &mut Vec<Value>) -> Outcome {
    let args = &step["args"];
    let number = |value: &Value| value.as_f64().ok_or("TypeError");
    let mut call = |hook: &str, fsm: &Fsm| {
        hooks.push(json!({"hook": hook, "state_at_call": fsm.state()}));
        hooks.clone()
    };
    if !fsm.is_offer_idle(
        number(&args["now"])?,
        number(&args["interaction_timeout_s"])?,
    ) {
        let status = "skipped_not_eligible";
        return Ok(json!({"status": status, "hooks": [], "fsm_result": null}));
    }
    let called = call("delete_remote_chat_thread", fsm);
    let answer = args.get("delete").unwrap_or(&Value::Bool(true));
    if answer == "raise" {
        return Err("RuntimeError");
    }
    if is_falsy(answer) {
        let status = "remote_delete_failed";
        return Ok(json!({"status": status, "hooks": called, "fsm_result": null}));
    }
    let ended = fsm.expire_offer(number(&step["at"])?);
    let called = call("clear_local_chat_thread_state", fsm);
    if args["clear"] == "raise" {
        return Err("RuntimeError");
    }
    Ok(json!({
        "status": "completed",
        "hooks": called,
        "fsm_result": {"transitioned": ended, "reset_chat_thread_binding": ended},
    }))
}

/// The top-level keys whose values are not the same any more.
pub(crate) fn delta(before: &Value, after: &Value) -> Value {
    let entries = after.as_object().into_iter().flatten();
    let changed: Map<_, _> = entries
        .filter(|(key, value)| before[key.as_str()] != **value)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(changed)
}

/// The reference withdraws the remote thread at the exact boundary and lets the offer stand; with
/// us an offer without a thread is over. Up to there everything is as recorded, and wrong types
/// are refused or loaded.
fn a_withdrawn_offer_does_not_stand(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    let steps = |value: &Value| value["steps"].as_array().cloned().unwrap_or_default();
    let recorded = steps(case.expected);
    let own = steps(answer);
    let stands = |step: &Value| step["result"]["fsm_result"]["transitioned"] == false;
    let same = recorded.iter().take_while(|step| !stands(step)).count();
    let heads = recorded.iter().zip(&own).take(same);
    for (expected, got) in heads {
        compare::exactly(expected, got)?;
    }
    let Some(withdrawn) = own.get(same).filter(|_| same < recorded.len()) else {
        return Ok(());
    };
    let thinks = withdrawn["delta"]["current_state"] == State::Thinking.as_str();
    if thinks && own.iter().all(|step| !stands(step)) {
        return Ok(());
    }
    Err(format!("an offer outlived its thread: {withdrawn}"))
}
