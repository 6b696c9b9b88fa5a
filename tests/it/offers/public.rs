//! What anybody may ask and report, and what not.

use serde_json::{Value, json};

use super::{poll, report, start};
use crate::support::{SECRET, json_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_has_seen_is_not_begun_by_a_page() {
    let (service, _) = start(json!({}), &[]).await;
    let polled = poll(&service, "ghost").await;
    assert_eq!(polled["proactive_skip_reason"], "no_trigger");
    let reported = report(&service, "proactive:ghost", "user_sent").await;
    assert_eq!(reported, json!({"reason": "unknown_conversation"}));
    assert_eq!(service.get("/sessions/acme/ghost").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_to_whoever_has_a_key_only() {
    let (service, _) = start(json!({}), &[]).await;
    service.click("s1", "u1", "Save").await;
    let client = &service.client;
    let url = format!("{}/context/acme/s1", service.url);
    let asked = client.get(&url).send().await.expect("an answer");
    assert_eq!(asked.headers()["cache-control"], "no-store");
    assert_eq!(asked.headers()["access-control-allow-origin"], "*");
    let anybody = json_of(asked).await;
    assert_eq!(
        (&anybody["actions"], &anybody["user_id"]),
        (&json!([]), &Value::Null)
    );
    let asked = client.get(&url).bearer_auth(SECRET).send().await;
    let reader = json_of(asked.expect("an answer")).await;
    assert_eq!(reader["user_id"], "u1");
    assert_eq!(reader["actions"][0]["title"], "Click Save");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_mean_nothing_are_no_errors_and_those_that_are_no_json_are() {
    let (service, _) = start(json!({}), &[]).await;
    service.click("s1", "u1", "Save").await;
    let unknown = report(&service, "proactive:s1", "danced").await;
    assert_eq!(unknown, json!({"reason": "unknown_event"}));
    let answer = service
        .post_raw("/agent_state/acme/proactive:s1", b"{".to_vec())
        .await;
    assert_eq!(answer.status(), 400);
    assert_eq!(json_of(answer).await["code"], "invalid_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_ask_too_often_are_told_to_wait() {
    let limit = [("CONNECTOR__PROACTIVE__PAGE_CALLS_PER_MINUTE", "2")];
    let (service, _) = start(json!({}), &limit).await;
    poll(&service, "s1").await;
    poll(&service, "s1").await;
    let answer = service.get("/context/acme/s1").await;
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(json_of(answer).await["code"], "page_call_rate");
}
