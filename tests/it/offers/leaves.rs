//! Every condition and every trigger that comes with the service, through real ingest: each fires once and is held
//! back once.

use std::time::Duration;

use event_connector::clock::Hand;
use serde_json::{Value, json};

use super::{poll, reason, start};
use crate::support::{Service, eventually};

/// Something that a user does, or time that passes.
enum Step {
    /// A click on something of a page, by path and label.
    Click(&'static str, &'static str),
    /// A page is opened.
    View(&'static str),
    /// A page is opened, and something is said of the user.
    Say(Value),
    /// So many seconds.
    Wait(u64),
}

use Step::{Click, Say, View, Wait};

/// What is configured, what is not enough to fire, and what is in addition.
struct Case {
    trigger: &'static str,
    config: Value,
    almost: Vec<Step>,
    then: Vec<Step>,
}

/// A condition alone in the tree of an entry.
fn leaf(r#type: &str, params: Value, almost: Vec<Step>, then: Vec<Step>) -> Case {
    let mut criteria = json!({"id": "c1", "name": "the condition", "type": r#type});
    if !params.is_null() {
        criteria["params"] = params;
    }
    Case {
        trigger: "entry",
        config: json!({"proactive_intercom": [entry("entry", &criteria)]}),
        almost,
        then,
    }
}

fn entry(id: &str, criteria: &Value) -> Value {
    json!({
        "id": id, "name": id, "proactive_criteria": criteria,
        "messages": [{"id": "m1", "label": "Show me"}],
    })
}

/// A trigger that comes with the service, chosen by its name.
fn builtin(id: &'static str, settings: &Value, almost: Vec<Step>, then: Vec<Step>) -> Case {
    let mut triggers = settings.clone();
    triggers["builtins"] = json!([{"id": id, "name": id, "description": "chosen"}]);
    Case {
        trigger: id,
        config: json!({"proactive_intercom": null, "proactive_triggers": triggers}),
        almost,
        then,
    }
}

/// Posts what is done in a session; no two events are alike.
async fn act(service: &Service, session: &str, nth: usize, step: &Step) {
    let (event, path) = match step {
        Click(path, _) => ("$autocapture", *path),
        View(path) => ("$pageview", *path),
        Say(_) => ("$pageview", "/team"),
        Wait(_) => return,
    };
    let mut body = json!({
        "event": event,
        "uuid": format!("{session}-{nth}"),
        "session_id": session,
        "distinct_id": format!("user-of-{session}"),
        "current_url": format!("https://app.northwind.example{path}"),
    });
    match step {
        Click(_, label) => {
            body["event_type"] = json!("click");
            body["button_or_link_text"] = json!(label);
        }
        Say(said) => body["$set"] = said.clone(),
        View(_) | Wait(_) => {}
    }
    let answer = service.post("/webhook/acme", &body).await;
    assert_eq!(answer.status(), 200);
}

/// Plays steps in several sessions at once; `from` numbers the events.
async fn play(service: &Service, hand: &Hand, sessions: &[&str], from: usize, steps: &[Step]) {
    for (at, step) in steps.iter().enumerate() {
        if let Wait(seconds) = step {
            hand.advance(Duration::from_secs(*seconds));
        }
        for session in sessions {
            act(service, session, from + at, step).await;
        }
    }
}

/// The case in two sessions: too little does not fire; then the first is offered something, and the second is held
/// back, because the product may make one offer a minute.
async fn check(case: Case) {
    let quota = [("CONNECTOR__PROACTIVE__PRODUCT_MINUTE_MAX", "1")];
    let (service, hand) = start(case.config.clone(), &quota).await;
    let both = ["s1", "s2"];
    let told = &case.config;
    play(&service, &hand, &both, 0, &case.almost).await;
    for session in both {
        assert_eq!(
            reason(&poll(&service, session).await),
            "no_trigger",
            "{told}"
        );
    }
    play(&service, &hand, &both, case.almost.len(), &case.then).await;
    let offered = poll(&service, "s1").await;
    assert_eq!(
        offered["proactive_trigger"]["trigger_id"], case.trigger,
        "{told}: {offered}"
    );
    let held_back = poll(&service, "s2").await;
    assert_eq!(reason(&held_back), "quota:product_minute", "{told}");
    let decision = decision(&service, "s2", "quota:product_minute").await;
    assert_eq!(decision["trigger_id"], case.trigger, "{told}");
}

/// The decision of a session with this verdict.
async fn decision(service: &Service, session: &str, verdict: &str) -> Value {
    eventually(&format!("{session} decides {verdict}"), || async {
        let shown = service.show(session).await;
        let decisions = shown["offers"]["decisions"].as_array();
        let mut decisions = decisions.into_iter().flatten();
        let found = decisions.find(|decision| decision["verdict"] == verdict);
        found.cloned().ok_or_else(|| shown["offers"].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_pages_fire_and_are_held_back() {
    for case in [
        leaf(
            "url_contains",
            json!({"value": "/billing"}),
            vec![View("/team")],
            vec![View("/billing/plans")],
        ),
        leaf(
            "url_matches",
            json!({"regex": "/(plans|seats)$"}),
            vec![View("/billing/plans/old")],
            vec![View("/billing/plans")],
        ),
        leaf(
            "url_change",
            json!({"from": "/pricing", "to": "/checkout"}),
            vec![View("/pricing")],
            vec![View("/checkout")],
        ),
        leaf(
            "canonical_url_ping_pong",
            Value::Null,
            vec![View("/plans"), View("/seats")],
            vec![View("/plans")],
        ),
    ] {
        check(case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_actions_fire_and_are_held_back() {
    for case in [
        leaf(
            "recent_action",
            json!({"title_contains": "HELP", "type": "click", "within_s": 30}),
            vec![View("/help"), Click("/help", "Save")],
            vec![Click("/help", "Get help")],
        ),
        leaf(
            "action_count",
            json!({"min": 3, "within_s": 60}),
            vec![View("/team"), Click("/team", "Save")],
            vec![Click("/team", "Send")],
        ),
        leaf(
            "rage_click",
            json!({"min": 3, "within_s": 5}),
            vec![
                Click("/team", "Save"),
                Wait(6),
                Click("/team", "Save"),
                Click("/team", "Send"),
                Click("/team", "Save"),
            ],
            vec![Click("/team", "Save")],
        ),
    ] {
        check(case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_time_fire_and_are_held_back() {
    for case in [
        leaf(
            "dwell",
            json!({"min_s": 30}),
            vec![View("/team"), Wait(20), Click("/team", "Save"), Wait(9)],
            vec![Wait(1)],
        ),
        leaf(
            "idle",
            json!({"min_s": 20}),
            vec![View("/team"), Wait(15), Click("/team", "Save"), Wait(19)],
            vec![Wait(1)],
        ),
        leaf(
            "user_page_dwell",
            Value::Null,
            vec![View("/team"), Wait(59)],
            vec![Wait(1)],
        ),
    ] {
        check(case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_what_is_known_of_the_user_fire_and_are_held_back() {
    let cases = [
        ("eq", json!("trial"), json!("trials"), json!("trial")),
        ("ne", json!("trial"), json!("trial"), json!("team")),
        ("contains", json!("ria"), json!("team"), json!("trial")),
        ("gt", json!(3), json!(3), json!(3.5)),
        ("gte", json!(3), json!(2), json!(3)),
        ("lt", json!(3), json!(3), json!(2)),
        ("lte", json!(3), json!(4), json!(3)),
        ("exists", Value::Null, Value::Null, json!(false)),
    ];
    for (op, value, almost, then) in cases {
        let mut params = json!({"key": "plan", "op": op});
        if !value.is_null() {
            params["value"] = value;
        }
        let almost = vec![Say(json!({"plan": almost, "other": 1}))];
        let then = vec![Say(json!({"plan": then}))];
        check(leaf("user_property", params, almost, then)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_must_not_be_known_holds_back_once_it_is() {
    let params = json!({"key": "plan", "op": "not_exists"});
    let case = leaf("user_property", params, Vec::new(), Vec::new());
    let (service, _) = start(case.config, &[]).await;
    act(&service, "s1", 0, &Say(json!({"other": 1}))).await;
    act(&service, "s2", 0, &Say(json!({"plan": "trial"}))).await;
    let offered = poll(&service, "s1").await;
    assert_eq!(offered["proactive_trigger"]["trigger_id"], case.trigger);
    assert_eq!(reason(&poll(&service, "s2").await), "no_trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_of_the_service_and_predicates_fire_and_are_held_back() {
    let playbook = json!({
        "section_url_rules": [
            {"prefix": "https://app.northwind.example/billing", "section_id": "billing"},
        ],
        "section_playbook": {"billing": "Questions about your bill?"},
    });
    let predicates = json!([{
        "trigger_id": "busy", "body": "Busy?",
        "predicate": {"op": "recent_actions_gte", "n": 2},
    }]);
    for case in [
        builtin(
            "canonical_url_ping_pong",
            &json!({}),
            vec![View("/plans"), View("/seats")],
            vec![View("/plans")],
        ),
        builtin(
            "user_page_dwell",
            &json!({"dwell_threshold_seconds": 25}),
            vec![View("/plans"), Wait(24)],
            vec![Wait(1)],
        ),
        builtin(
            "section_playbook_match",
            &playbook,
            vec![View("/team")],
            vec![View("/billing/plans")],
        ),
        Case {
            trigger: "busy",
            config: json!({
                "proactive_intercom": null, "proactive_triggers": {"predicates": predicates},
            }),
            almost: vec![View("/team")],
            then: vec![View("/team")],
        },
    ] {
        check(case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_time_is_found_at_its_own_deadline_before_anybody_asks() {
    let cases = [
        leaf("dwell", json!({"min_s": 30}), Vec::new(), Vec::new()),
        leaf("idle", json!({"min_s": 30}), Vec::new(), Vec::new()),
        builtin(
            "user_page_dwell",
            &json!({"dwell_threshold_seconds": 30}),
            Vec::new(),
            Vec::new(),
        ),
    ];
    for case in cases {
        let (service, hand) = start(case.config, &[]).await;
        act(&service, "s1", 0, &View("/team")).await;
        let shown = service.show("s1").await;
        let due = super::NOON_S + 30.0;
        assert_eq!(shown["deadlines"]["triggers"], due, "{shown}");
        hand.advance(Duration::from_secs(30));
        let decision = decision(&service, "s1", "matched").await;
        let wanted = json!({
            "at": due, "occasion": "deadline", "verdict": "matched", "trigger_id": case.trigger,
        });
        assert_eq!(decision, wanted);
        let shown = service.show("s1").await;
        assert_eq!(shown["deadlines"]["triggers"], Value::Null);
        let offered = poll(&service, "s1").await;
        assert_eq!(offered["proactive_trigger"]["trigger_id"], case.trigger);
    }
}
