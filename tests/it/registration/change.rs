//! Products shown, changed and removed.

use std::time::Duration;

use event_connector::clock::Clock;
use serde_json::json;

use super::{named, open, operate, post_click, project, register, registered, send, text};
use crate::support::{ADMIN_KEY, Service, Setup, Stream, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn products_are_listed_with_who_wrote_them() {
    let service = Service::start().await;
    registered(&service, &project("48211")).await;
    let listed = operate(&service, "GET", "/products", &json!({})).await;
    assert_eq!(listed["count"], 2);
    let sources: Vec<_> = listed["products"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|product| text(product, "/source"))
        .collect();
    assert_eq!(sources, ["list", "registered"]);
    assert_eq!(listed["products"][1]["provider"], "posthog");
    assert_eq!(listed["products"][1]["provider_project_id"], "48211");
    let (status, _) = send(&service, "GET", "/products", Some("guess"), &json!({})).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn products_of_the_list_are_shown_and_not_changed() {
    let service = Service::start().await;
    let shown = operate(&service, "GET", "/products/acme", &json!({})).await;
    assert_eq!(shown["source"], "list");
    assert_eq!(shown["integration_config"]["access_token"], "[redacted]");
    let body = json!({"name": "x"});
    for (method, path) in [
        ("PATCH", "/products/acme"),
        ("DELETE", "/products/acme"),
        ("POST", "/products/acme/rotate"),
        ("POST", "/products/acme/keys"),
    ] {
        let (status, answer) = send(&service, method, path, Some(ADMIN_KEY), &body).await;
        assert_eq!(
            (status, text(&answer, "/code")),
            (409, "product_in_list"),
            "{method} {path}"
        );
    }
    let (status, answer) = register(&service, &named("acme")).await;
    assert_eq!((status, text(&answer, "/code")), (409, "product_in_list"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_lays_members_over_the_configuration_and_is_in_force_at_once() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let path = "/products/northwind";
    let patch =
        json!({"name": "Northwind", "integration_config": {"wording": "quoted", "my_own": "kept"}});
    let shown = operate(&service, "PATCH", path, &patch).await;
    assert_eq!(shown["name"], "Northwind");
    assert_eq!(
        shown["integration_config"]["mode"], "sse",
        "what is not named stays"
    );
    assert_eq!(shown["integration_config"]["wording"], "quoted");
    let notices = shown["notices"].to_string();
    assert!(notices.contains("my_own"), "{notices}");
    let mut stream = Stream::new(open(&service, "northwind", "", "wh_northwind_5c1f0a77").await);
    assert_eq!(
        post_click(&service, "northwind", "wh_northwind_5c1f0a77", "Save").await,
        200
    );
    assert_eq!(
        stream.next_event().await.told(),
        ["The user clicked 'Save' on the team page"]
    );
    let removed = json!({"integration_config": {"wording": null, "my_own": null}});
    let shown = operate(&service, "PATCH", path, &removed).await;
    assert_eq!(shown["integration_config"], json!({"mode": "sse"}));

    let wrong = json!({
        "webhook_secret": "x",
        "product_id": "y",
        "integration_config": {"wording": "loud", "bin_seconds": -1},
    });
    let (status, answer) = send(&service, "PATCH", path, Some(ADMIN_KEY), &wrong).await;
    assert_eq!(status, 422);
    let errors = answer["errors"].as_array().expect("a list").iter();
    let mut pointers: Vec<_> = errors.map(|error| text(error, "/pointer")).collect();
    pointers.sort_unstable();
    let expected = [
        "/integration_config/bin_seconds",
        "/integration_config/wording",
        "/product_id",
        "/webhook_secret",
    ];
    assert_eq!(pointers, expected);
    let shown = operate(&service, "GET", path, &json!({})).await;
    assert_eq!(
        shown["integration_config"],
        json!({"mode": "sse"}),
        "nothing of it is in force"
    );
    let (status, _) = send(
        &service,
        "PATCH",
        "/products/nobody",
        Some(ADMIN_KEY),
        &patch,
    )
    .await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_product_is_gone_for_everybody_and_comes_back_for_its_owner() {
    let service = Service::start().await;
    let first = registered(&service, &project("48211")).await;
    let (id, secret) = (text(&first, "/product_id"), text(&first, "/webhook_secret"));
    let mut stream = Stream::new(open(&service, id, "", text(&first, "/unkey_key")).await);
    assert_eq!(post_click(&service, id, secret, "Save").await, 200);
    stream.next_event().await;
    let path = format!("/products/{id}");
    let answer = operate(&service, "DELETE", &path, &json!({})).await;
    assert_eq!(answer, json!({"status": "deleted", "product_id": id}));
    while let Some(event) = stream.next().await {
        assert_eq!(event.data, "", "nothing but a heartbeat");
    }
    assert_eq!(post_click(&service, id, secret, "Save").await, 404);
    let (status, _) = send(&service, "DELETE", &path, Some(ADMIN_KEY), &json!({})).await;
    assert_eq!(status, 404);
    let (status, _) = register(&service, &project("48211")).await;
    assert_eq!(status, 403, "it is still somebody's");
    let mut own = project("48211");
    own["owner_token"] = first["credentials"]["owner_token"].clone();
    let second = registered(&service, &own).await;
    assert_eq!(text(&second, "/product_id"), id);
    let secret = text(&second, "/webhook_secret");
    assert_eq!(post_click(&service, id, secret, "Save").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_long_ago_goes_with_all_it_had() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__REGISTRATION__PURGE_AFTER_S", "3600")
    };
    let service = Service::with(setup).await;
    let first = registered(&service, &project("48211")).await;
    let (id, secret) = (text(&first, "/product_id"), text(&first, "/webhook_secret"));
    assert_eq!(post_click(&service, id, secret, "Save 4711").await, 200);
    operate(&service, "DELETE", &format!("/products/{id}"), &json!({})).await;
    let listed = async || operate(&service, "GET", "/products", &json!({})).await;
    assert_eq!(listed().await["count"], 2);
    let mut own = project("48211");
    own["owner_token"] = first["credentials"]["owner_token"].clone();
    eventually("it is gone", || async {
        hand.advance(Duration::from_secs(3600));
        match &listed().await["count"] {
            count if *count == 1 => Ok(()),
            count => Err(count.clone()),
        }
    })
    .await;
    let second = registered(&service, &own).await;
    assert_ne!(text(&second, "/product_id"), id, "a new one");
    let product = id.into();
    let feed = service.store.feed(
        &product,
        event_connector::domain::log::Offset::default(),
        10,
    );
    assert!(feed.await.expect("readable").entries.is_empty());
    assert!(second["credentials"]["owner_token"].is_string());
}
