//! Bad input gets a precise problem document, a counter, and harms nothing around it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{SECRET, Service, Setup, click, json_of};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

async fn post(
    service: &Service,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (u16, Value) {
    let mut request = service
        .client
        .post(format!("{}{path}", service.url))
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().expect("text").to_owned());
    let problem = json_of(answer).await;
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["error"], problem["code"]);
        assert!(problem["detail"].is_string() && problem["title"].is_string());
        assert!(
            !problem.to_string().contains("canary"),
            "nothing of the body comes back"
        );
    }
    (status, problem)
}

const PLAIN: &[(&str, &str)] = &[("x-posthog-secret", SECRET)];
const GZIPPED: &[(&str, &str)] = &[("x-posthog-secret", SECRET), ("content-encoding", "gzip")];
const BROTLI: &[(&str, &str)] = &[("x-posthog-secret", SECRET), ("content-encoding", "br")];
const SIGNED: &[(&str, &str)] = &[("x-posthog-secret", "sha256=00ff")];
const EMPTY: &[(&str, &str)] = &[("x-posthog-secret", "")];
const NOTHING: &[(&str, &str)] = &[];

/// Posts to where activity goes: headers, body, and the answer they deserve.
fn wrong_activity() -> Vec<Wrong> {
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bomb = gzip(&vec![b'0'; 200 << 20]);
    let acme = "/webhook/acme";
    vec![
        wrong(acme, PLAIN, "", 400, "invalid_json"),
        wrong(acme, PLAIN, "{\"event\":\"canary", 400, "invalid_json"),
        wrong(acme, PLAIN, nested, 400, "invalid_json"),
        wrong(acme, PLAIN, " ".repeat(10 << 20), 413, "payload_too_large"),
        wrong(acme, PLAIN, "[1, 2, 3, 4]", 413, "payload_too_large"),
        wrong(acme, GZIPPED, "canary", 400, "invalid_gzip"),
        wrong(acme, GZIPPED, bomb, 413, "payload_too_large"),
        wrong(acme, BROTLI, "{}", 415, "unsupported_encoding"),
        wrong(acme, SIGNED, "{}", 401, "unauthorized"),
        wrong(acme, EMPTY, "{}", 401, "unauthorized"),
        wrong(acme, NOTHING, "{}", 401, "unauthorized"),
        wrong("/webhook/nobody", PLAIN, "{}", 404, "product_not_found"),
    ]
}

fn wrong_elsewhere() -> Vec<Wrong> {
    let link = "/sessions/link";
    let gone = "sessions_start_removed";
    vec![
        wrong(link, NOTHING, "canary", 400, "invalid_json"),
        wrong(link, NOTHING, "{\"product_id\":7}", 400, "missing_field"),
        wrong("/sessions/start", NOTHING, "", 410, gone),
        wrong("/nothing", NOTHING, "", 404, "not_found"),
        wrong("/healthz", NOTHING, "", 405, "method_not_allowed"),
    ]
}

/// A request and the refusal it deserves.
struct Wrong {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn wrong(
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<Vec<u8>>,
    status: u16,
    code: &'static str,
) -> Wrong {
    Wrong {
        path,
        headers,
        body: body.into(),
        status,
        code,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_being_wrong_has_its_status_and_is_counted() {
    let service = Service::with(Setup::with("CONNECTOR__HTTP__EVENTS_MAX", "3")).await;
    for case in wrong_activity().into_iter().chain(wrong_elsewhere()) {
        let (path, code) = (case.path, case.code);
        let counter = service.metrics.problems.with_label_values(&[code]);
        let before = counter.get();
        let (status, problem) = post(&service, path, case.headers, case.body).await;
        assert_eq!(status, case.status, "{path}: {problem}");
        assert_eq!(problem["code"], code, "{path}");
        assert_eq!(counter.get(), before + 1, "{code} is counted");
    }
    let fine = click("s1", "u1", "Fine").to_string();
    let (status, _) = post(&service, "/webhook/acme", PLAIN, fine.into_bytes()).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_events_of_a_bad_batch_are_kept() {
    let service = Service::start().await;
    let body = br#"{"batch":[
        {"event":"$pageview","distinct_id":"u","properties":{"$session_id":"s1","$current_url":"https://x.example/one"}},
        7, null, [], {"event":{"deep":{}}}, {"event":"$pageview"}, "text",
        {"event":"$autocapture","properties":{"$event_type":["click"],"$session_id":{"a":1}}},
        {"event":"$pageview","distinct_id":"u","properties":{"$session_id":"s1","$current_url":"https://x.example/two","title":"lone \ud83d surrogate and \u0000"}}
    ]}"#;
    let answer = service.post_raw("/webhook/acme", body.to_vec()).await;
    assert_eq!(answer.status(), 200);
    let counts = json_of(answer).await;
    assert_eq!(
        (&counts["received"], &counts["actions"]),
        (&json!(9), &json!(2))
    );
    let mut feed = service.listen("?since=0-0", &[]).await;
    let told = feed.next_actions(2).await;
    assert_eq!(
        told,
        ["User landed on the one page", "User landed on the two page"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_utf8_and_gzip_members_are_read_as_far_as_they_make_sense() {
    let service = Service::start().await;
    let mut body = br#"{"event":"$pageview","session_id":"s1","distinct_id":"u","current_url":"https://x.example/caf"#.to_vec();
    body.push(0xe9);
    body.extend_from_slice(br#""}"#);
    assert_eq!(service.post_raw("/webhook/acme", body).await.status(), 200);

    let plain = click("s1", "u1", "Zipped").to_string();
    let request = service.client.post(format!("{}/webhook/acme", service.url));
    let request = request
        .header("x-posthog-secret", SECRET)
        .header("content-encoding", "gzip");
    let answer = request
        .body(gzip(plain.as_bytes()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(json_of(answer).await["actions"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_many_times_too_large_in_one_piece_is_refused_like_any_other() {
    let service = Service::with(Setup::with("CONNECTOR__HTTP__BODY_BYTES_MAX", "10")).await;
    let body = click("s1", "u1", "Save").to_string().into_bytes();
    let (status, problem) = post(&service, "/webhook/acme", PLAIN, body).await;
    assert_eq!(
        (status, &problem["code"]),
        (413, &json!("payload_too_large"))
    );
    assert_eq!(service.metrics.bodies_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_never_taken_down_by_ids_of_any_kind() {
    let service = Service::start().await;
    for session in ["", "a/b", "🎉|x@y:z", "%00", "..", &"x".repeat(9000)] {
        let answer = service
            .post("/webhook/acme", &click(session, "u1", "Odd"))
            .await;
        assert_eq!(answer.status(), 200, "{session}");
    }
    let shown = service.get("/sessions/acme/a%2Fb").await;
    assert_eq!(json_of(shown).await["session_id"], "a/b");
    assert_eq!(service.get("/sessions/acme/unknown").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_trickles_in_for_too_long_is_ended_with_a_reason() {
    let setup = Setup::with("CONNECTOR__HTTP__REQUEST_TIMEOUT_MS", "200");
    let service = Service::with(setup).await;
    let address = service
        .url
        .strip_prefix("http://")
        .expect("a plain address");
    let mut slow = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST /webhook/acme HTTP/1.1\r\nHost: {address}\r\nX-PostHog-Secret: {SECRET}\r\n\
         Content-Length: 1000\r\n\r\n{{\"event\""
    );
    slow.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 4096];
    let length = slow.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.starts_with("http/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after:") && answer.contains("\"code\":\"timeout\""));
}
