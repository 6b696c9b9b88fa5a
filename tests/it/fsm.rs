//! The session machine: moves, timers, links and stored forms.

use event_connector::domain::fsm::{
    EmptySessionId, Fsm, Gate, InvalidSnapshot, Periods, State, Tour, TourRegistry,
};
use event_connector::domain::link::LinkEvent;
use proptest::prelude::*;
use serde_json::{Value, json};

const TIMEOUT_S: f64 = 20.0;
const COOLDOWN_S: f64 = 60.0;

fn thinking() -> Fsm {
    Fsm::open("s1", TIMEOUT_S, COOLDOWN_S, 100.0)
}

fn proactive() -> Fsm {
    let mut fsm = thinking();
    assert_eq!(fsm.transition_to_proactive(100.0), Ok(true));
    fsm
}

fn reactive() -> Fsm {
    let mut fsm = thinking();
    assert_eq!(fsm.transition_to_reactive(100.0), Ok(()));
    fsm
}

fn tours() -> TourRegistry {
    let tour = |id: &str, flow: Option<&str>, timeout_s, cooldown_s| Tour {
        id: id.to_owned(),
        user_tour_id: flow.map(str::to_owned),
        user_tour_name: None,
        periods: Periods {
            interaction_timeout_s: timeout_s,
            cooldown_period_s: cooldown_s,
        },
    };
    TourRegistry {
        tours: vec![
            tour("first", Some("flow"), Some(30.0), Some(5.0)),
            tour("second", Some("flow"), Some(1.0), Some(1.0)),
            tour("half", Some("half"), None, Some(90.0)),
            tour("plain", Some("plain"), None, None),
            tour("nameless", None, Some(1.0), Some(1.0)),
        ],
    }
}

#[test]
fn only_thinking_can_be_left_by_a_transition() {
    for mut fsm in [proactive(), reactive()] {
        let before = fsm.clone();
        assert!(fsm.transition_to_proactive(110.0).is_err());
        assert!(fsm.transition_to_reactive(110.0).is_err());
        assert_eq!(fsm, before);
    }
    let error = proactive().transition_to_reactive(101.0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot answer a request for help while in proactive_assistance"
    );
}

#[test]
fn a_timeout_is_strict_and_a_cooldown_inclusive() {
    for mut fsm in [proactive(), reactive()] {
        let conversing = fsm.state();
        fsm.tick(120.0, None);
        assert_eq!(fsm.state(), conversing);
        fsm.tick(120.5, None);
        assert_eq!(fsm.state(), State::Thinking);
        assert_eq!(fsm.can_deliver_proactive(), Gate::Cooling);
        fsm.tick(180.25, None);
        assert_eq!(fsm.can_deliver_proactive(), Gate::Cooling);
        fsm.tick(180.5, None);
        assert_eq!(fsm.can_deliver_proactive(), Gate::Open);
    }
}

#[test]
fn gates_say_why_they_are_shut() {
    let mut cooling = thinking();
    cooling.start_cooldown(100.0, None);
    for (fsm, reason) in [
        (thinking(), "ok"),
        (proactive(), "v2_state_proactive_assistance"),
        (reactive(), "v2_state_reactive_assistance"),
        (cooling, "v2_cooldown_active"),
    ] {
        let gate = fsm.can_deliver_proactive();
        assert_eq!(gate.reason(), reason);
        assert_eq!(gate.is_open(), reason == "ok");
    }
}

#[test]
fn a_cooldown_refuses_offers_but_not_requests() {
    let mut fsm = thinking();
    fsm.start_cooldown(100.0, None);
    assert_eq!(fsm.transition_to_proactive(159.0), Ok(false));
    assert_eq!(fsm.state(), State::Thinking);
    let mut asked = fsm.clone();
    assert_eq!(asked.transition_to_reactive(101.0), Ok(()));
    assert_eq!(asked.to_snapshot()["thinking"]["cooldown_active"], false);
    assert_eq!(fsm.transition_to_proactive(160.0), Ok(true));
}

#[test]
fn a_timeout_pins_its_cooldown_while_a_manual_one_follows_the_setting() {
    let mut timed_out = proactive();
    timed_out.tick(121.0, None);
    let mut manual = thinking();
    manual.start_cooldown(121.0, None);
    for fsm in [&mut timed_out, &mut manual] {
        fsm.set_periods(TIMEOUT_S, 1.0);
        fsm.tick(122.0, None);
    }
    assert_eq!(timed_out.can_deliver_proactive(), Gate::Cooling);
    assert_eq!(manual.can_deliver_proactive(), Gate::Open);
    manual.start_cooldown(122.0, Some(1000.0));
    manual.clear_cooldown();
    assert_eq!(manual.can_deliver_proactive(), Gate::Open);
}

#[test]
fn a_running_tour_brings_the_periods_of_its_first_match() {
    for (tour, timeout_s, cooldown_s) in [
        ("flow", 30.0, 5.0),
        ("half", TIMEOUT_S, 90.0),
        ("plain", TIMEOUT_S, COOLDOWN_S),
        ("nameless", TIMEOUT_S, COOLDOWN_S),
        ("unheard of", TIMEOUT_S, COOLDOWN_S),
        ("", TIMEOUT_S, COOLDOWN_S),
    ] {
        let mut fsm = proactive();
        assert_eq!(fsm.set_visual_guidance(true, Some(tour), 100.0), Ok(()));
        fsm.tick(100.0 + timeout_s, Some(&tours()));
        assert_eq!(fsm.state(), State::ProactiveAssistance, "{tour}");
        fsm.tick(100.5 + timeout_s, Some(&tours()));
        let snapshot = fsm.to_snapshot();
        assert_eq!(snapshot["current_state"], "thinking", "{tour}");
        assert_eq!(snapshot["active_tour_id"], Value::Null, "{tour}");
        assert_eq!(snapshot["visual_guidance_active"], false, "{tour}");
        assert_eq!(
            snapshot["thinking"]["active_cooldown_period_s"], cooldown_s,
            "{tour}"
        );
    }
}

#[test]
fn guidance_counts_as_an_interaction_only_when_it_begins() {
    let mut idle = thinking();
    assert!(idle.set_visual_guidance(false, None, 100.0).is_err());
    let mut guided = proactive();
    assert_eq!(guided.set_visual_guidance(true, Some("t"), 110.0), Ok(()));
    assert_eq!(guided.set_visual_guidance(true, None, 111.0), Ok(()));
    assert_eq!(guided.to_snapshot()["active_tour_id"], Value::Null);
    assert_eq!(guided.set_visual_guidance(false, Some("t"), 115.0), Ok(()));
    let snapshot = guided.to_snapshot();
    assert_eq!(snapshot["last_interaction_at"], 111.0);
    assert_eq!(snapshot["active_tour_id"], Value::Null);
    assert_eq!(snapshot["proactive"]["last_message_at"], 100.0);
    idle.record_tour_step(105.0);
    assert_eq!(idle.to_snapshot()["last_interaction_at"], 105.0);
}

#[test]
fn interactions_reach_the_timers_they_concern() {
    type Record = fn(&mut Fsm, f64);
    let record: [(Record, bool, bool); 5] = [
        (Fsm::record_message, true, true),
        (Fsm::record_reaction, true, true),
        (Fsm::record_tour_step, true, true),
        (Fsm::record_option_click, true, false),
        (Fsm::record_interaction, false, false),
    ];
    for (position, (record, in_proactive, in_reactive)) in record.into_iter().enumerate() {
        for (mut fsm, part, touched) in [
            (proactive(), "proactive", in_proactive),
            (reactive(), "reactive", in_reactive),
        ] {
            record(&mut fsm, 110.0);
            let snapshot = fsm.to_snapshot();
            let anchor = if touched { 110.0 } else { 100.0 };
            assert_eq!(snapshot["last_interaction_at"], 110.0, "{position}");
            assert_eq!(
                snapshot[part]["last_message_at"], anchor,
                "{position} {part}"
            );
        }
    }
}

#[test]
fn on_another_clock_only_times_are_others() {
    let mut cooling = proactive();
    cooling.tick(1000.0, None);
    for fsm in [thinking(), proactive(), reactive(), cooling.clone()] {
        let shifted = fsm.shifted(-64.0);
        let expected = fsm
            .to_snapshot()
            .to_string()
            .replace("1000.0", "936.0")
            .replace("100.0", "36.0");
        assert_eq!(shifted.to_snapshot().to_string(), expected);
        assert_eq!(shifted.shifted(64.0), fsm);
    }
    let snapshot = cooling.shifted(-64.0).to_snapshot();
    assert_eq!(snapshot["thinking"]["cooldown_started_at"], 936.0);
    cooling.clear_cooldown();
    let snapshot = cooling.shifted(-64.0).to_snapshot();
    assert_eq!(snapshot["thinking"]["cooldown_started_at"], 0.0);
}

#[test]
fn a_reply_does_not_replace_a_conversation_but_a_new_one_does() {
    let mut fsm = thinking();
    assert_eq!(fsm.resolved(), None);
    fsm.on_conversation_linked("c1", LinkEvent::ReplyExisting);
    assert_eq!(fsm.resolved(), Some("c1"));
    fsm.on_conversation_linked("c2", LinkEvent::infer(true));
    assert_eq!(fsm.resolved(), Some("c1"));
    fsm.on_conversation_linked("c3", LinkEvent::infer(false));
    assert_eq!(fsm.resolved(), Some("c3"));
    fsm.on_conversation_linked("", LinkEvent::New);
    assert_eq!(fsm.resolved(), None);
    fsm.on_conversation_linked("c4", LinkEvent::ReplyExisting);
    assert_eq!(fsm.resolved(), None);
    fsm.on_conversation_gone();
    fsm.on_conversation_linked("c4", LinkEvent::ReplyExisting);
    assert_eq!(fsm.resolved(), Some("c4"));
}

#[test]
fn an_idle_offer_expires_at_the_boundary_and_only_once() {
    let mut fsm = proactive();
    assert!(!fsm.is_offer_idle(109.5, 10.0));
    assert!(fsm.is_offer_idle(110.0, 10.0));
    assert!(fsm.expire_offer(110.0));
    assert_eq!(fsm.can_deliver_proactive(), Gate::Cooling);
    assert!(!fsm.is_offer_idle(500.0, 10.0));
    assert!(!fsm.expire_offer(500.0));
    assert!(!reactive().is_offer_idle(500.0, 10.0));
}

#[test]
fn snapshots_of_another_shape_are_refused_by_reason() {
    let snapshot = thinking().to_snapshot();
    let with = |name: &str, value: Value| {
        let mut changed = snapshot.clone();
        changed[name] = value;
        Fsm::from_snapshot(&changed, 100.0)
    };
    for version in [
        json!("1"),
        json!(2),
        json!(1.5),
        json!(null),
        json!([1]),
        json!(false),
    ] {
        assert_eq!(with("_v", version), Err(InvalidSnapshot::Version));
    }
    assert!(with("_v", json!(1.0)).is_ok());
    for part in ["thinking", "proactive", "reactive"] {
        for value in [json!(null), json!([]), json!("x")] {
            assert_eq!(with(part, value), Err(InvalidSnapshot::NotAnObject(part)));
        }
    }
    for name in ["session_id", "last_interaction_at", "conversation_linked"] {
        assert_eq!(with(name, json!({})), Err(InvalidSnapshot::WrongType(name)));
        assert!(with(name, json!(null)).is_ok_and(|fsm| fsm.to_snapshot()[name].is_null()));
    }
    for state in [json!("bogus"), json!(5), json!(null), json!(" thinking")] {
        assert_eq!(
            with("current_state", state).map(|fsm| fsm.state()),
            Ok(State::Thinking)
        );
    }
    assert_eq!(Fsm::new("", 1.0, 1.0, 0.0), Err(EmptySessionId));
    assert_eq!(
        Fsm::from_snapshot(&json!({"_v": 1, "session_id": "s1"}), 100.0),
        Ok(thinking())
    );
}

#[test]
fn a_machine_without_a_last_interaction_gets_one_from_its_first_tick() {
    let mut snapshot = proactive().to_snapshot();
    snapshot["last_interaction_at"] = Value::Null;
    let mut fsm = Fsm::from_snapshot(&snapshot, 100.0).unwrap();
    assert_eq!(fsm.deadline(), Some(0.0));
    fsm.tick(500.0, None);
    assert_eq!(fsm.state(), State::ProactiveAssistance);
    assert!(fsm.deadline().is_some_and(|at| at > 520.0));
}

#[test]
fn the_stored_form_is_short_and_gives_the_machine_back() {
    let stored = serde_json::to_string(&thinking()).unwrap();
    let expected = r#"{"session_id":"s1","state":"thinking","last_interaction_at":100.0}"#;
    assert_eq!(stored, expected);
    assert_eq!(serde_json::from_str::<Fsm>(&stored).unwrap(), thinking());
}

/// One operation at one time.
fn apply(fsm: &mut Fsm, operation: u8, now: f64) -> bool {
    match operation {
        0 => fsm.tick(now, None),
        1 => return fsm.transition_to_proactive(now).is_ok(),
        2 => return fsm.transition_to_reactive(now).is_ok(),
        3 => fsm.record_message(now),
        4 => fsm.record_option_click(now),
        5 => fsm.record_interaction(now),
        6 => return fsm.set_visual_guidance(true, Some("flow"), now).is_ok(),
        7 => fsm.start_cooldown(now, Some(now.abs() % 50.0)),
        8 => fsm.on_conversation_linked("c", LinkEvent::New),
        9 => fsm.tick(now, Some(&tours())),
        10 => fsm.on_conversation_gone(),
        _ => return fsm.expire_offer(now),
    }
    true
}

proptest! {
    #[test]
    fn a_tick_times_out_from_the_deadline_on_and_not_a_moment_before(
        last in -1e12..1e12_f64,
        timeout_s in 0.0..1e6_f64,
    ) {
        let mut fsm = Fsm::open("s", timeout_s, COOLDOWN_S, last);
        prop_assert_eq!(fsm.deadline(), None);
        fsm.transition_to_reactive(last).unwrap();
        let deadline = fsm.deadline().unwrap();
        let mut early = fsm.clone();
        early.tick(deadline.next_down(), None);
        prop_assert_eq!(early.state(), State::ReactiveAssistance);
        fsm.tick(deadline, None);
        prop_assert_eq!(fsm.state(), State::Thinking);
    }

    #[test]
    fn any_history_stores_well_and_leaves_conversations_only_by_time(
        history in proptest::collection::vec((0..12_u8, -1e9..2e9_f64), 0..40),
    ) {
        let mut fsm = thinking();
        for (operation, now) in history {
            let before = fsm.clone();
            let done = apply(&mut fsm, operation, now);
            if !done {
                prop_assert_eq!(&fsm, &before);
            }
            let left = before.state() != State::Thinking && fsm.state() != before.state();
            if left {
                prop_assert!([0, 9, 11].contains(&operation));
                prop_assert_eq!(fsm.can_deliver_proactive(), Gate::Cooling);
            }
            prop_assert_eq!(fsm.deadline().is_some(), fsm.state() != State::Thinking);
            let stored = serde_json::to_string(&fsm).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Fsm>(&stored).unwrap(), &fsm);
            let snapshot = fsm.to_snapshot();
            prop_assert_eq!(&Fsm::from_snapshot(&snapshot, 0.0).unwrap(), &fsm);
        }
    }
}
