//! Labels for the buttons of host applications.

use std::time::Duration;

use event_connector::product::Catalogue;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{ask_for_help, poll, start};
use crate::support::{ADMIN_KEY, Service, json_of};

const PATH: &str = "/intercom/proactive/acme";

async fn ask(service: &Service, path: &str, body: &Value) -> (u16, Value) {
    ask_raw(service, path, body.to_string().into_bytes()).await
}

async fn ask_raw(service: &Service, path: &str, body: Vec<u8>) -> (u16, Value) {
    let request = service.client.post(format!("{}{path}", service.url));
    let request = request.header("x-admin-key", ADMIN_KEY).body(body);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), json_of(answer).await)
}

/// The labels, or why there are none.
async fn labels(service: &Service, body: &Value) -> Result<Vec<String>, String> {
    let (status, answer) = ask(service, PATH, body).await;
    assert_eq!(status, 200, "{answer}");
    told(&answer)
}

fn told(answer: &Value) -> Result<Vec<String>, String> {
    assert_eq!(answer["prompts"], answer["labels"]);
    let labels = answer["labels"].as_array().expect("a list");
    assert_eq!(answer["count"], labels.len());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match text(&answer["skip_reason"]) {
        Some(reason) => {
            assert!(labels.is_empty(), "{answer}");
            Err(reason)
        }
        None => Ok(labels.iter().filter_map(text).collect()),
    }
}

fn skipped(reason: &str) -> Result<Vec<String>, String> {
    Err(reason.to_owned())
}

/// An entry of `proactive_intercom` with these answers.
fn entry(id: &str, labels: &[&str]) -> Value {
    let messages = labels.iter().enumerate();
    let messages: Vec<Value> = messages
        .map(|(at, label)| json!({"id": format!("m{at}"), "label": label}))
        .collect();
    json!({
        "id": id, "name": id, "messages": messages,
        "proactive_criteria": {"id": "c", "name": "c", "type": "idle", "params": {"min_s": 5}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_chips_then_of_triggers_in_order_and_none_twice() {
    let whole = json!({
        "proactive_intercom": [entry("a", &["Show me", "No thanks"]), entry("b", &["show ME ", "Call me"])],
    });
    let triggers = json!({
        "builtins": [
            {"id": "section_playbook_match", "name": "s", "description": "s",},
        ],
        "section_playbook": {"billing": {"body": "Bills?", "reply_option_labels": ["My bill"]}},
        "predicates": [{
            "trigger_id": "p", "body": "Hello", "reply_option_labels": ["call me", "Why?"],
            "predicate": {"op": "always"},
        }],
    });
    let mixed = json!({
        "proactive_intercom": {"messages": [{"id": "m", "label": "Call me"}]},
        "proactive_triggers": triggers,
    });
    for (config, wanted) in [
        (whole, ["Show me", "No thanks", "Call me"]),
        (mixed, ["Call me", "My bill", "Why?"]),
    ] {
        let (service, _) = start(config, &[]).await;
        let (status, answer) = ask(&service, PATH, &json!({"action_count": 1})).await;
        let wanted = json!({"prompts": wanted, "labels": wanted, "count": 3, "skip_reason": null});
        assert_eq!((status, answer), (200, wanted));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_says_whether_and_after_how_many_actions_labels_are_given() {
    let (service, _) = start(json!({"proactive": {"enabled": false}}), &[]).await;
    let often = json!({"session_id": "", "conversation_id": "", "action_count": 99});
    assert_eq!(labels(&service, &often).await, skipped("disabled"));
    let (service, _) = start(json!({"proactive": {"min_actions": 3}}), &[]).await;
    let few = json!({"action_count": 2});
    assert_eq!(labels(&service, &few).await, skipped("min_actions"));
    assert!(labels(&service, &json!({"action_count": 3})).await.is_ok());
    let (service, _) = start(json!({}), &[]).await;
    // Whoever counts nothing has counted none; one is enough otherwise, and again and again.
    assert_eq!(labels(&service, &json!({})).await, skipped("min_actions"));
    for _ in 0..2 {
        let once = json!({"conversation_id": "9001", "action_count": 1});
        assert!(labels(&service, &once).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cooldown_is_that_of_the_conversation_or_else_of_the_session() {
    let (service, hand) = start(json!({"proactive": {"cooldown_seconds": 60}}), &[]).await;
    let of = |conversation: Value, session: &str| json!({"conversation_id": conversation, "session_id": session, "action_count": 1});
    assert!(labels(&service, &of(json!("9001"), "s1")).await.is_ok());
    for held_back in [of(json!("9001"), ""), of(json!(9001), "s2")] {
        assert_eq!(labels(&service, &held_back).await, skipped("cooldown"));
    }
    // The session alone is another one, and so is whatever bears its name.
    for other in [
        of(json!(""), "9001"),
        of(json!("s1"), ""),
        of(json!(""), "s1"),
    ] {
        assert!(labels(&service, &other).await.is_ok(), "{other}");
        assert_eq!(labels(&service, &other).await, skipped("cooldown"));
    }
    // Nobody to remember it of.
    for _ in 0..2 {
        assert!(labels(&service, &of(json!(""), "")).await.is_ok());
    }
    hand.advance(Duration::from_secs(59));
    let first = of(json!("9001"), "s1");
    assert_eq!(labels(&service, &first).await, skipped("cooldown"));
    let service = service.restart().await;
    hand.advance(Duration::from_secs(1));
    let again = ask_anew(&service, &first).await;
    assert!(again.is_ok(), "{again:?}");
}

/// Asks over a new connection: minutes have passed.
async fn ask_anew(service: &Service, body: &Value) -> Result<Vec<String>, String> {
    let client = reqwest::Client::builder().build().expect("a client");
    let request = client.post(format!("{}{PATH}", service.url));
    let request = request
        .header("x-admin-key", ADMIN_KEY)
        .body(body.to_string());
    told(&json_of(request.send().await.expect("an answer")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_a_cooldown_or_a_quota_names_whoever_was_erased() {
    let quotas = [
        ("CONNECTOR__PROACTIVE__SESSION_HOUR_MAX", "5"),
        ("CONNECTOR__PROACTIVE__USER_DAY_MAX", "5"),
    ];
    let (service, _) = start(json!({"proactive": {"cooldown_seconds": 60}}), &quotas).await;
    let (session, user, conversation) = ("canary-session", "canary-user", "canary-conversation");
    ask_for_help(&service, session, user, 1).await;
    assert!(poll(&service, session).await["proactive_trigger"].is_object());
    let alone = json!({"session_id": session, "action_count": 1});
    let both = json!({"session_id": session, "conversation_id": conversation, "action_count": 1});
    for body in [&alone, &both] {
        assert!(labels(&service, body).await.is_ok(), "{body}");
    }
    assert!(!service.files_with(session).is_empty());
    let erased = service.delete(&format!("/users/acme/{user}")).await;
    assert_eq!(erased.status(), 200);
    for name in [session, user, conversation] {
        assert_eq!(service.files_with(name), [""; 0], "{name} is gone");
    }
    // What was given counts on.
    for body in [&alone, &both] {
        assert_eq!(labels(&service, body).await, skipped("cooldown"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_calls_at_once_within_a_cooldown_one_is_answered_labels() {
    let (service, _) = start(json!({"proactive": {"cooldown_seconds": 60}}), &[]).await;
    let body = json!({"session_id": "s1", "action_count": 1});
    let answers = join_all((0..8).map(|_| labels(&service, &body))).await;
    let given = answers.iter().filter(|answer| answer.is_ok());
    assert_eq!(given.count(), 1, "{answers:?}");
    let held_back = answers
        .iter()
        .filter(|answer| **answer == skipped("cooldown"));
    assert_eq!(held_back.count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_without_labels_is_told_what_to_configure_and_begins_no_cooldown() {
    let config = json!({"proactive_intercom": null, "proactive": {"cooldown_seconds": 60}});
    let (service, _) = start(config, &[]).await;
    let body = json!({"session_id": "s1", "action_count": 1});
    for _ in 0..2 {
        let (status, answer) = ask(&service, PATH, &body).await;
        assert_eq!((status, &answer["code"]), (503, &json!("no_labels")));
        let detail = answer["detail"].as_str().expect("a sentence");
        assert!(
            detail.contains("proactive_intercom[].messages[].label"),
            "{detail}"
        );
    }
    // That the product wants none is said before.
    let unwanted = labels(&service, &json!({"action_count": 0})).await;
    assert_eq!(unwanted, skipped("min_actions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_given_to_operators_who_ask_as_documented() {
    let (service, _) = start(json!({}), &[]).await;
    let answer = service.post(PATH, &json!({"action_count": 1})).await;
    assert_eq!(answer.status(), 401);
    let (status, answer) = ask(&service, "/intercom/proactive/ghost", &json!({})).await;
    assert_eq!(
        (status, &answer["code"]),
        (404, &json!("product_not_found"))
    );
    let (status, answer) = ask_raw(&service, PATH, b"{".to_vec()).await;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid_json")));
    let wrong = json!({
        "session_id": true, "conversation_id": "9".repeat(513), "action_count": 1.5,
    });
    let (status, answer) = ask(&service, PATH, &wrong).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_fields")));
    let errors = answer["errors"].as_array().expect("a list").iter();
    let pointers: Vec<_> = errors.map(|error| &error["pointer"]).collect();
    assert_eq!(
        pointers,
        ["/conversation_id", "/session_id", "/action_count"]
    );
    let large = json!({"session_id": "s".repeat(1 << 20)});
    let (status, answer) = ask(&service, PATH, &large).await;
    assert_eq!(
        (status, &answer["code"]),
        (413, &json!("payload_too_large"))
    );
}

#[test]
fn what_is_wrong_with_the_policy_is_named_and_harms_nothing_else() {
    let problems = |policy: Value| {
        let row = json!({
            "product_id": "acme", "webhook_secret": "s", "integration_config": {"proactive": policy},
        });
        let catalogue = Catalogue::parse(&json!([row]).to_string()).expect("a list");
        let product = catalogue.products().next().expect("the rest is in force");
        let pointers = catalogue
            .problems
            .iter()
            .map(|problem| problem.pointer.clone());
        (pointers.collect::<Vec<_>>(), product.notices.clone())
    };
    let at = |key: &str| format!("/0/integration_config/proactive{key}");
    assert_eq!(problems(json!([])).0, [at("")]);
    let (pointers, notices) = problems(json!({
        "enabled": "no", "min_actions": 1.5, "cooldown_seconds": -1, "colour": "red",
    }));
    let wrong = ["/enabled", "/min_actions", "/cooldown_seconds"].map(at);
    assert_eq!(pointers, wrong);
    assert_eq!(
        notices,
        ["integration_config.proactive.colour has no effect"]
    );
    let right = json!({"enabled": true, "min_actions": 0, "cooldown_seconds": 1.5});
    assert_eq!(problems(right), (vec![], vec![]));
}
