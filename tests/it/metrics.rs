//! Every metric is moved by something a test does, and read the way an operator reads it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{Service, Setup, eventually, json_of};
use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::log::Effects;
use event_connector::metrics::Metrics;
use event_connector::store::{Commit, Outcome, StateWrite};
use serde_json::json;

/// The value of one line of `/metrics`.
async fn read(service: &Service, line: &str) -> f64 {
    let text = service.get("/metrics").await.text().await.expect("text");
    let found = text
        .lines()
        .find_map(|one| one.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_moves_what_it_should() {
    let service = Service::start().await;
    let _feed = service.listen("", &[]).await;
    service.click("s1", "u1", "Save").await;
    service
        .post("/webhook/acme", &json!({"hello": "world"}))
        .await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let expected = [
        (
            "connector_ingest_requests_total{product=\"acme\",provider=\"posthog\",status=\"200\"}",
            1.0,
        ),
        (
            "connector_events_total{outcome=\"action\",product=\"acme\",provider=\"posthog\"}",
            1.0,
        ),
        (
            "connector_events_dropped_total{product=\"acme\",reason=\"unrecognised_shape\"}",
            1.0,
        ),
        ("connector_ingest_seconds_count", 2.0),
        ("connector_pipeline_seconds_count", 2.0),
        (
            "connector_chatbot_webhooks_total{outcome=\"linked\",topic=\"conversation.user.created\"}",
            1.0,
        ),
        ("connector_links_total{outcome=\"linked\"}", 1.0),
        (
            "connector_notes_total{outcome=\"delivered\",platform=\"intercom\"}",
            1.0,
        ),
        (
            "connector_delivery_seconds_count{platform=\"intercom\"}",
            1.0,
        ),
        ("connector_stream_subscribers{product=\"acme\"}", 1.0),
        ("connector_log_entries_total{type=\"actions\"}", 1.0),
        ("connector_log_entries_total{type=\"linked\"}", 1.0),
        ("connector_log_entries_total{type=\"note_delivered\"}", 1.0),
        ("connector_sessions_live", 1.0),
        ("connector_products", 1.0),
        ("connector_outbox_depth", 0.0),
        ("connector_dead_letters", 0.0),
    ];
    for (line, value) in expected {
        eventually(line, || async {
            let seen = read(&service, line).await;
            if (seen - value).abs() < f64::EPSILON {
                Ok(())
            } else {
                Err(seen)
            }
        })
        .await;
    }
    assert!(read(&service, "connector_log_bytes").await > 0.0);
    assert!(read(&service, "connector_commits_total{outcome=\"committed\"}").await >= 3.0);
    assert!(read(&service, "connector_stream_sent_total").await >= 1.0);
    assert!(read(&service, "connector_commit_seconds_count").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_their_refusals() {
    let service = Service::start().await;
    for path in ["/health", "/healthz"] {
        let answer = json_of(service.get(path).await).await;
        assert_eq!(
            (&answer["status"], &answer["redis"]),
            (&json!("ok"), &json!("disabled"))
        );
    }
    let ready = json_of(service.get("/readyz").await).await;
    assert_eq!(
        (&ready["status"], &ready["store"]),
        (&json!("ready"), &json!("sqlite"))
    );
    service.store.close().await;
    let answer = service.get("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let refused = service
        .post("/webhook/acme", &crate::support::click("s1", "u1", "Save"))
        .await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(
        service.get("/healthz").await.status(),
        200,
        "alive all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_a_session_and_nobody_else_does() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let shown = service.show("s1").await;
    assert_eq!(shown["user_id"], "u1");
    assert_eq!(shown["state"]["current_state"], "reactive_assistance");
    assert_eq!(shown["link"]["conversation_id"], "c1");
    assert!(shown["deadlines"]["state_timeout"].is_number());
    assert!(shown["log"].as_array().is_some_and(|log| log.len() >= 3));
    let url = format!("{}/sessions/acme/s1", service.url);
    for key in ["", "wrong"] {
        let answer = service
            .client
            .get(&url)
            .header("x-admin-key", key)
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_bite_are_counted() {
    let setup = Setup::with("CONNECTOR__SESSION__WINDOW_ACTIONS_MAX", "1")
        .and("CONNECTOR__SESSION__PENDING_LINK_S", "0.05")
        .and("CONNECTOR__RETENTION__LOG_S", "1")
        .and("CONNECTOR__RETENTION__INTERVAL_MS", "20");
    let service = Service::with(setup).await;
    service.click("s1", "u1", "First").await;
    service.click("s1", "u1", "Second").await;
    assert_eq!(service.metrics.window_trimmed.get(), 1);
    service.chat("c1", "nobody yet", "").await;
    let counters = [
        service.metrics.aged.with_label_values(&["entry"]),
        service.metrics.links.with_label_values(&["expired"]),
    ];
    for counter in counters {
        eventually("what is past its time is removed and counted", || async {
            match counter.get() {
                0 => Err(0),
                _ => Ok(()),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_has_an_age_and_what_is_told_had_a_lag() {
    let service = Service::with(Setup::with("CONNECTOR__DELIVERY__RETRY_BASE_MS", "300000")).await;
    let refused = Fault::before(Twist::error(503, "service_unavailable"));
    service.intercom.script(Call::Reply, None, refused);
    let age = "connector_outbox_age_seconds{platform=\"intercom\"}";
    let has_age = async || {
        let text = service.get("/metrics").await.text().await.expect("text");
        text.contains(age)
    };
    assert!(!has_age().await);
    let mut stream = service.listen("", &[]).await;
    service.click("s1", "u1", "Save").await;
    assert_eq!(stream.next_actions(1).await.len(), 1);
    assert!(service.metrics.stream_lag_seconds.get_sample_count() > 0);
    service.chat("c1", "u1", "").await;
    eventually("a note waits", || async {
        if has_age().await { Ok(()) } else { Err(()) }
    })
    .await;
    // As long as the user writes it is tried again, and in the end it arrives.
    eventually("nothing waits any more", || async {
        service.chat("c1", "u1", "").await;
        if has_age().await { Err(()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_session_is_set_aside_counted_and_begins_anew() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    let key = Key::session(&ProductId::from("acme"), &SessionId::from("s1"));
    let stored = service
        .store
        .load(&key)
        .await
        .expect("readable")
        .expect("there");
    let spoilt = Commit {
        id: [9; 8],
        product: key.product.clone(),
        now_ms: 0,
        state: Some(StateWrite {
            key,
            base: stored.version,
            is_restored: false,
            known: None,
            state: Arc::from(*b"spoilt"),
            settled: None,
            due_ms: None,
            as_of_ms: 0,
        }),
        effects: Effects::default(),
        guards: Vec::new(),
    };
    let outcome = service.store.commit(Arc::new(spoilt)).await;
    assert!(matches!(outcome, Outcome::Committed));
    service.click("s1", "u1", "Save again").await;
    assert!((read(&service, "connector_quarantined_rows").await - 1.0).abs() < f64::EPSILON);
    assert_eq!(service.show("s1").await["user_id"], "u1");
}

#[test]
fn names_are_distinct_prefixed_and_carry_their_units() {
    // Vectors show only once they have a value, so the struct's own text is read.
    let source = include_str!("../../src/metrics/mod.rs");
    let names: Vec<_> = source
        .lines()
        .filter_map(|line| line.split_once(" = \"connector_")?.1.split('"').next())
        .collect();
    assert!(names.len() > 30);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for (line, name) in source
        .lines()
        .filter(|line| line.contains("= \"connector_"))
        .zip(&names)
    {
        let is_counter = line.contains("IntCounter");
        assert_eq!(is_counter, name.ends_with("_total"), "{name}");
        let is_spread = name.ends_with("_seconds") && !name.ends_with("_age_seconds");
        assert_eq!(line.contains("Histogram"), is_spread, "{name}");
    }
    assert!(!Metrics::new().render().is_empty());
}

#[test]
fn each_trigger_had_its_turn_as_often_as_it_was_asked_whatever_triggers_came_later() {
    let metrics = Metrics::new();
    let names =
        |names: &[&str]| -> Arc<[Arc<str>]> { names.iter().map(|&name| name.into()).collect() };
    let (first, second) = (names(&["a", "b", "c"]), names(&["b", "d"]));
    let count = |names, asked| metrics.count_turn("acme", names, asked, true);
    let read = |trigger: &str| {
        let text = String::from_utf8(metrics.render()).expect("text");
        let line = format!(
            "connector_triggers_total{{outcome=\"evaluated\",product=\"acme\",trigger=\"{trigger}\"}} "
        );
        let mut lines = text.lines();
        lines.find_map(|one| Some(one.strip_prefix(&line)?.parse::<u64>().expect("a number")))
    };
    for asked in [3, 1, 0, 3] {
        count(&first, asked);
    }
    assert_eq!(["a", "b", "c"].map(read), [Some(3), Some(2), Some(2)]);
    count(&first, 2);
    // These take the place of the others.
    count(&second, 2);
    count(&second, 1);
    assert_eq!(
        ["a", "b", "c", "d"].map(read),
        [Some(4), Some(5), Some(2), Some(1)]
    );
    // Reading is no turn.
    assert_eq!(
        ["a", "b", "c", "d"].map(read),
        [Some(4), Some(5), Some(2), Some(1)]
    );
}
