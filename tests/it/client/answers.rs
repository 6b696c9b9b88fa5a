//! A connector and whatever answers it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use event_connector::client::{Connector, Credential, Error};
use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const KEY: &str = "canary-5c1f0a77";

/// What one request was: its line, its key, its body.
type Asked = Arc<Mutex<Vec<(String, Option<String>, String)>>>;

/// Answers every request alike, and remembers it.
struct Somebody {
    url: String,
    asked: Asked,
    tasks: Tasks,
}

impl Somebody {
    async fn who_answers(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let (tasks, asked) = (Tasks::new(), Asked::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let status = StatusCode::from_u16(status).expect("a status");
        let mut answer = HeaderMap::new();
        for (name, value) in headers {
            answer.insert(*name, value.parse().expect("a value"));
        }
        let answer = (status, answer, body.to_owned());
        let routes = Router::new()
            .fallback(remember)
            .with_state((Arc::clone(&asked), answer));
        tasks.spawn("somebody", async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { url, asked, tasks }
    }

    fn connector(&self) -> Connector {
        Connector::new(Clock::system(), &self.url, &admin()).expect("a connector")
    }

    /// What it answers a connector; never with the key in it.
    async fn refuses(&self) -> Error {
        let answered = self.connector().get(&["deliveries"], &[]).await;
        let error = answered.expect_err("no success");
        let said = format!("{error} {error:?} {:?}", error.advice());
        assert!(!said.contains(KEY), "{said}");
        error
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn remember(
    State((asked, answer)): State<(Asked, (StatusCode, HeaderMap, String))>,
    request: Request,
) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let key = request.headers().get("x-admin-key");
    let key = key.map(|key| key.to_str().expect("text").to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
    let body = String::from_utf8(body.expect("a body").to_vec()).expect("text");
    asked.lock().expect("whole").push((line, key, body));
    answer.into_response()
}

fn admin() -> Credential {
    Credential::AdminKey(KEY.to_owned().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_sent_as_they_were_asked_for_and_answered_with_json() {
    let somebody = Somebody::who_answers(200, &[], "{\"a\":1}").await;
    let under = format!("{}/below/", somebody.url);
    let connector = Connector::new(Clock::system(), &under, &admin()).expect("a connector");
    let query = [("since".to_owned(), "a b&c".to_owned())];
    let got = connector.get(&["stream", "a/b?c d"], &query).await;
    assert_eq!(got.expect("an answer"), json!({"a": 1}));
    let body = json!({"b": [2]});
    connector
        .post(&["x"], Some(&body))
        .await
        .expect("an answer");
    connector.patch(&["x"], &body).await.expect("an answer");
    connector.delete(&["x"]).await.expect("an answer");
    let asked = somebody.asked.lock().expect("whole").clone();
    let lines: Vec<_> = asked.iter().map(|(line, _, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /below/stream/a%2Fb%3Fc%20d?since=a+b%26c",
            "POST /below/x",
            "PATCH /below/x",
            "DELETE /below/x",
        ]
    );
    assert!(asked.iter().all(|(_, key, _)| key.as_deref() == Some(KEY)));
    assert_eq!(asked[2].2, body.to_string());
    assert!(!format!("{connector:?}").contains(KEY));

    let silent = Somebody::who_answers(204, &[], "").await;
    let gone = silent.connector().delete(&["x"]).await;
    assert_eq!(gone.expect("an answer"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_document_is_carried_with_every_mistake_and_what_to_do() {
    let document = json!({
        "type": "urn:x", "title": "Unprocessable", "status": 422, "code": "invalid_product",
        "detail": "two\u{1b}[2J mistakes",
        "errors": [{"pointer": "/a", "detail": "is missing"}, {"pointer": "/b/0", "detail": "is none"}],
    });
    let somebody = Somebody::who_answers(422, &[], &document.to_string()).await;
    let error = somebody.refuses().await;
    let at = &somebody.url;
    assert_eq!(
        error.to_string(),
        format!("{at} answered 422: two\u{fffd}[2J mistakes\n  /a: is missing\n  /b/0: is none")
    );
    let Error::Refused(refusal) = error else {
        panic!("{error}");
    };
    assert_eq!(refusal.code, "invalid_product");
    assert!(refusal.is_mistake() && !refusal.is_temporary());
    assert_eq!(refusal.errors[1].pointer, "/b/0");

    let advices = [
        (401, "unauthorized", "CONNECTOR_ADMIN_KEY to the key"),
        (403, "admin_key_unset", "where the service runs"),
        (404, "not_found", "--url"),
        (404, "product_not_found", "spelling"),
        (503, "store_unavailable", "try again in 7 s"),
    ];
    for (status, code, advice) in advices {
        let document = json!({"code": code, "detail": "no"}).to_string();
        let somebody = Somebody::who_answers(status, &[("retry-after", "7")], &document).await;
        let said = somebody.refuses().await.advice().expect("an advice");
        assert!(said.contains(advice), "{status} {code}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_a_refusal_repeats_are_masked() {
    let nested = json!([{"msg": "no", "input": {"Webhook_Secret": "canary", "mcp_key": "canary", "name": "Ada"}}]);
    for detail in [nested.clone(), nested.to_string().into()] {
        let errors = json!([{"pointer": "/a", "detail": {"owner_token": ["canary"]}}]);
        let document = json!({"detail": detail, "errors": errors});
        let somebody = Somebody::who_answers(422, &[], &document.to_string()).await;
        let said = somebody.refuses().await.to_string();
        assert!(!said.contains("canary"), "{said}");
        assert!(said.contains("Ada") && said.contains("/a: "), "{said}");
    }

    // The key itself, wherever it is repeated: nobody calls it by a name.
    let detail = format!("{KEY} is no key, nor is \"{KEY}\"");
    let echo = json!({"code": KEY, "detail": detail}).to_string();
    let somebody = Somebody::who_answers(403, &[], &echo).await;
    let said = somebody.refuses().await.to_string();
    let masked = "[REDACTED] is no key, nor is \"[REDACTED]\"";
    assert!(said.ends_with(masked), "{said}");
    let bearer = Credential::Bearer(KEY.to_owned().into());
    let subscriber = Connector::new(Clock::system(), &somebody.url, &bearer).expect("a connector");
    let refused = subscriber.get(&["x"], &[]).await.expect_err("no success");
    assert!(refused.to_string().ends_with(masked), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_are_told_from_a_service_and_get_no_second_request() {
    let page = "<html>".repeat(1000);
    let proxy = Somebody::who_answers(502, &[], &page).await;
    let error = proxy.refuses().await;
    assert_eq!(error.to_string(), format!("{} answered 502", proxy.url));
    assert!(error.is_temporary());

    let site = Somebody::who_answers(200, &[], &page).await;
    let said = site.refuses().await.to_string();
    assert!(said.ends_with("something that is no JSON"), "{said}");

    let flood = Somebody::who_answers(200, &[], &"x".repeat(17 << 20)).await;
    let said = flood.refuses().await.to_string();
    assert!(said.ends_with("more than 16 MiB"), "{said}");

    // A key never follows a redirect.
    let other = Somebody::who_answers(200, &[], "{}").await;
    let moved = Somebody::who_answers(307, &[("location", &other.url)], "").await;
    let advice = moved.refuses().await.advice().expect("an advice");
    assert!(advice.contains(&other.url), "{advice}");
    assert!(other.asked.lock().expect("whole").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_keys_that_cannot_be_used_are_refused_without_being_repeated() {
    let connector = |url: &str, key: &str| {
        let key = Credential::Bearer(key.to_owned().into());
        Connector::new(Clock::system(), url, &key).map(|connector| connector.at().to_owned())
    };
    for url in [
        "",
        "127.0.0.1:8080",
        "ftp://x",
        "http://",
        "http://me:canary@x",
        "http://canary@x",
        "http://x?canary=1",
        "http://x#canary",
    ] {
        let error = connector(url, "key").expect_err("no address");
        assert_eq!(error, Error::Address, "{url}");
        assert!(!format!("{error} {:?}", error.advice()).contains("canary"));
    }
    assert_eq!(connector("http://x", "a\nb"), Err(Error::Credential));
    let at = connector(" http://x:81/y/ ", " key\n");
    assert_eq!(at.as_deref(), Ok("http://x:81/y"));
    let nobody = Connector::new(Clock::system(), "http://127.0.0.1:1", &admin());
    let nobody = nobody.expect("a connector").get(&["x"], &[]).await;
    let error = nobody.expect_err("no answer");
    assert_eq!(error, Error::NobodyListens("http://127.0.0.1:1".to_owned()));
}
