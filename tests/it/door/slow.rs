//! Peers that take their time. The clock is moved by hand, so nothing here waits for real.

use std::time::Duration;

use event_connector::clock::{Clock, Hand};

use super::raw::Raw;
use crate::support::{SECRET, Service, Setup, click, eventually, reads};

const HEAD: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

async fn standing() -> (Service, Hand) {
    let (clock, hand) = Clock::manual(1_779_095_640.0);
    let setup = Setup {
        clock,
        ..Setup::default()
    };
    (Service::with(setup).await, hand)
}

async fn connections(service: &Service, count: i64) {
    let gauge = &service.metrics.connections;
    reads("the connections", count, || gauge.get()).await;
}

/// Waits until the service has read so much of ingest bodies.
async fn body_bytes(service: &Service, bytes: i64) {
    let gauge = &service.metrics.bodies_bytes;
    reads("the bytes", bytes, || gauge.get()).await;
}

fn closed(service: &Service, reason: &str) -> u64 {
    let counter = &service.metrics.connections_closed;
    counter.with_label_values(&[reason]).get()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed_without_a_word() {
    let (service, hand) = standing().await;
    let mut silent = Raw::connect(&service).await;
    connections(&service, 1).await;
    hand.advance(HEAD.checked_sub(Duration::from_millis(1)).expect("time"));
    let mut other = Raw::connect(&service).await;
    assert_eq!(other.get("/healthz").await.status, 200);
    connections(&service, 2).await;
    hand.advance(Duration::from_millis(1));
    assert!(silent.answer().await.is_none());
    assert_eq!(closed(&service, "silent"), 1);
    assert_eq!(other.get("/healthz").await.status, 200, "it has more time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_answered_408() {
    let (service, hand) = standing().await;
    // Whether the half head was read before the clock moved cannot be seen from here. If it was not, the
    // connection is closed as a silent one, and the next one is tried.
    let answer = loop {
        let mut slow = Raw::connect(&service).await;
        slow.send("POST /webhook/acme HTTP/1.1\r\nHost: test\r\nX-Post")
            .await;
        connections(&service, 1).await;
        hand.advance(HEAD);
        if let Some(answer) = slow.answer().await {
            assert!(
                slow.answer().await.is_none(),
                "and the connection is closed"
            );
            break answer;
        }
        connections(&service, 0).await;
    };
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "head_timeout")
    );
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(closed(&service, "head_timeout"), 1);
    let counter = service
        .metrics
        .problems
        .with_label_values(&["head_timeout"]);
    assert_eq!(counter.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_now_and_then_gains_a_head_no_time() {
    let (service, hand) = standing().await;
    let mut slow = Raw::connect(&service).await;
    connections(&service, 1).await;
    for byte in b"GET /healt" {
        slow.send([*byte]).await;
        hand.advance(Duration::from_secs(1));
    }
    if let Some(answer) = slow.answer().await {
        assert_eq!(answer.status, 408);
    }
    drop(slow);
    connections(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_rests_too_long_between_requests_is_closed() {
    let (service, hand) = standing().await;
    let mut client = Raw::connect(&service).await;
    assert_eq!(client.get("/healthz").await.status, 200);
    hand.advance(KEEP_ALIVE / 2);
    assert_eq!(client.get("/healthz").await.status, 200);
    hand.advance(KEEP_ALIVE * 2 / 3);
    assert_eq!(
        client.get("/healthz").await.status,
        200,
        "each request counts anew"
    );
    // The answer is on its way a moment before its end is noted.
    eventually("it rests", || async {
        hand.advance(KEEP_ALIVE);
        match closed(&service, "keep_alive") {
            0 => Err(()),
            _ => Ok(()),
        }
    })
    .await;
    assert!(client.answer().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stalls_is_answered_408_and_holds_nothing_any_more() {
    let (service, hand) = standing().await;
    let mut slow = Raw::connect(&service).await;
    slow.begin("/webhook/acme", 1000).await;
    slow.send("{\"event\"").await;
    body_bytes(&service, 8).await;
    hand.advance(HEAD);
    let answer = slow.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "body_timeout")
    );
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(slow.answer().await.is_none());
    body_bytes(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_single_bytes_ends_with_the_time_of_a_request() {
    let (service, hand) = standing().await;
    let mut slow = Raw::connect(&service).await;
    slow.begin("/webhook/acme", 1000).await;
    for sent in 1..=4 {
        slow.send("{").await;
        body_bytes(&service, sent).await;
        hand.advance(Duration::from_secs(9));
    }
    let answer = slow.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (503, "timeout"));
    assert!((2..=10).contains(&answer.retry_after_s()));
    assert!(slow.answer().await.is_none(), "the rest is not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_answered_400() {
    let (service, _hand) = standing().await;
    let mut cut = Raw::connect(&service).await;
    cut.begin("/webhook/acme", 1000).await;
    cut.send("{\"event\"").await;
    cut.close_sending().await;
    let answer = cut.answer().await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "incomplete_body")
    );
    body_bytes(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_a_head_and_too_many_headers_are_answered_431() {
    let (service, _hand) = standing().await;
    let long = format!("X-Long: {}\r\n", "x".repeat(20 * 1024));
    let heads = [long, "a: b\r\n".repeat(10_000), "a: b\r\n".repeat(101)];
    for (number, headers) in (1..).zip(heads) {
        let mut hostile = Raw::connect(&service).await;
        hostile
            .send(format!("GET /healthz HTTP/1.1\r\n{headers}\r\n"))
            .await;
        let answer = hostile.answer().await.expect("an answer");
        assert_eq!(answer.status, 431, "{} bytes", headers.len());
        assert!(hostile.answer().await.is_none());
        connections(&service, 0).await;
        assert_eq!(closed(&service, "head_too_large"), number);
    }
    let mut fine = Raw::connect(&service).await;
    let headers = "a: b\r\n".repeat(90);
    fine.send(format!(
        "GET /healthz HTTP/1.1\r\nHost: test\r\n{headers}\r\n"
    ))
    .await;
    assert_eq!(fine.answer().await.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_answered_400() {
    let (service, _hand) = standing().await;
    let mut strange = Raw::connect(&service).await;
    strange.send("\u{16}\u{3}\u{1} hello\r\n\r\n").await;
    assert_eq!(strange.answer().await.expect("an answer").status, 400);
    connections(&service, 0).await;
    assert_eq!(closed(&service, "malformed"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_sending_side_still_gets_its_answer() {
    let (service, _hand) = standing().await;
    let mut client = Raw::connect(&service).await;
    let body = click("s1", "u1", "Save").to_string();
    client.begin("/webhook/acme", body.len()).await;
    client.send(body).await;
    client.close_sending().await;
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    connections(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_feed_that_leaves_is_noticed_without_a_heartbeat() {
    let (service, _hand) = standing().await;
    let gauge = &service.metrics.stream_subscribers;
    let gauge = gauge.with_label_values(&["acme"]);
    let count = |count: i64| {
        let gauge = gauge.clone();
        async move {
            reads("the readers", count, || gauge.get()).await;
        }
    };
    for half in [false, true] {
        let mut reader = Raw::connect(&service).await;
        let head = format!(
            "GET /stream/acme HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET}\r\n\r\n"
        );
        reader.send(head).await;
        count(1).await;
        if half {
            reader.close_sending().await;
            count(0).await;
        }
        drop(reader);
        count(0).await;
    }
}
