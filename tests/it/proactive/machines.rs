//! The five-state machine of page offers: moves, events, cooldowns, tasks and stored forms.

use event_connector::domain::agent_state::{
    AgentFsm, Event, Gate, InvalidSnapshot, InvalidTransition, Moved, Settings, State,
};
use event_connector::domain::cooldown::Cooldown;
use proptest::prelude::*;
use serde_json::{Value, json};

const T0: f64 = 1_700_000_000.0;

fn fsm() -> AgentFsm {
    AgentFsm::new(Settings::default(), T0)
}

fn offered() -> AgentFsm {
    let mut fsm = fsm();
    let moved = fsm.transition(State::ProactiveAssistance, T0);
    moved.expect("a thinking machine may offer");
    fsm
}

/// A machine in a given state, by a way that pages take.
fn standing(state: State) -> AgentFsm {
    let mut fsm = offered();
    let event = match state {
        State::Thinking => return AgentFsm::new(Settings::default(), T0),
        State::ProactiveAssistance => return fsm,
        State::ReactiveAssistance => Event::ProactiveAcceptedChat,
        State::GuidanceExecution => Event::ProactiveAcceptedTour,
        State::ConservativeAssistance => Event::ProactiveDismissed,
    };
    let moved = fsm.apply(event, T0, Some("flow"));
    assert_eq!(moved.map(|moved| moved.state), Ok(state));
    fsm
}

#[test]
fn every_event_is_taken_in_one_state_and_changes_nothing_in_the_others() {
    let table = [
        (Event::UserSent, State::Thinking, State::ReactiveAssistance),
        (
            Event::BotResponseCompleted,
            State::ReactiveAssistance,
            State::Thinking,
        ),
        (
            Event::ProactiveDismissed,
            State::ProactiveAssistance,
            State::ConservativeAssistance,
        ),
        (
            Event::ProactiveAcceptedChat,
            State::ProactiveAssistance,
            State::ReactiveAssistance,
        ),
        (
            Event::ProactiveAcceptedTour,
            State::ProactiveAssistance,
            State::GuidanceExecution,
        ),
        (
            Event::TourCompleted,
            State::GuidanceExecution,
            State::Thinking,
        ),
        (
            Event::TourAbandoned,
            State::GuidanceExecution,
            State::ConservativeAssistance,
        ),
    ];
    for (event, from, to) in table {
        for state in State::ALL {
            let mut fsm = standing(state);
            let before = fsm.clone();
            let result = fsm.apply(event, T0 + 1.0, None);
            if state == from {
                assert_eq!(
                    result,
                    Ok(Moved {
                        previous: from,
                        state: to
                    }),
                    "{event:?}"
                );
                assert_eq!((fsm.state(), fsm.entered_at()), (to, T0 + 1.0));
            } else {
                let attempt = event.as_str();
                assert_eq!(
                    result,
                    Err(InvalidTransition {
                        from: state,
                        attempt
                    })
                );
                assert_eq!(fsm, before);
            }
        }
    }
}

#[test]
fn events_have_the_names_of_the_contract() {
    for event in Event::ALL {
        assert_eq!(Event::parse(event.as_str()), Some(event));
    }
    for unknown in ["", "Reset", "user_sent ", "dismissed"] {
        assert_eq!(Event::parse(unknown), None, "{unknown:?}");
    }
}

#[test]
fn a_repeated_dismissal_is_counted_once() {
    let mut fsm = offered();
    fsm.apply(Event::ProactiveDismissed, T0, None).unwrap();
    let once = fsm.clone();
    fsm.apply(Event::ProactiveDismissed, T0 + 1.0, None)
        .unwrap_err();
    assert_eq!(fsm, once);
    assert_eq!(fsm.to_snapshot()["dismissed_count_session"], 1);
}

#[test]
fn dismissals_keep_it_quiet_for_longer_and_at_last_for_ever() {
    let mut fsm = fsm();
    let mut now = T0;
    for (length_s, threshold) in [(600.0, 0.65), (900.0, 0.8)] {
        fsm.transition(State::ProactiveAssistance, now).unwrap();
        fsm.apply(Event::ProactiveDismissed, now, None).unwrap();
        assert_eq!(fsm.quiet_until(), Some(Cooldown::Until(now + length_s)));
        now += length_s;
        assert_eq!(
            fsm.can_show_proactive(None, None, now - 0.1),
            Gate::Conservative
        );
        assert_eq!(fsm.can_show_proactive(None, None, now), Gate::Open);
        assert_eq!((fsm.state(), fsm.quiet_until()), (State::Thinking, None));
        assert!((fsm.threshold() - threshold).abs() < 1e-9);
    }
    fsm.transition(State::ProactiveAssistance, now).unwrap();
    fsm.apply(Event::ProactiveDismissed, now, None).unwrap();
    assert_eq!(fsm.quiet_until(), Some(Cooldown::Endless));
    assert_eq!(
        fsm.can_show_proactive(None, None, f64::MAX),
        Gate::Conservative
    );
    assert!((fsm.threshold() - 0.9).abs() < 1e-9);

    // What the page reports next does not bring it out of there.
    for event in Event::ALL
        .into_iter()
        .filter(|event| *event != Event::Reset)
    {
        fsm.apply(event, f64::MAX, None).unwrap_err();
    }
    fsm.apply(Event::Reset, now, None).unwrap();
    assert_eq!(fsm, AgentFsm::new(Settings::default(), now));
}

#[test]
fn whoever_was_left_alone_for_long_enough_may_speak() {
    let mut fsm = standing(State::ConservativeAssistance);
    fsm.apply(Event::UserSent, T0 + 599.9, None).unwrap_err();
    let moved = fsm.apply(Event::UserSent, T0 + 600.0, None).unwrap();
    assert_eq!(
        moved,
        Moved {
            previous: State::Thinking,
            state: State::ReactiveAssistance
        }
    );
}

#[test]
fn a_tour_is_known_by_its_flow_while_it_runs() {
    let mut fsm = offered();
    fsm.apply(Event::ProactiveAcceptedTour, T0, Some("flow"))
        .unwrap();
    assert_eq!(fsm.to_snapshot()["active_guidance_flow_id"], "flow");
    fsm.apply(Event::TourCompleted, T0, None).unwrap();
    assert_eq!(fsm.to_snapshot()["active_guidance_flow_id"], json!(null));

    // One that was abandoned is not taken for the next one, which has no name.
    let mut fsm = standing(State::GuidanceExecution);
    fsm.apply(Event::TourAbandoned, T0, None).unwrap();
    fsm.transition(State::Thinking, T0).unwrap();
    fsm.transition(State::ProactiveAssistance, T0).unwrap();
    fsm.apply(Event::ProactiveAcceptedTour, T0, None).unwrap();
    assert_eq!(fsm.to_snapshot()["active_guidance_flow_id"], json!(null));
}

#[test]
fn a_tour_that_is_a_task_ends_as_one() {
    for (event, flag) in [
        (Event::TourCompleted, "completed"),
        (Event::TourAbandoned, "abandoned"),
    ] {
        let mut fsm = offered();
        fsm.start_task("flow", "A tour", 3, T0);
        fsm.apply(Event::ProactiveAcceptedTour, T0, Some("flow"))
            .unwrap();
        fsm.apply(event, T0 + 5.0, None).unwrap();
        let snapshot = fsm.to_snapshot();
        assert_eq!(snapshot["active_tasks"]["flow"][flag], true);
        assert_eq!(snapshot["active_tasks"]["flow"]["guidance_engaged"], true);
        let metric = &snapshot["session_metrics"][format!("tasks_{flag}")];
        assert_eq!(*metric, json!(["flow"]));
    }
}

#[test]
fn an_offer_that_nobody_answers_ends_at_its_deadline_without_blame() {
    let mut fsm = offered();
    let deadline = fsm.deadline(10.0).unwrap();
    assert!(!fsm.is_offer_idle(deadline.next_down(), 10.0));
    assert!(fsm.is_offer_idle(deadline, 10.0));
    assert!(fsm.expire_offer(deadline));
    assert_eq!(fsm.state(), State::Thinking);
    assert_eq!(fsm.to_snapshot()["dismissed_count_session"], 0);
    assert!(!fsm.expire_offer(deadline));
    assert_eq!(fsm.deadline(10.0), None);
    assert_eq!(offered().deadline(f64::INFINITY), None);
}

#[test]
fn reasons_come_in_order() {
    let mut fsm = fsm();
    fsm.cool_route("/a", 30.0, T0);
    fsm.cool_flow("F", 60.0, T0);
    let mut gate = |route, flow, now| fsm.can_show_proactive(Some(route), Some(flow), now);
    assert_eq!(gate("/a", "F", T0 + 29.9), Gate::Route);
    assert_eq!(gate("/a", "F", T0 + 30.0), Gate::Flow);
    assert_eq!(gate("/a", "F", T0 + 60.0), Gate::Open);
    assert_eq!(gate("", "", T0), Gate::Open);
    let mut offered = offered();
    offered.cool_route("/a", 30.0, T0);
    let gate = offered.can_show_proactive(Some("/a"), None, T0);
    assert_eq!((gate, gate.reason()), (Gate::WrongState, "wrong_state"));
}

#[test]
fn the_stored_form_holds_only_what_is_not_at_its_default() {
    let stored = |fsm: &AgentFsm| serde_json::to_value(fsm).unwrap();
    assert_eq!(stored(&fsm()), json!({"entered_at": T0}));
    assert_eq!(
        stored(&offered()),
        json!({"state": "proactive_assistance", "entered_at": T0, "record": {"shown": 1}})
    );
    let mut fsm = fsm();
    for now in [T0, T0 + 1.0, T0 + 2.0] {
        fsm.transition(State::ConservativeAssistance, now).unwrap();
        fsm.transition(State::Thinking, now).unwrap();
    }
    assert_eq!(stored(&fsm)["conservative"], "endless");
    fsm.start_task("flow", "A tour", 3, T0);
    assert_eq!(
        stored(&fsm)["tasks"],
        json!([{"key": "flow", "name": "A tour", "started_at": T0, "steps_total": 3}])
    );
}

#[test]
fn snapshots_are_refused_with_a_reason() {
    let load = |snapshot: Value| AgentFsm::from_snapshot(&snapshot, T0);
    assert_eq!(
        load(json!([])),
        Err(InvalidSnapshot::NotAnObject("the snapshot"))
    );
    assert_eq!(load(json!({"_v": 2})), Err(InvalidSnapshot::Version));
    assert_eq!(load(json!({"_v": 1})), Err(InvalidSnapshot::State));
    let with = |name: &str, value: Value| load(json!({"_v": 1, "state": "thinking", name: value}));
    for (name, value) in [
        ("base_threshold", json!("NaN")),
        ("base_threshold", json!("Infinity")),
        ("max_tasks", json!(-1)),
        ("dismissed_count_session", json!(null)),
        ("active_guidance_flow_id", json!(5)),
        ("conservative_cooldown_until", json!("soon")),
        ("route_cooldowns", json!({"/a": "soon"})),
    ] {
        let refused = with(name, value).unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
    let mut endless = with("flow_cooldowns", json!({"F": "Infinity"})).unwrap();
    assert_eq!(
        endless.can_show_proactive(None, Some("F"), 1e18),
        Gate::Flow
    );
}

/// One of everything that can be done to a machine; whether it was refused.
fn act(fsm: &mut AgentFsm, operation: u8, now: f64) -> bool {
    match operation {
        0..=7 => {
            let event = Event::ALL[usize::from(operation)];
            return fsm.apply(event, now, Some("f")).is_err();
        }
        8..=12 => {
            let to = State::ALL[usize::from(operation - 8)];
            return fsm.transition(to, now).is_err();
        }
        13 => _ = fsm.can_show_proactive(Some("/a"), Some("F"), now),
        14 => fsm.cool_route("/a", now.abs(), now),
        15 => fsm.cool_flow("F", f64::INFINITY, now),
        16 => _ = fsm.start_task("f", "name", 3, now),
        17 => fsm.complete_task("f", now),
        18 => fsm.abandon_task("f"),
        19 => fsm.record_step("f", 5),
        20 => _ = fsm.record_deviation("f", 0.1),
        21 => return fsm.guide(Some("f"), None, now).is_err(),
        22 => return fsm.disengage(now).is_err(),
        _ => _ = fsm.expire_offer(now),
    }
    false
}

proptest! {
    #[test]
    fn any_history_keeps_to_the_table_and_stores_well(
        history in proptest::collection::vec((0..24_u8, -1e9..2e9_f64), 0..60),
    ) {
        let mut fsm = fsm();
        for (operation, now) in history {
            let before = fsm.clone();
            if act(&mut fsm, operation, now) {
                prop_assert_eq!(&fsm, &before);
            }
            let (from, to) = (before.state(), fsm.state());
            let reset = operation == 7;
            prop_assert!(from == to || reset || from.may_become(to), "{from} became {to}");
            prop_assert!(reset || fsm.threshold() >= before.threshold());
            prop_assert_eq!(fsm.deadline(10.0).is_some(), to == State::ProactiveAssistance);
            let stored = serde_json::to_string(&fsm).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AgentFsm>(&stored).unwrap(), &fsm);
            let snapshot = fsm.to_snapshot();
            prop_assert_eq!(&AgentFsm::from_snapshot(&snapshot, 0.0).unwrap(), &fsm);
        }
    }

    #[test]
    fn an_idle_offer_is_one_from_its_deadline_on(at in -1e12..1e12_f64, timeout_s in 0.0..1e6_f64) {
        let mut fsm = AgentFsm::new(Settings::default(), at);
        fsm.transition(State::ProactiveAssistance, at).unwrap();
        let deadline = fsm.deadline(timeout_s).unwrap();
        prop_assert!(fsm.is_offer_idle(deadline, timeout_s));
        prop_assert!(timeout_s == 0.0 || !fsm.is_offer_idle(deadline.next_down(), timeout_s));
    }

    #[test]
    fn any_snapshot_is_loaded_or_refused(
        name in prop::sample::select(vec![
            "_v", "state", "state_entered_at", "base_threshold", "current_threshold", "max_tasks",
            "dismissed_count_session", "active_guidance_flow_id", "active_guidance_instructions",
            "active_tasks", "session_metrics", "conservative_cooldown_until", "route_cooldowns",
        ]),
        value in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!("x"), json!("1e999"), json!([]),
            json!({}), json!([[]]), json!({"a": {}}), json!({"a": {"flow_id": 1, "flow_name": "",
            "started_at": 1, "total_steps": 1e300, "current_step_index": -1e300}}),
        ]),
    ) {
        let mut snapshot = standing(State::GuidanceExecution).to_snapshot();
        snapshot[name] = value;
        if let Ok(mut fsm) = AgentFsm::from_snapshot(&snapshot, T0) {
            fsm.record_step("a", i64::MAX);
            fsm.can_show_proactive(Some("a"), Some("a"), T0);
            let stored = serde_json::to_string(&fsm).unwrap();
            prop_assert_eq!(&serde_json::from_str::<AgentFsm>(&stored).unwrap(), &fsm);
        }
    }
}
