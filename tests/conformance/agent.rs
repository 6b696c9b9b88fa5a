//! `agent_states_v1`: the five-state machine of page offers.

use event_connector::domain::agent_state::{AgentFsm, InvalidSnapshot, Settings, State};
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::compare::{self, error, is_falsy};
use crate::fsm::{Outcome, delta};
use crate::topic::{Topic, nothing_later};

/// The machine, operation by operation.
pub(crate) const TOPIC: Topic = Topic {
    name: "agent_states_v1",
    answer,
    compare: as_documents,
    judge: as_recorded_or_refused,
    later: nothing_later,
};

fn answer(input: &Value) -> Value {
    let start_at = input["start_at"].as_f64().unwrap_or_default();
    let mut fsm = match init(&input["init"], start_at) {
        Ok(fsm) => fsm,
        Err(class) => return json!({"init": error(class)}),
    };
    let first = fsm.to_snapshot();
    let mut before = first.clone();
    let mut shown_steps = Vec::new();
    let mut handed_out = Vec::new();
    for step in input["steps"].as_array().into_iter().flatten() {
        let mut shown = shown(&mut fsm, step);
        let after = fsm.to_snapshot();
        shown["delta"] = delta(&before, &after);
        match step["op"].as_str() {
            Some("proactive_state_dict") => handed_out.push(shown_steps.len()),
            // The machine that is loaded has tables of its own.
            Some("snapshot_round_trip") => fill_in(&mut shown_steps, &mut handed_out, &before),
            _ => {}
        }
        shown_steps.push(shown);
        before = after;
    }
    fill_in(&mut shown_steps, &mut handed_out, &before);
    json!({"init": {"snapshot": first}, "steps": shown_steps})
}

/// What the published library hands out are its own tables: whoever looks later sees what was entered later.
fn fill_in(steps: &mut [Value], handed_out: &mut Vec<usize>, snapshot: &Value) {
    for at in handed_out.drain(..) {
        for table in ["route_cooldowns", "flow_cooldowns"] {
            steps[at]["result"][table] = snapshot[table].clone();
        }
    }
}

fn init(init: &Value, now: f64) -> Result<AgentFsm, &'static str> {
    if let Some(snapshot) = init.get("from_snapshot") {
        return AgentFsm::from_snapshot(snapshot, now).map_err(class_of);
    }
    let given = &init["new"];
    let number = |name: &str, default| given[name].as_f64().unwrap_or(default);
    let usual = Settings::default();
    let settings = Settings {
        base_threshold: number("base_threshold", usual.base_threshold),
        tasks_max: given["max_tasks"].as_u64().unwrap_or(usual.tasks_max),
        conservative_cooldown_s: number("conservative_cooldown_s", usual.conservative_cooldown_s),
        threshold_boost: number("conservative_threshold_boost", usual.threshold_boost),
        deviation_threshold: number("guidance_deviation_threshold", usual.deviation_threshold),
    };
    Ok(AgentFsm::new(settings, now))
}

fn class_of(error: InvalidSnapshot) -> &'static str {
    match error {
        InvalidSnapshot::Version
        | InvalidSnapshot::State
        | InvalidSnapshot::NotAnObject("the snapshot") => "InvalidSnapshotError",
        InvalidSnapshot::NotAnObject(_) | InvalidSnapshot::WrongType(_) => "TypeError",
    }
}

fn shown(fsm: &mut AgentFsm, step: &Value) -> Value {
    let mut hooks = Vec::new();
    let outcome = match step["op"].as_str() {
        Some("run_proactive_idle_expiry") => expire(fsm, step, &mut hooks),
        Some("transition_to") => transition(fsm, step),
        _ => take(fsm, step),
    };
    match outcome {
        Ok(result) => json!({ "result": result }),
        Err(class) if hooks.is_empty() => error(class),
        Err(class) => json!({"error": class, "hooks": hooks}),
    }
}

fn number(value: &Value) -> Result<f64, &'static str> {
    value.as_f64().ok_or("TypeError")
}

fn transition(fsm: &mut AgentFsm, step: &Value) -> Outcome {
    let now = number(&step["at"])?;
    let args = &step["args"];
    let to = args["target"].as_str().and_then(State::parse);
    let to = to.ok_or("ValueError")?;
    let moved = if to == State::GuidanceExecution {
        let flow_id = args["task_flow_id"].as_str();
        let instructions = args["instructions"].as_array().map(|steps| {
            let steps = steps.iter().filter_map(Value::as_object);
            steps.cloned().collect()
        });
        fsm.guide(flow_id, instructions, now)
    } else {
        fsm.transition(to, now)
    };
    moved.map_err(|_| "InvalidTransitionError")?;
    Ok(Value::Null)
}

fn take(fsm: &mut AgentFsm, step: &Value) -> Outcome {
    let now = number(&step["at"])?;
    let args = &step["args"];
    let flow = args["flow_id"].as_str().unwrap_or_default();
    let invalid = "InvalidTransitionError";
    match step["op"].as_str().unwrap_or_default() {
        "enter_reactive_from_user_message" => fsm
            .transition(State::ReactiveAssistance, now)
            .map_err(|_| invalid)?,
        "transition_on_disengagement" => fsm.disengage(now).map_err(|_| invalid)?,
        "can_show_proactive" => return Ok(gate(fsm, args, now)[0].clone()),
        "can_show_proactive_with_reason" => return Ok(gate(fsm, args, now)),
        "get_effective_threshold" => return Ok(fsm.threshold().into()),
        "set_route_cooldown" => {
            let route = args["route"].as_str().ok_or("TypeError")?;
            fsm.cool_route(route, number(&args["seconds"])?, now);
        }
        "set_flow_cooldown" => {
            let name = args["flow_name"].as_str().ok_or("TypeError")?;
            fsm.cool_flow(name, number(&args["seconds"])?, now);
        }
        "start_task" => {
            let name = args["flow_name"].as_str().ok_or("TypeError")?;
            let steps = args["total_steps"].as_u64().ok_or("TypeError")?;
            fsm.start_task(flow, name, steps, now);
            return Ok(fsm.to_snapshot()["active_tasks"][flow].clone());
        }
        "complete_task" => fsm.complete_task(flow, now),
        "abandon_task" => fsm.abandon_task(flow),
        "record_step_completion" => {
            fsm.record_step(flow, args["step_index"].as_i64().ok_or("TypeError")?);
        }
        "record_deviation" => {
            let score = number(&args["nw_score"])?;
            return Ok(fsm.record_deviation(flow, score).into());
        }
        // Published code sets it from outside.
        "set_best_nw_score" => {
            let mut snapshot = fsm.to_snapshot();
            snapshot["active_tasks"][flow]["best_nw_score"] = args["value"].clone();
            *fsm = AgentFsm::from_snapshot(&snapshot, now).map_err(class_of)?;
        }
        "get_session_snapshot" => return Ok(session_summary(&fsm.to_snapshot())),
        "proactive_state_dict" => return Ok(popup(fsm)),
        "proactive_idle_eligible" => {
            let (at, timeout_s) = idle_args(args)?;
            return Ok(fsm.is_offer_idle(at, timeout_s).into());
        }
        "expire_proactive_to_thinking_if_idle" => {
            let (at, timeout_s) = idle_args(args)?;
            let ended = fsm.is_offer_idle(at, timeout_s) && fsm.expire_offer(now);
            return Ok(json!({
                "transitioned": ended,
                "reset_chat_thread_binding": ended,
                "truthy": ended,
            }));
        }
        "snapshot_round_trip" => return Ok(json!({ "equal": survives_storing(fsm, now) })),
        "snapshot_json" => {
            let text = fsm.to_snapshot().to_string();
            return Ok(json!({"strict_json": true, "text": text}));
        }
        _ => return Err("AttributeError"),
    }
    Ok(Value::Null)
}

fn gate(fsm: &mut AgentFsm, args: &Value, now: f64) -> Value {
    let gate = fsm.can_show_proactive(args["route"].as_str(), args["flow_name"].as_str(), now);
    json!([gate.is_open(), gate.reason()])
}

fn idle_args(args: &Value) -> Result<(f64, f64), &'static str> {
    Ok((
        number(&args["now"])?,
        number(&args["interaction_timeout_s"])?,
    ))
}

/// Both stored forms give the same machine back.
fn survives_storing(fsm: &AgentFsm, now: f64) -> bool {
    let stored = serde_json::to_string(fsm).unwrap_or_default();
    AgentFsm::from_snapshot(&fsm.to_snapshot(), now).as_ref() == Ok(fsm)
        && serde_json::from_str::<AgentFsm>(&stored).is_ok_and(|loaded| loaded == *fsm)
}

/// What the published library tells of a session when it ends.
fn session_summary(snapshot: &Value) -> Value {
    let tasks = snapshot["active_tasks"].as_object().into_iter().flatten();
    let tasks: Vec<Value> = tasks.map(|(_, task)| task_summary(task)).collect();
    let metrics = &snapshot["session_metrics"];
    json!({
        "tasks": tasks,
        "proactive_shown": metrics["proactive_shown_count"],
        "guidance_accepted": metrics["guidance_accepted_count"],
        "dismissals": metrics["dismissal_count"],
        "last_state": snapshot["state"],
        "last_active_flow": snapshot["active_guidance_flow_id"],
    })
}

fn task_summary(task: &Value) -> Value {
    let score = task["best_nw_score"].as_f64().unwrap_or_default();
    let rounded: f64 = format!("{score:.3}").parse().unwrap_or_default();
    json!({
        "flow_id": task["flow_id"],
        "flow_name": task["flow_name"],
        "completed": task["completed"],
        "abandoned": task["abandoned"],
        "steps_completed": task["steps_completed"],
        "total_steps": task["total_steps"],
        "best_nw_score": rounded,
        "attempts": task["attempts"],
        "guidance_engaged": task["guidance_engaged"],
        "score": rounded,
        "matched_steps": task["steps_completed"],
        "name": task["flow_name"],
    })
}

/// What the published library tells a page.
fn popup(fsm: &AgentFsm) -> Value {
    let snapshot = fsm.to_snapshot();
    let is_up = matches!(
        fsm.state(),
        State::ProactiveAssistance | State::GuidanceExecution
    );
    json!({
        "global_cooldown_until": snapshot["conservative_cooldown_until"],
        "route_cooldowns": snapshot["route_cooldowns"],
        "flow_cooldowns": snapshot["flow_cooldowns"],
        "popup_active": is_up,
        "popup_active_since": if is_up { fsm.entered_at() } else { 0.0 },
    })
}

/// Takes an idle offer back: eligibility, remote thread, machine, local data, in this order.
/// `hooks` collects the calls, each with the state it sees.
fn expire(fsm: &mut AgentFsm, step: &Value, hooks: &mut Vec<Value>) -> Outcome {
    let args = &step["args"];
    let (at, timeout_s) = idle_args(args)?;
    let mut call = |hook: &str, fsm: &AgentFsm| {
        hooks.push(json!({"hook": hook, "state_at_call": fsm.state()}));
        hooks.clone()
    };
    if !fsm.is_offer_idle(at, timeout_s) {
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

/// A snapshot's text is the same document, however it is spaced; and what has changed is told from the whole
/// state, for a number is the same in either spelling.
fn as_documents(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    compare::exactly(&comparable(case.expected), &comparable(answer))
}

fn comparable(whole: &Value) -> Value {
    let mut whole = whole.clone();
    let mut state = whole["init"]["snapshot"].clone();
    let steps = whole.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        for (name, value) in step["delta"].as_object().into_iter().flatten() {
            state[name] = value.clone();
        }
        step["delta"] = state.clone();
        if let Some(result) = step.get_mut("result").and_then(Value::as_object_mut) {
            read_text(result);
        }
    }
    whole
}

fn read_text(result: &mut Map<String, Value>) {
    if let Some(text) = result.get_mut("text") {
        let document = text.as_str().map(serde_json::from_str);
        if let Some(Ok(document)) = document {
            *text = document;
        }
    }
}

/// What has another type than published producers send is taken as recorded or refused; and what we write is
/// JSON, which names an infinity.
fn as_recorded_or_refused(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if case.flags == ["wrong_type"] && compare::is_error(&answer["init"]) {
        return Ok(());
    }
    let mut expected = case.expected.clone();
    let steps = expected.get_mut("steps").and_then(Value::as_array_mut);
    let results = steps.into_iter().flatten();
    for result in results.filter_map(|step| step.get_mut("result")) {
        if result["strict_json"] == false {
            let text = result["text"].as_str().unwrap_or_default();
            result["text"] = text.replace(": Infinity", ": \"Infinity\"").into();
            result["strict_json"] = true.into();
        }
    }
    let expected = Case {
        expected: &expected,
        flags: case.flags.clone(),
        ..*case
    };
    as_documents(&expected, answer)
}
