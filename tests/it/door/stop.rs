//! A stop in the middle of work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::store::Store;
use event_connector::store::sqlite::{Options, Sqlite};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::raw::Raw;
use crate::around::Around;
use crate::support::{ADMIN_KEY, Service, Setup, click, eventually, json_of, open, reads};

/// A service whose commits wait until the semaphore is closed.
async fn gated() -> (Service, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&gate);
    let setup = Setup {
        store: Some(Box::new(move |path| {
            let spawn = |name: &str, work| Tasks::thread(name, work);
            let store = Sqlite::open(Options::new(path), &spawn).expect("a store");
            Arc::new(Around::new(
                Arc::new(store),
                move |store: Arc<dyn Store>, commit| {
                    let gate = Arc::clone(&own);
                    async move {
                        let _ = gate.acquire().await;
                        store.commit(commit).await
                    }
                },
            ))
        })),
        ..Setup::default()
    };
    (Service::with(setup).await, gate)
}

async fn port_closes(service: &Service) {
    eventually("the port is closed", || async {
        match TcpStream::connect(service.address()).await {
            Ok(_) => Err(()),
            Err(_) => Ok(()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_and_its_connection_closed() {
    let (service, gate) = gated().await;
    let mut resting = Raw::connect(&service).await;
    assert_eq!(resting.get("/healthz").await.status, 200);
    let body = click("s1", "u1", "Save").to_string();
    let mut busy = Raw::connect(&service).await;
    busy.begin("/webhook/acme", body.len()).await;
    busy.send(body).await;
    reads("it is under way", 1, || {
        service.metrics.ingest_requests_held.get()
    })
    .await;
    service.tell_to_stop();
    service.stopping().cancelled().await;
    port_closes(&service).await;
    assert!(resting.answer().await.is_none(), "who rests is let go");
    gate.close();
    let answer = busy.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.answer().await.is_none());
    service.stop().await;

    let service = service.restart().await;
    let mut feed = service.listen("?since=0-0", &[]).await;
    let told = feed.next_actions(1).await;
    assert_eq!(told, ["User clicked Save on the team page"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_being_written_is_written_to_its_end() {
    let setup = Setup::with("CONNECTOR__HTTP__CONNECTIONS_MAX", "2");
    let service = Service::with(setup).await;
    let page = "x".repeat(500);
    for batch in 0..4 {
        let events: Vec<_> = (0..500)
            .map(|number| {
                json!({"event": "$pageview", "distinct_id": "u", "uuid": format!("{batch}-{number}"),
                    "properties": {"$session_id": "s1",
                        "$current_url": format!("https://app.example/{batch}/{number}/{page}")}})
            })
            .collect();
        let answer = service
            .post("/webhook/acme", &json!({"batch": events}))
            .await;
        assert_eq!(answer.status(), 200);
    }
    let mut slow = Raw::connect_narrow(&service).await;
    slow.send(format!(
        "GET /sessions/acme/s1 HTTP/1.1\r\nHost: test\r\nX-Admin-Key: {ADMIN_KEY}\r\n\r\n"
    ))
    .await;
    slow.until("HTTP/1.1 200 OK\r\n").await;
    // First another takes its place, then all must go.
    let mut others = [Raw::connect(&service).await, Raw::connect(&service).await];
    for other in &mut others {
        assert_eq!(other.get("/healthz").await.status, 200);
    }
    service.tell_to_stop();
    port_closes(&service).await;
    let head = slow.until("\r\n\r\n").await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    assert!(length > 1_000_000, "{length} fits no buffer on the way");
    assert_eq!(slow.rest().await.len(), length);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_turns_red_once_a_stop_is_asked_for() {
    let service = Service::start().await;
    assert_eq!(service.get("/readyz").await.status(), 200);
    service.stopping().cancel();
    let answer = service.get("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(json_of(answer).await["code"], "stopping");
    assert_eq!(service.get("/healthz").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_a_heartbeat_that_says_when_to_come_back() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    let mut streams = join_all((0..20).map(|_| service.listen("?since=0-0", &[]))).await;
    for stream in &mut streams {
        stream.next_event().await;
    }
    service.tell_to_stop();
    let mut waits = BTreeSet::new();
    for stream in &mut streams {
        let last = loop {
            let event = stream.next().await.expect("the last frame has a time");
            if event.retry_ms.is_some() {
                break event;
            }
        };
        assert_eq!(last.name.as_deref(), Some("heartbeat"));
        assert_eq!((last.data.as_str(), last.id), ("", None));
        let wait = last.retry_ms.expect("a time");
        assert!((1000..=10_000).contains(&wait), "{wait}");
        waits.insert(wait);
        assert!(stream.next().await.is_none(), "it is the last");
    }
    assert!(
        waits.len() > 10,
        "each comes back at another moment: {waits:?}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_does_not_outlast_the_grace() {
    let (clock, hand) = Clock::manual(1_779_095_640.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__SHUTDOWN__GRACE_MS", "3000")
    };
    let service = Service::with(setup).await;
    let mut slow = Raw::connect(&service).await;
    slow.begin("/webhook/acme", 1000).await;
    slow.send("{").await;
    reads("it is read", 1, || service.metrics.bodies_bytes.get()).await;
    service.tell_to_stop();
    service.stopping().cancelled().await;
    port_closes(&service).await;
    // The grace began before the port was closed.
    hand.advance(Duration::from_secs(3));
    assert!(slow.answer().await.is_none());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_has_ended_is_flushed_even_if_nobody_is_awake() {
    let (clock, hand) = Clock::manual(1_779_095_640.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__SESSION__SWEEP_MS", "3600000")
    };
    let service = Service::with(setup).await;
    service.click("s1", "u1", "Before").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    eventually("the first note is settled", || async {
        let shown = service.show("s1").await;
        match shown["notes"]["open"].as_array() {
            Some(open) if open.is_empty() => Ok(()),
            _ => Err(shown),
        }
    })
    .await;
    service.click("s1", "u1", "After").await;
    // The pause has not ended yet, so it is left for the next start, where nobody is awake to see its
    // end before the service stops again.
    let service = service.restart().await;
    hand.advance(Duration::from_secs(1));
    service.stop().await;
    let store = open(&service.store_path()).await;
    let depth = store.depth().await.expect("countable");
    assert_eq!(depth.outbox, 1, "the note is written down");
    store.close().await;
}
