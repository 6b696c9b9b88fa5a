//! Push targets as rows name them.

use event_connector::product::{Catalogue, Product, Risk};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;

/// The product of a row, or what is wrong with it.
fn read(row: &Value) -> Result<Arc<Product>, Vec<String>> {
    let mut row = row.clone();
    row["product_id"] = json!("p");
    row["secret"] = json!("0123456789abcdef");
    let catalogue = Catalogue::parse(&json!([row]).to_string()).expect("a list");
    let problems = &catalogue.problems;
    if problems.is_empty() {
        Ok(Arc::clone(
            catalogue.products().next().expect("one product"),
        ))
    } else {
        Err(problems
            .iter()
            .map(|problem| format!("{} {}", problem.pointer, problem.text))
            .collect())
    }
}

fn config(integration: &str, config: Value) -> Value {
    json!({"integration_type": integration, "integration_config": config})
}

#[test]
fn every_form_of_a_row_gives_the_same_target() {
    let own = json!({"mode": "push", "url": "https://a.example/in", "secret": "0123456789abcdef"});
    let webhook = json!({"url": "https://a.example/in", "secret": "0123456789abcdef"});
    let forward = json!({
        "forward_url": "https://a.example/in", "forward_secret": "0123456789abcdef"
    });
    let with = |integration: &str, more: Value| {
        let mut row = forward.clone();
        row["integration_type"] = json!(integration);
        row["integration_config"] = more;
        row
    };
    let intercom = json!({"access_token": "a", "admin_id": "1"});
    for row in [
        config("event_stream", own.clone()),
        config("webhook", webhook.clone()),
        forward.clone(),
        with("webhook", webhook),
        with("event_stream", own),
        with("event_stream", json!({"mode": "push"})),
        with("event_stream", json!({})),
        with("intercom", intercom),
    ] {
        let product = read(&row).unwrap_or_else(|wrong| panic!("{row}: {wrong:?}"));
        let push = product.push.as_ref().unwrap_or_else(|| panic!("{row}"));
        assert_eq!(push.url.url().as_str(), "https://a.example/in", "{row}");
        assert_eq!(push.secret.expose_secret(), "0123456789abcdef", "{row}");
        assert!(product.notices.is_empty(), "{row}: {:?}", product.notices);
        assert!(!Risk::of(&product).contains(&Risk::ShortPushSecret));
    }
}

#[test]
fn a_product_that_does_not_ask_for_pushes_has_no_target() {
    for row in [
        json!({}),
        config("event_stream", json!({"mode": "sse"})),
        config("webhook", json!({"secret": "s"})),
        config("zendesk", json!({"url": "no address", "secret": "s"})),
    ] {
        let product = read(&row).unwrap_or_else(|wrong| panic!("{row}: {wrong:?}"));
        assert!(
            product.push.is_none() && product.notices.is_empty(),
            "{row}"
        );
    }
    let pulled = read(&config("event_stream", json!({"url": "https://a.example"})));
    let expected = ["integration_config.url has no effect unless integration_config.mode is push"];
    assert_eq!(pulled.expect("a good row").notices, expected);
}

#[test]
fn what_is_wrong_with_a_target_is_said_at_its_place_and_all_at_once() {
    let wrong = |row: Value| read(&row).expect_err("a bad row");
    assert_eq!(
        wrong(config("event_stream", json!({"mode": "push"}))),
        ["/0/integration_config/url is required"]
    );
    assert_eq!(
        wrong(json!({
            "integration_type": "event_stream", "forward_url": "ftp://a.example",
            "integration_config": {
                "mode": "push", "url": "a.example", "max_retries": -1, "push_timeout_s": 0
            }
        })),
        [
            "/0/forward_url must begin with https://",
            "/0/forward_secret is required: what is sent there is signed with it",
            "/0/integration_config/max_retries must be a whole number from 0 to 1000",
            "/0/integration_config/push_timeout_s must be more than 0",
            "/0/integration_config/url must be an address such as https://hooks.example.org/events",
            "/0/integration_config/secret is required: what is sent there is signed with it",
        ]
    );
    let two = json!({
        "forward_url": "https://a.example", "forward_secret": "s",
        "integration_config": {"url": "https://a.example", "secret": "t"}
    });
    assert_eq!(
        wrong(two),
        [
            "/0/forward_url names another target, or forward_secret another secret, than \
          integration_config; a product has one push target"
        ]
    );
}

#[test]
fn an_address_that_cannot_be_meant_is_refused() {
    for url in [
        "https://",
        "https://user@a.example",
        "https://user:pw@a.example",
        "https://:pw@a.example",
        "https://a.example/#part",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://a.example:99999/",
        "https://256.0.0.1/",
        "https://a b.example/",
        "//a.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://a.example/",
        "unix:/run/docker.sock",
    ] {
        let row = config("webhook", json!({"url": url, "secret": "s"}));
        let wrong = read(&row).expect_err(url);
        assert_eq!(wrong.len(), 1, "{url}: {wrong:?}");
        assert!(!wrong[0].contains("pw"), "{wrong:?}");
    }
}

#[test]
fn what_is_not_safe_about_a_target_is_a_risk() {
    let row = config(
        "webhook",
        json!({"url": "http://a.example", "secret": "short"}),
    );
    let product = read(&row).expect("a good row");
    let risks = Risk::of(&product);
    assert!(risks.contains(&Risk::PlainPush) && risks.contains(&Risk::ShortPushSecret));
    let text = format!("{:?}", product.push);
    assert!(!text.contains("short"), "{text}");
}

#[test]
fn a_secret_that_no_library_decodes_is_noticed() {
    let notices = |secret: &str| {
        let row = config(
            "webhook",
            json!({"url": "https://a.example", "secret": secret}),
        );
        read(&row).expect("a good row").notices.clone()
    };
    assert_eq!(notices("whsec_acme_5c1f0a77").len(), 1);
    assert!(notices("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_empty());
    assert!(notices("0123456789abcdef").is_empty());
}
