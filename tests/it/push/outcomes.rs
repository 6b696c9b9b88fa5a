//! What becomes of a push after each kind of answer, and that nothing secret is told.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::{SECRET, pushing, row};
use crate::support::{Service, eventually, json_of};

/// The newest delivery once it is as far as that.
async fn listed(service: &Service, filters: &str) -> Value {
    eventually(filters, || async {
        let page = json_of(
            service
                .get(&format!("/deliveries?platform=push&{filters}"))
                .await,
        )
        .await;
        match page["deliveries"].get(0) {
            Some(first) => Ok(first.clone()),
            None => Err(page),
        }
    })
    .await
}

async fn history(service: &Service, delivery: &Value) -> Vec<Value> {
    let id = delivery["id"].as_str().expect("an identifier");
    let shown = json_of(service.get(&format!("/deliveries/{id}")).await).await;
    shown["history"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_2xx_is_success_and_what_cannot_help_is_a_dead_letter_at_once() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let cases = [
        (200, "delivered"),
        (204, "delivered"),
        (299, "delivered"),
        (300, "dead"),
        (302, "dead"),
        (308, "dead"),
        (400, "dead"),
        (401, "dead"),
        (403, "dead"),
        (404, "dead"),
        (413, "dead"),
        (422, "dead"),
    ];
    for (n, (status, outcome)) in cases.into_iter().enumerate() {
        receiver.script([Answer::status(status)]);
        service.click(&format!("s{n}"), "u1", "Save").await;
        let filters = format!("session_id=s{n}&status={outcome}");
        let ended = listed(&service, &filters).await;
        assert_eq!(ended["http_status"], status);
        assert_eq!(ended["attempts"], 1, "{status}");
        if outcome == "dead" {
            let error = ended["error"].as_str().expect("a text");
            assert!(
                error.starts_with(&format!("the endpoint answered {status}")),
                "{error}"
            );
        }
    }
    assert_eq!(receiver.calls().len(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_as_often_as_the_product_wants() {
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.integration["max_retries"] = json!(2);
    let service = Service::with(setup).await;
    for (n, status) in [408, 425, 500, 502, 503, 504, 599].into_iter().enumerate() {
        let before = receiver.calls().len();
        receiver.script([Answer::status(status), Answer::status(200)]);
        service.click(&format!("s{n}"), "u1", "Save").await;
        let filters = format!("session_id=s{n}&status=delivered");
        assert_eq!(listed(&service, &filters).await["attempts"], 2, "{status}");
        let calls = receiver.calls().split_off(before);
        assert_eq!(calls[0].header("webhook-id"), calls[1].header("webhook-id"));
        assert_eq!(calls[1].header("x-connector-attempt"), "2");
    }
    receiver.otherwise(Answer::status(503));
    service.click("dead", "u1", "Save").await;
    let dead = listed(&service, "session_id=dead&status=dead").await;
    assert_eq!(dead["attempts"], 3);
    assert_eq!(
        dead["error"],
        "gave up after 3 attempts: the endpoint answered 503"
    );
    let calls = history(&service, &dead).await;
    assert!(
        calls
            .iter()
            .all(|call| call["call"] == "post" && call["outcome"] == "unknown")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_for_as_long_as_it_asks_and_is_no_attempt() {
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.integration["max_retries"] = json!(0);
    let service = Service::with(setup).await;
    let later = vec![("retry-after", "1".to_owned())];
    receiver.script([Answer::Plain(429, later, String::new())]);
    service.click("s1", "u1", "Save").await;
    let done = listed(&service, "status=delivered").await;
    let calls = history(&service, &done).await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["outcome"], "limited");
    let started = |call: &Value| call["started_at"].as_f64().expect("a time");
    let pause_s = started(&calls[1]) - started(&calls[0]);
    assert!(pause_s >= 1.0, "{pause_s}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_repeated_under_the_same_id_and_a_head_is_enough() {
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.integration["push_timeout_s"] = json!(0.2);
    let service = Service::with(setup).await;
    receiver.script([Answer::Silence, Answer::Trickle, Answer::Flood]);
    service.click("s1", "u1", "Save").await;
    let done = listed(&service, "session_id=s1&status=delivered").await;
    let calls = history(&service, &done).await;
    let outcomes: Vec<_> = calls.iter().map(|call| &call["outcome"]).collect();
    assert_eq!(outcomes, ["unknown", "delivered"]);
    assert_eq!(
        calls[0]["reason"],
        "no complete answer: timed out after 200 ms"
    );
    let sent = receiver.calls();
    assert_eq!(sent[0].header("webhook-id"), sent[1].header("webhook-id"));
    service.click("s1", "u1", "Send").await;
    let flooded = eventually("the next one", || async {
        let first = listed(&service, "session_id=s1").await;
        let is_done = first["id"] != done["id"] && first["status"] == "delivered";
        if is_done { Ok(first) } else { Err(first) }
    })
    .await;
    assert_eq!(history(&service, &flooded).await[0]["http_status"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed() {
    let elsewhere = Receiver::start().await;
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    for status in [301, 302, 303, 307, 308] {
        let to = vec![("location", elsewhere.url("/in"))];
        receiver.script([Answer::Plain(status, to, String::new())]);
        service.click(&status.to_string(), "u1", "Save").await;
        listed(&service, &format!("session_id={status}&status=dead")).await;
    }
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_open_is_not_called_and_the_reason_is_shown() {
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.env.retain(|(name, _)| !name.contains("PUSH"));
    let service = Service::with(setup).await;
    let forbidden = |session: &'static str, words: &'static str| {
        let service = &service;
        async move {
            service.click(session, "u1", "Save").await;
            eventually(words, || async {
                let shown = listed(service, &format!("session_id={session}")).await;
                let error = shown["error"].as_str().unwrap_or_default();
                if error == words {
                    Ok(shown)
                } else {
                    Err(shown)
                }
            })
            .await
        }
    };
    let shown = forbidden(
        "s1",
        "the address is not https, and push.allow_http is false",
    )
    .await;
    assert_eq!(shown["status"], "waiting");
    let https = receiver.url("/in").replace("http://", "https://");
    service
        .products
        .replace(&row(&https, SECRET))
        .expect("a list");
    let words = "the address is not public, and push.allow_networks does not open it";
    forbidden("s2", words).await;
    let named = https.replace("127.0.0.1", "localhost");
    service
        .products
        .replace(&row(&named, SECRET))
        .expect("a list");
    let words = "nothing was sent: the host has an address that is not public, and \
                 push.allow_networks does not open it";
    forbidden("s3", words).await;
    assert!(receiver.calls().is_empty());
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics here").extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_log_line_record_or_metric_and_not_in_the_store() {
    const PUSH_SECRET: &str = "planted4f1c9a7e2b8d";
    const PATH: &str = "planted8e0a5d3c6f1b";
    let lines = Lines::default();
    let log = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || log.clone())
        .finish();
    // See the test of the same kind for notes: a second subscriber keeps statements from being cached as silent.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.integration["secret"] = json!(PUSH_SECRET);
    setup.integration["url"] = json!(receiver.url(&format!("/in/{PATH}?key={PATH}")));
    let service = Service::with(setup).await;
    receiver.script([
        Answer::Silence,
        Answer::status(503),
        Answer::Echo,
        Answer::status(410),
    ]);
    service
        .products
        .replace(
            &service
                .rows()
                .replace("\"mode\"", "\"push_timeout_s\":0.2,\"mode\""),
        )
        .expect("a list");
    service.click("s1", "u1", "Save").await;
    let dead = listed(&service, "session_id=s1&status=dead").await;
    let told = history(&service, &dead).await;
    let excerpt = told[2]["excerpt"].as_str().expect("the echo is told of");
    assert!(excerpt.contains("[…]"), "{excerpt}");
    service.click("s2", "u1", "Save").await;
    receiver.called(4).await;
    let tested = json_of(service.operate("/deliveries/test/acme").await).await;
    let mut seen = vec![json!(told).to_string(), tested.to_string()];
    for path in ["/deliveries?limit=50", "/metrics", "/sessions/acme/s1"] {
        seen.push(service.get(path).await.text().await.expect("text"));
    }
    seen.push(String::from_utf8(lines.0.lock().expect("lines").clone()).expect("text"));
    assert!(
        seen.last().expect("the log").contains("a push is given up"),
        "the log is read"
    );
    for planted in [PUSH_SECRET, PATH] {
        assert!(
            seen.iter().all(|text| !text.contains(planted)),
            "{planted} is told"
        );
        assert_eq!(service.files_with(planted), [""; 0], "{planted} is stored");
    }
}
