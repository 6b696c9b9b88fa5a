//! What holds an offer back, in the order in which it is asked.

use std::time::Duration;

use serde_json::json;

use super::{poll, reason, report, start};
use crate::support::Service;

async fn is_offered(service: &Service, session: &str, user: &str) -> bool {
    service.click(session, user, "Get help").await;
    poll(service, session).await["proactive_trigger"].is_object()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_has_not_opted_in_offers_nothing() {
    let (service, _) = start(json!({"proactive_enabled": false}), &[]).await;
    service.click("s1", "u1", "Get help").await;
    assert_eq!(reason(&poll(&service, "s1").await), "opt_out");
    let (service, _) = start(json!({"proactive_intercom": null}), &[]).await;
    service.click("s1", "u1", "Get help").await;
    assert_eq!(reason(&poll(&service, "s1").await), "opt_out");
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold_back_what_would_be_one_too_many_across_sessions_and_until_their_window_ends() {
    let quotas = [
        ("CONNECTOR__PROACTIVE__PRODUCT_MINUTE_MAX", "3"),
        ("CONNECTOR__PROACTIVE__USER_DAY_MAX", "2"),
    ];
    let (service, hand) = start(json!({}), &quotas).await;
    assert!(is_offered(&service, "s1", "u1").await);
    assert!(is_offered(&service, "s2", "u1").await);
    service.click("s3", "u1", "Get help").await;
    assert_eq!(reason(&poll(&service, "s3").await), "quota:user_day");
    assert!(is_offered(&service, "s4", "u2").await);
    service.click("s5", "u3", "Get help").await;
    assert_eq!(reason(&poll(&service, "s5").await), "quota:product_minute");
    let shown = service.show("s5").await;
    let quota = json!({
        "reason": "quota:product_minute", "used": 3, "max": 3, "ends_at": super::NOON_S + 60.0,
    });
    assert_eq!(shown["offers"]["quotas"][0], quota);
    hand.advance(Duration::from_secs(60));
    assert!(is_offered(&service, "s5", "u3").await);
    assert_eq!(reason(&poll(&service, "s3").await), "quota:user_day");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_suggested_is_offered_when_the_page_asks_unless_that_is_too_late() {
    let (service, hand) = start(json!({}), &[("CONNECTOR__PROACTIVE__LOOKBACK_S", "10")]).await;
    for (session, user) in [("s1", "u1"), ("s2", "u2")] {
        service.click(session, user, "Get help").await;
        service.click(session, user, "Save").await;
    }
    hand.advance(Duration::from_secs(20));
    assert_eq!(
        poll(&service, "s1").await["proactive_trigger"]["trigger_id"],
        "lost"
    );
    hand.advance(Duration::from_secs(41));
    assert_eq!(reason(&poll(&service, "s2").await), "no_trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pages_that_ask_at_once_get_one_offer() {
    let (service, _) = start(json!({}), &[]).await;
    service.click("s1", "u1", "Get help").await;
    let polls = (0..8).map(|_| poll(&service, "s1"));
    let polled = futures_util::future::join_all(polls).await;
    let offered = polled
        .iter()
        .filter(|polled| polled["proactive_trigger"].is_object());
    assert_eq!(offered.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_logged_counted_and_shown_with_their_reasons() {
    let (service, hand) = start(json!({}), &[]).await;
    service.click("s1", "u1", "Get help").await;
    poll(&service, "s1").await;
    poll(&service, "s1").await;
    report(&service, "proactive:s1", "tour_completed").await;
    hand.advance(Duration::from_secs(11));
    let shown = service.show("s1").await;
    let decisions = shown["offers"]["decisions"].as_array().expect("a list");
    let told: Vec<_> = decisions
        .iter()
        .map(|decision| (decision["occasion"].as_str(), decision["verdict"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("batch"), Some("matched")),
            (Some("poll"), Some("offered")),
            (Some("poll"), Some("fsm:wrong_state")),
        ]
    );
    let log = shown["log"].as_array().expect("a list").iter();
    let types: Vec<_> = log.filter_map(|entry| entry["type"].as_str()).collect();
    assert!(types.contains(&"decided"), "{types:?}");
    assert!(types.contains(&"transition_refused"), "{types:?}");
    let metrics = service.get("/metrics").await.text().await.expect("text");
    for line in [
        r#"connector_triggers_total{outcome="evaluated",product="acme",trigger="lost"} 2"#,
        r#"connector_triggers_total{outcome="offered",product="acme",trigger="lost"} 1"#,
        r#"connector_offers_skipped_total{product="acme",reason="fsm:wrong_state",trigger=""} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}
