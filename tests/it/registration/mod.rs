//! Products registered over real HTTP: who may, what is issued, and what it opens.

mod at_rest;
mod change;
mod commands;
mod keys;
mod logs;
mod secrets;
mod shared;
mod unkey;
mod who;

use serde_json::{Value, json};

use crate::support::{ADMIN_KEY, Service, Setup, Stream, click, json_of};

/// A registration of the current form.
fn project(id: &str) -> Value {
    json!({
        "provider": "posthog",
        "provider_project_id": id,
        "contact_email": "ops@northwind.example",
    })
}

/// A registration of the first form.
fn named(id: &str) -> Value {
    json!({
        "product_id": id,
        "contact_email": "ops@northwind.example",
        "webhook_secret": "wh_northwind_5c1f0a77",
        "integration_type": "event_stream",
        "integration_config": {"mode": "sse"},
        "forward_url": "",
        "forward_secret": "",
        "force_reregister": false,
    })
}

/// Uses no connection twice: where time is moved by hand the service may just be closing it.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0);
    builder.build().expect("a client")
}

/// Posts a registration; answers the status and what it says.
async fn register(service: &Service, body: &Value) -> (u16, Value) {
    send(service, "POST", "/products", None, body).await
}

/// The same, which is taken.
async fn registered(service: &Service, body: &Value) -> Value {
    let (status, answer) = register(service, body).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

/// Asks as whoever has `key`; answers the status and what it says.
async fn send(
    service: &Service,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: &Value,
) -> (u16, Value) {
    let method = method.parse().expect("a method");
    let mut request = client().request(method, format!("{}{path}", service.url));
    if let Some(key) = key {
        request = request.header("x-admin-key", key);
    }
    let answer = request
        .body(body.to_string())
        .send()
        .await
        .expect("an answer");
    (answer.status().as_u16(), json_of(answer).await)
}

/// Asks as an operator, and is answered 2xx.
async fn operate(service: &Service, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = send(service, method, path, Some(ADMIN_KEY), body).await;
    assert!((200..300).contains(&status), "{method} {path}: {answer}");
    answer
}

/// Posts a click to a product with a secret; answers the status.
async fn post_click(service: &Service, product: &str, secret: &str, label: &str) -> u16 {
    let request = client().post(format!("{}/ingest/{product}", service.url));
    let request = request
        .bearer_auth(secret)
        .body(click("s1", "u1", label).to_string());
    request.send().await.expect("an answer").status().as_u16()
}

/// Asks for the stream with a key; answers as it is.
async fn open(service: &Service, product: &str, query: &str, key: &str) -> reqwest::Response {
    let request = client().get(format!("{}/stream/{product}{query}", service.url));
    request.bearer_auth(key).send().await.expect("an answer")
}

/// The text of a member.
fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    let value = answer.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("{pointer} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_issued_opens_what_it_is_for() {
    let service = Service::start().await;
    let answer = registered(&service, &project("48211")).await;
    let id = text(&answer, "/product_id").to_owned();
    assert!(id.starts_with("prod_"), "{id}");
    let ingest_url = text(&answer, "/setup/ingest_url");
    assert_eq!(ingest_url, format!("{}/ingest/{id}", service.url));
    let secret = text(&answer, "/credentials/ingest_secret");
    let stream_key = text(&answer, "/unkey_key");
    let mcp_key = text(&answer, "/credentials/mcp_key");
    for (label, key) in [("One", stream_key), ("Two", mcp_key), ("Three", secret)] {
        let mut stream = Stream::new(open(&service, &id, "", key).await);
        assert_eq!(post_click(&service, &id, secret, label).await, 200);
        let told = stream.next_event().await.told();
        assert_eq!(told, [format!("User clicked {label} on the team page")]);
    }
    // A key that reads does not write, and opens no other product.
    assert_eq!(post_click(&service, &id, stream_key, "Save").await, 401);
    assert_eq!(open(&service, "acme", "", stream_key).await.status(), 401);
    // Amplitude's older destination sends the stream's key.
    let amplitude = client().post(format!("{}/ingest/amplitude/{id}", service.url));
    let amplitude = amplitude
        .bearer_auth(stream_key)
        .body(json!({"events": []}).to_string());
    assert_eq!(amplitude.send().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_form_is_answered_with_all_that_its_client_reads() {
    let service = Service::start().await;
    let first = registered(&service, &named("northwind")).await;
    assert_eq!(first["webhook_secret"], "wh_northwind_5c1f0a77");
    let second = json!({
        "product_id": "contoso",
        "contact_email": "ops@contoso.example",
        "provider": "Amplitude",
        "force": false,
    });
    let second = registered(&service, &second).await;
    assert_eq!(second["provider"], "amplitude");
    let third = registered(&service, &project("7")).await;
    assert_eq!(third["provider_project_id"], "7");
    for answer in [&first, &second, &third] {
        for pointer in [
            "/product_id",
            "/webhook_secret",
            "/unkey_key",
            "/unkey_key_id",
            "/amplitude_ingest_url",
            "/stream_url",
            "/webhook_url",
            "/credentials/ingest_secret",
            "/credentials/mcp_key",
            "/credentials/owner_token",
            "/setup/ingest_url",
            "/setup/ingest_auth",
        ] {
            assert!(!text(answer, pointer).is_empty(), "{pointer} in {answer}");
        }
        assert_eq!(answer["dual_write"], true);
        assert_eq!(answer["render_sync_performed"], false);
        assert_eq!(
            answer["webhook_secret"],
            answer["credentials"]["ingest_secret"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_registration_names_every_mistake_with_its_place() {
    let service = Service::start().await;
    let cases = [
        (json!([]), vec![""]),
        (json!({}), vec!["/product_id", "/contact_email"]),
        (
            json!({"provider": "mixpanel", "provider_project_id": " ", "contact_email": "nobody"}),
            vec!["/provider", "/provider_project_id", "/contact_email"],
        ),
        (
            json!({"provider_project_id": "1", "contact_email": 7, "ingest_secret": " x "}),
            vec!["/provider", "/contact_email", "/ingest_secret"],
        ),
        (
            json!({"product_id": "a/b", "contact_email": "a@b.example", "force_reregister": "yes"}),
            vec!["/product_id", "/force_reregister"],
        ),
        (
            json!({"product_id": "p", "contact_email": "a@b.example", "ingest_secret": "a", "webhook_secret": "b"}),
            vec!["/ingest_secret"],
        ),
        (
            json!({
                "product_id": "p",
                "contact_email": "a@b.example",
                "integration_type": "intercom",
                "integration_config": {"bin_seconds": -1, "wording": "loud", "access_token": "t"},
            }),
            vec![
                "/integration_config/admin_id",
                "/integration_config/wording",
                "/integration_config/bin_seconds",
            ],
        ),
        (
            json!({"product_id": "p", "contact_email": "a@b.example", "integration_config": "x"}),
            vec!["/integration_config"],
        ),
    ];
    for (body, pointers) in cases {
        let (status, answer) = register(&service, &body).await;
        assert_eq!(status, 422, "{body}: {answer}");
        assert_eq!(answer["code"], "invalid_fields");
        let errors = answer["errors"].as_array().expect("a list").iter();
        let mut named: Vec<_> = errors.map(|error| text(error, "/pointer")).collect();
        let mut expected = pointers;
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "{body}: {answer}");
    }
    let (status, answer) = send(&service, "POST", "/products", None, &Value::Null).await;
    assert_eq!(status, 422, "{answer}");
    let torn = service.post_raw("/products", b"{".to_vec()).await;
    assert_eq!(torn.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn registered_products_are_there_after_a_restart() {
    let service = Service::start().await;
    let answer = registered(&service, &named("northwind")).await;
    let key = text(&answer, "/unkey_key").to_owned();
    let service = service.restart().await;
    let status = post_click(&service, "northwind", "wh_northwind_5c1f0a77", "Save").await;
    assert_eq!(status, 200);
    assert_eq!(open(&service, "northwind", "", &key).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_to_seal_with_nothing_is_registered() {
    let service = Service::with(Setup::with("CONNECTOR_SECRETS_KEY", "")).await;
    let (status, answer) = register(&service, &project("1")).await;
    assert_eq!((status, text(&answer, "/code")), (503, "secrets_key_unset"));
}
