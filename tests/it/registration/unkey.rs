//! Readers' keys that Unkey verifies: a modelled Unkey behind a real socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{client, open, text};
use crate::support::{Service, Setup, Stream, eventually, json_of};

const ROOT_KEY: &str = "unkey_root_5c1f0a77";

/// What it answers by key, and what it was asked.
#[derive(Clone, Default)]
struct Unkey(Arc<Mutex<Model>>);

#[derive(Default)]
struct Model {
    answers: HashMap<String, Value>,
    asked: Vec<String>,
    is_broken: bool,
}

impl Unkey {
    fn knows(&self, key: &str, data: Value) {
        let mut model = self.0.lock().expect("unbroken");
        model.answers.insert(key.to_owned(), data);
    }

    fn asked(&self, key: &str) -> usize {
        let model = self.0.lock().expect("unbroken");
        model.asked.iter().filter(|one| *one == key).count()
    }

    fn breaks(&self, is_broken: bool) {
        self.0.lock().expect("unbroken").is_broken = is_broken;
    }
}

async fn verify(State(unkey): State<Unkey>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let fields: Vec<_> = body.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["key"], "Unkey refuses unknown fields");
    let key = text(&body, "/key").to_owned();
    let mut model = unkey.0.lock().expect("unbroken");
    model.asked.push(key.clone());
    if model.is_broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if headers["authorization"] != format!("Bearer {ROOT_KEY}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let absent = json!({"valid": false, "code": "NOT_FOUND"});
    let data = model.answers.get(&key).cloned().unwrap_or(absent);
    Json(json!({"meta": {"requestId": "req_1"}, "data": data})).into_response()
}

/// A modelled Unkey, and a service that asks it.
async fn stage(clock: Clock) -> (Unkey, Service, Tasks) {
    let unkey = Unkey::default();
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let routes = Router::new().route("/v2/keys.verifyKey", post(verify));
    let routes = routes.with_state(unkey.clone());
    tasks.spawn("unkey", async move {
        axum::serve(listener, routes).await.expect("it serves");
    });
    let setup = Setup::with("CONNECTOR__UNKEY__BASE_URL", &format!("http://{address}"));
    let setup = Setup {
        clock,
        ..setup.and("CONNECTOR__UNKEY__ROOT_KEY", ROOT_KEY)
    };
    (unkey, Service::with(setup).await, tasks)
}

fn valid(identity: Value, meta: Value) -> Value {
    json!({"valid": true, "code": "VALID", "keyId": "key_1", "identity": identity, "meta": meta})
}

async fn status(service: &Service, key: &str) -> u16 {
    open(service, "acme", "", key).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_unkey_ties_it_to_and_nothing_else() {
    let (unkey, service, _tasks) = stage(Clock::system()).await;
    unkey.knows(
        "by identity",
        valid(json!({"id": "i", "externalId": "acme"}), json!({})),
    );
    unkey.knows("by meta", valid(Value::Null, json!({"product_id": "acme"})));
    unkey.knows(
        "of others",
        valid(json!({"id": "i", "externalId": "other"}), Value::Null),
    );
    unkey.knows("of nobody", valid(Value::Null, Value::Null));
    unkey.knows("disabled", json!({"valid": false, "code": "DISABLED"}));
    unkey.knows(
        "odd",
        json!({"valid": false, "code": "VALID", "identity": {"externalId": "acme"}}),
    );
    let mut stream = Stream::new(open(&service, "acme", "", "by identity").await);
    service.click("s1", "u1", "Save").await;
    assert_eq!(stream.next_event().await.told().len(), 1);
    assert_eq!(status(&service, "by meta").await, 200);
    for key in ["of others", "of nobody", "disabled", "odd", "unheard of"] {
        assert_eq!(status(&service, key).await, 401, "{key}");
    }
    assert_eq!(status(&service, &"k".repeat(513)).await, 401);
    assert_eq!(unkey.asked(&"k".repeat(513)), 0);
    // Its key mints tokens too, and a key of ours is nobody else's business.
    let mint = client().post(format!("{}/stream-tokens/acme", service.url));
    let mint = mint
        .bearer_auth("by meta")
        .body(json!({"user_id": "u1"}).to_string());
    assert_eq!(mint.send().await.expect("an answer").status(), 201);
    assert_eq!(status(&service, crate::support::SECRET).await, 200);
    assert_eq!(unkey.asked(crate::support::SECRET), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_one_key_costs_one_call() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let (unkey, service, _tasks) = stage(clock).await;
    unkey.knows("good", valid(json!({"externalId": "acme"}), Value::Null));
    for key in ["good", "bad"] {
        let crowd = join_all((0..40).map(|_| status(&service, key))).await;
        let expected = if key == "good" { 200 } else { 401 };
        assert!(crowd.iter().all(|status| *status == expected), "{crowd:?}");
        assert_eq!(unkey.asked(key), 1);
    }
    // What was accepted is looked at again sooner than what was refused.
    hand.advance(Duration::from_secs(11));
    assert_eq!(status(&service, "good").await, 200);
    assert_eq!(status(&service, "bad").await, 401);
    assert_eq!((unkey.asked("good"), unkey.asked("bad")), (2, 1));
    let accepted = service
        .metrics
        .unkey_verifications
        .with_label_values(&["accepted"]);
    assert_eq!(accepted.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_unkey_does_not_say_nobody_is_let_in_and_it_is_left_alone() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let (unkey, service, _tasks) = stage(clock).await;
    unkey.knows("good", valid(json!({"externalId": "acme"}), Value::Null));
    unkey.knows("much used", json!({"valid": false, "code": "RATE_LIMITED"}));
    let answer = open(&service, "acme", "", "much used").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(status(&service, "much used").await, 503);
    assert_eq!(unkey.asked("much used"), 2, "a limit is not remembered");

    unkey.breaks(true);
    for _ in 0..20 {
        let answer = open(&service, "acme", "", "good").await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(text(&json_of(answer).await, "/code"), "keys_unverifiable");
    }
    assert_eq!(unkey.asked("good"), 5, "then it was left alone");
    assert_eq!(status(&service, crate::support::SECRET).await, 200);
    unkey.breaks(false);
    assert_eq!(
        status(&service, "good").await,
        503,
        "it is still left alone"
    );
    eventually("it is asked again", || async {
        hand.advance(Duration::from_secs(10));
        match status(&service, "good").await {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(unkey.asked("good"), 6);
}
