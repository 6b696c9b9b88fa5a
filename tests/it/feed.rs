//! The feed over real HTTP: frames, resuming, filters, gaps.

use std::time::Duration;

use crate::support::{ADMIN_KEY, SECRET, Service, Setup, Stream, json_of, reads};
use event_connector::domain::log::Offset;
use event_connector::feed::Start;
use event_connector::store::Retention;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_a_heartbeat_and_sends_one_json_line_per_event() {
    let service = Service::with(Setup::with("CONNECTOR__FEED__HEARTBEAT_MS", "50")).await;
    let mut feed = service.listen("", &[]).await;
    let first = feed.next().await.expect("a frame");
    assert_eq!(first.name.as_deref(), Some("heartbeat"));
    assert_eq!((first.data.as_str(), first.id), ("", None));
    let second = feed.next().await.expect("a frame");
    assert_eq!(
        second.name.as_deref(),
        Some("heartbeat"),
        "it repeats while nothing happens"
    );

    service.click("s1", "u1", "Save\u{2028}all\u{85}now").await;
    let event = feed.next_event().await;
    assert!(Offset::parse(event.id.as_deref().expect("an id")).is_some());
    assert!(event.data.is_ascii() && !event.data.contains('\n'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_resumes_at_every_offset_and_misses_nothing() {
    let service = Service::start().await;
    for number in 0..20 {
        service.click("s1", "u1", &format!("Button {number}")).await;
    }
    let mut feed = service.listen("?since=0-0", &[]).await;
    let mut ids = vec!["0-0".to_owned()];
    let mut told = Vec::new();
    for _ in 0..20 {
        let event = feed.next_event().await;
        told.extend(event.told());
        ids.push(event.id.expect("an id"));
    }
    assert!(
        ids.windows(2)
            .all(|pair| Offset::parse(&pair[0]) < Offset::parse(&pair[1]))
    );
    for (at, id) in ids.iter().enumerate().take(20) {
        let mut feed = service.listen("", &[("last-event-id", id)]).await;
        assert_eq!(feed.next_actions(20 - at).await, told[at..], "after {id}");
    }
    // After the newest there is nothing until something happens.
    let mut feed = service.listen("", &[("last-event-id", &ids[20])]).await;
    service.click("s1", "u1", "One more").await;
    assert_eq!(
        feed.next_actions(1).await,
        ["User clicked One more on the team page"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_that_join_in_the_middle_all_see_the_same() {
    let service = Service::with(
        Setup::with("CONNECTOR__FEED__RING_ENTRIES", "8").and("CONNECTOR__FEED__PAGE_ENTRIES", "5"),
    )
    .await;
    let mut early = service.listen("?since=0-0", &[]).await;
    let posting = async {
        for number in 0..60 {
            service
                .click(&format!("s{}", number % 3), "u1", &format!("b{number}"))
                .await;
        }
    };
    let reading = async {
        let mut late = service.listen("?since=0-0", &[]).await;
        (early.next_actions(60).await, late.next_actions(60).await)
    };
    let ((), (early, late)) = tokio::join!(posting, reading);
    assert_eq!(early, late);
    let mut sorted = early.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 60, "each exactly once");
    // A ring of eight does not hold them all: whoever comes now reads the store first.
    let mut last = service.listen("?since=0-0", &[]).await;
    assert_eq!(last.next_actions(60).await, early);
    assert!(service.metrics.stream_catch_ups.get() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_sessions_users_and_types() {
    let service = Service::start().await;
    service.click("s1", "u1", "One").await;
    service.click("s2", "u2", "Two").await;
    let cases = [
        ("?since=0-0&session_id=s2", "Two"),
        ("?since=0-0&user_id=u1", "One"),
        ("?since=0-0&types=actions,summary", "One"),
    ];
    for (query, label) in cases {
        let mut feed = service.listen(query, &[]).await;
        let told = feed.next_actions(1).await;
        assert_eq!(
            told,
            [format!("User clicked {label} on the team page")],
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_removed_is_announced_as_a_gap() {
    let service = Service::start().await;
    service.click("s1", "u1", "Old").await;
    let mut feed = service.listen("?since=0-0", &[]).await;
    let old = feed.next_event().await.id.expect("an id");
    drop(feed);
    let keep = Retention {
        log_ms: 0,
        log_bytes_max: u64::MAX,
        state_ms: u64::MAX,
        outbox_ms: u64::MAX,
    };
    let later_ms = Offset::parse(&old).expect("an offset").ms + 10_000;
    let aged = service.store.age(later_ms, keep).await.expect("aged");
    assert!(aged.entries > 0);
    service.click("s1", "u1", "New").await;

    let mut feed = service.listen("?since=0-0", &[]).await;
    let gap = feed.next_event().await;
    assert_eq!(gap.json()["type"], "gap");
    assert_eq!(gap.json()["from"], "0-0");
    assert_eq!(gap.id.as_deref(), gap.json()["to"].as_str());
    assert_eq!(
        feed.next_actions(1).await,
        ["User clicked New on the team page"]
    );
    assert_eq!(service.metrics.stream_gaps.get(), 1);
    // Whoever resumes after the gap is not told again.
    let id = gap.id.expect("an id");
    let mut feed = service.listen("", &[("last-event-id", &id)]).await;
    assert_eq!(
        feed.next_event().await.told(),
        ["User clicked New on the team page"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_before_any_byte_of_a_stream() {
    let service = Service::with(Setup::with("CONNECTOR__FEED__SUBSCRIBERS_MAX", "1")).await;
    let get = |path: &str, key: &str| {
        let request = service.client.get(format!("{}{path}", service.url));
        request.bearer_auth(key).send()
    };
    let cases = [
        ("/stream/nobody", SECRET, 404, "product_not_found"),
        ("/stream/acme", "wrong", 401, "unauthorized"),
        (
            "/stream/acme?token=whsec_acme_5c1f0a77",
            "",
            401,
            "unauthorized",
        ),
        ("/stream/acme?since=yesterday", SECRET, 400, "invalid_since"),
    ];
    for (path, key, status, code) in cases {
        let answer = get(path, key).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(json_of(answer).await["code"], code);
    }
    let _first = service.listen("", &[]).await;
    let second = get("/stream/acme", SECRET).await.expect("an answer");
    assert_eq!(second.status(), 503);
    assert!(second.headers().contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_listens_with_the_admin_key_while_there_is_one() {
    let asked = async |service: &Service, key: &str| {
        let request = service.client.get(format!("{}/stream/acme", service.url));
        request
            .header("x-admin-key", key)
            .send()
            .await
            .expect("an answer")
    };
    let service = Service::start().await;
    assert_eq!(asked(&service, "wrong").await.status(), 401);
    let mut feed = Stream::new(asked(&service, ADMIN_KEY).await);
    feed.next().await.expect("a heartbeat");
    service.click("s1", "u1", "Save").await;
    assert_eq!(feed.next_actions(1).await.len(), 1);
    let service = Service::with(Setup::with("CONNECTOR_ADMIN_KEY", "")).await;
    let refused = asked(&service, "").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(json_of(refused).await["code"], "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_noticed_and_the_gauge_falls() {
    let service = Service::with(Setup::with("CONNECTOR__FEED__HEARTBEAT_MS", "20")).await;
    let gauge = service
        .metrics
        .stream_subscribers
        .with_label_values(&["acme"]);
    let mut feed = service.listen("", &[]).await;
    feed.next().await.expect("a frame");
    assert_eq!(gauge.get(), 1);
    drop(feed);
    reads("the subscriber is gone", 0, || gauge.get()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_accepts_nothing_is_closed() {
    let setup = Setup::with("CONNECTOR__FEED__WRITE_TIMEOUT_MS", "200");
    let service = Service::with(setup).await;
    let stalled = service.listen("?since=0-0", &[]).await;
    let counter = service
        .metrics
        .stream_dropped
        .with_label_values(&["stalled"]);
    let label = "x".repeat(70);
    let flood = async {
        let batch: Vec<_> = (0..400)
            .map(|number| {
                json!({"event": "$pageview", "distinct_id": "u", "uuid": format!("{number}"),
                    "properties": {"$session_id": "s1", "title": label,
                        "$current_url": format!("https://app.example/{label}/{number}x")}})
            })
            .collect();
        let mut round = 0;
        while counter.get() == 0 {
            round += 1;
            let batch: Vec<_> = batch
                .iter()
                .map(|event| {
                    let mut event = event.clone();
                    event["uuid"] = json!(format!("{round}-{}", event["uuid"]));
                    event
                })
                .collect();
            let answer = service
                .post("/webhook/acme", &json!({"batch": batch}))
                .await;
            assert_eq!(answer.status(), 200);
        }
    };
    let patience = Duration::from_secs(60);
    let clock = event_connector::clock::Clock::system();
    assert!(
        clock.timeout(patience, flood).await.is_some(),
        "the stalled socket is closed"
    );
    drop(stalled);
}

#[test]
fn since_takes_offsets_seconds_and_times() {
    let after = |text: &str| match Start::parse(text) {
        Some(Start::After(offset)) => Some(offset.to_string()),
        _ => None,
    };
    assert_eq!(after("1779095640210-3").as_deref(), Some("1779095640210-3"));
    let instant = format!("1779095640209-{}", u64::MAX);
    assert_eq!(after("1779095640.21").as_deref(), Some(instant.as_str()));
    assert_eq!(
        after("2026-05-18T09:14:00.210Z").as_deref(),
        Some(instant.as_str())
    );
    assert_eq!(after("0").as_deref(), Some("0-0"));
    for garbage in ["", "soon", "-5", "NaN", "1-", "-1", "1-2-3", "1e999"] {
        assert_eq!(Start::parse(garbage), None, "{garbage}");
    }
}
