//! The feed on the wire, in every protocol version and order of requests that HTTP allows.

use event_connector::clock::Clock;

use super::raw::Raw;
use crate::support::{SECRET, Service, Setup, reads};

/// 2026-05-18 09:14:00 UTC, and standing still.
async fn frozen() -> Service {
    let (clock, _) = Clock::manual(1_779_095_640.0);
    let setup = Setup {
        clock,
        ..Setup::default()
    };
    Service::with(setup).await
}

fn request(method: &str, version: &str) -> String {
    format!(
        "{method} /stream/acme HTTP/{version}\r\nHost: test\r\nX-Request-Id: mine\r\n\
         Authorization: Bearer {SECRET}\r\n\r\n"
    )
}

const HEARTBEAT: &str = "event: heartbeat\ndata:\n\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_a_chunked_answer_with_all_its_headers() {
    let service = frozen().await;
    let mut reader = Raw::connect(&service).await;
    reader.send(request("GET", "1.1")).await;
    let chunk = format!("{:x}\r\n{HEARTBEAT}\r\n", HEARTBEAT.len());
    let text = reader.until(&chunk).await;
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 200 OK",
            "access-control-allow-origin: *",
            "cache-control: no-cache, no-transform",
            "connection: close",
            "content-type: text/event-stream; charset=utf-8",
            "date: Mon, 18 May 2026 09:14:00 GMT",
            "transfer-encoding: chunked",
            "x-accel-buffering: no",
            "x-request-id: mine",
        ]
    );
    service.click("s1", "u1", "Save").await;
    let text = reader.until("\"count\":1").await;
    assert!(text.contains("User clicked Save on the team page"));
    service.tell_to_stop();
    let text = reader.until("0\r\n\r\n").await;
    assert!(text.contains("retry: "), "{text}");
    assert!(reader.answer().await.is_none(), "and the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_behind_another_request_is_a_stream_as_well() {
    let service = frozen().await;
    let mut reader = Raw::connect(&service).await;
    // Both at once, so that the first answer may still be unwritten when the stream begins.
    let first = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
    reader
        .send(format!("{first}{}", request("GET", "1.1")))
        .await;
    let text = reader.until(HEARTBEAT).await;
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("\"status\":\"ok\""));
    service.click("s1", "u1", "Save").await;
    reader.until("User clicked Save on the team page").await;
    service.tell_to_stop();
    let text = reader.until("0\r\n\r\n").await;
    assert!(text.contains("retry: "), "{text}");
    assert!(reader.answer().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn older_clients_get_a_stream_without_chunks_and_a_probe_gets_its_head() {
    let service = frozen().await;
    let mut old = Raw::connect(&service).await;
    old.send(request("GET", "1.0")).await;
    let text = old.until(HEARTBEAT).await;
    assert!(text.ends_with(&format!("\r\n\r\n{HEARTBEAT}")), "{text}");
    assert!(!text.contains("chunked"));
    let mut probe = Raw::connect(&service).await;
    probe.send(request("HEAD", "1.1")).await;
    assert_eq!(probe.answer().await.expect("a head").status, 200);
    assert_eq!(probe.get("/healthz").await.status, 200, "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_sends_ahead_does_no_harm() {
    let service = Service::with(Setup::with("CONNECTOR__FEED__HEARTBEAT_MS", "20")).await;
    let mut reader = Raw::connect(&service).await;
    reader.send(request("GET", "1.1")).await;
    reader.until(HEARTBEAT).await;
    reader.send("x".repeat(100_000)).await;
    reader.until(HEARTBEAT).await;
    service.click("s1", "u1", "Save").await;
    reader.until("User clicked Save on the team page").await;
    let gauge = &service.metrics.stream_subscribers;
    assert_eq!(gauge.with_label_values(&["acme"]).get(), 1);
    drop(reader);
    reads("its end is noticed at a heartbeat", 0, || {
        gauge.with_label_values(&["acme"]).get()
    })
    .await;
}
