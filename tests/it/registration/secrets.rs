//! Where secrets must not be.

use serde_json::{Value, json};

use super::{named, operate, project, registered, text};
use crate::support::{Service, eventually};

/// Secrets that an operator or applicant brings along.
const PLANTED: [&str; 5] = [
    "planted_webhook_91c2f7",
    "planted_access_91c2f7",
    "planted_client_91c2f7",
    "planted_unknown_91c2f7",
    "planted_forward_91c2f7",
];

fn planted() -> Value {
    let mut body = named("northwind");
    body["webhook_secret"] = PLANTED[0].into();
    body["integration_type"] = "intercom".into();
    body["integration_config"] = json!({
        "access_token": PLANTED[1],
        "admin_id": "7",
        "client_secret": PLANTED[2],
        "something_of_mine": PLANTED[3],
    });
    body["forward_secret"] = PLANTED[4].into();
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_again_or_stands_in_the_store_in_clear() {
    let service = Service::start().await;
    let named = registered(&service, &planted()).await;
    let issued = registered(&service, &project("48211")).await;
    let id = text(&issued, "/product_id");
    let mut secrets: Vec<&str> = PLANTED.to_vec();
    for answer in [&named, &issued] {
        for pointer in [
            "/webhook_secret",
            "/unkey_key",
            "/credentials/mcp_key",
            "/credentials/owner_token",
        ] {
            secrets.push(text(answer, pointer));
        }
    }
    let mut seen = String::new();
    for path in [
        "/products".to_owned(),
        "/products/northwind".to_owned(),
        "/products/northwind/keys".to_owned(),
        format!("/products/{id}"),
        "/readyz".to_owned(),
        "/metrics".to_owned(),
    ] {
        let answer = service.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}");
        seen += &answer.text().await.expect("text");
    }
    seen += &operate(
        &service,
        "PATCH",
        "/products/northwind",
        &json!({"name": "x"}),
    )
    .await
    .to_string();
    for secret in secrets {
        assert!(!seen.contains(secret), "{secret} is shown in {seen}");
        assert_eq!(service.files_with(secret), Vec::<String>::new(), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_sealed_with_another_key_is_told_and_harms_no_other() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let listed = async |service: &Service| {
        let listed = operate(service, "GET", "/products", &json!({})).await;
        listed["products"][1].clone()
    };
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let service = service.restart_with("CONNECTOR_SECRETS_KEY", key).await;
    let shown = listed(&service).await;
    assert!(
        text(&shown, "/error").contains("another secrets.key"),
        "{shown}"
    );
    assert_eq!(
        super::post_click(&service, "northwind", "wh_northwind_5c1f0a77", "A").await,
        404
    );
    assert_eq!(
        super::post_click(&service, "acme", crate::support::SECRET, "A").await,
        200
    );

    // The old one behind the new one opens it again.
    let both = format!("{key},{}", crate::support::SECRETS_KEY);
    let service = service.restart_with("CONNECTOR_SECRETS_KEY", &both).await;
    assert_eq!(
        super::post_click(&service, "northwind", "wh_northwind_5c1f0a77", "A").await,
        200
    );
    operate(
        &service,
        "PATCH",
        "/products/northwind",
        &json!({"name": "x"}),
    )
    .await;
    // What was written since needs the new one alone.
    let service = service.restart_with("CONNECTOR_SECRETS_KEY", key).await;
    assert_eq!(
        super::post_click(&service, "northwind", "wh_northwind_5c1f0a77", "A").await,
        200
    );
    eventually("it is listed", || async {
        match listed(&service).await {
            shown if shown["name"] == "x" => Ok(()),
            shown => Err(shown),
        }
    })
    .await;
}
