//! Who may register, and who may register anew.

use std::time::Duration;

use event_connector::clock::Clock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{named, operate, post_click, project, register, registered, send, text};
use crate::support::{ADMIN_KEY, Service, Setup};

/// A registration with more members.
fn with(mut body: Value, more: &Value) -> Value {
    let members = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(members);
    body
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, text(&answer.1, "/code"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_registered_anew_by_its_owner_alone() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::default()
    };
    let service = Service::with(setup).await;
    let first = registered(&service, &project("48211")).await;
    let (id, old) = (text(&first, "/product_id"), text(&first, "/webhook_secret"));
    let again = register(&service, &project("48211")).await;
    assert_eq!(code(&again), (403, "not_owner"));
    assert!(text(&again.1, "/detail").contains("owner_token"));
    let guess = with(project("48211"), &json!({"owner_token": "own_guess"}));
    assert_eq!(code(&register(&service, &guess).await), (403, "not_owner"));

    let token = text(&first, "/credentials/owner_token");
    let own = with(
        project("48211"),
        &json!({"owner_token": token, "name": "Northwind"}),
    );
    let second = registered(&service, &own).await;
    assert_eq!(text(&second, "/product_id"), id);
    assert_eq!(text(&second, "/name"), "Northwind");
    assert_eq!(second["credentials"]["owner_token"], Value::Null);
    let new = text(&second, "/webhook_secret");
    assert_ne!(old, new);
    // Both are taken until everybody has the new one.
    assert_eq!(post_click(&service, id, old, "A").await, 200);
    assert_eq!(post_click(&service, id, new, "B").await, 200);
    let keys = [text(&first, "/unkey_key"), text(&second, "/unkey_key")];
    for key in keys {
        assert_eq!(super::open(&service, id, "", key).await.status(), 200);
    }
    hand.advance(Duration::from_secs(86_401));
    assert_eq!(post_click(&service, id, old, "C").await, 401);
    assert_eq!(post_click(&service, id, new, "D").await, 200);
    assert_eq!(super::open(&service, id, "", keys[0]).await.status(), 401);
    assert_eq!(super::open(&service, id, "", keys[1]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_replaced_with_force_by_its_owner_or_an_operator() {
    let service = Service::start().await;
    let first = registered(&service, &named("northwind")).await;
    let other = |force: bool| {
        with(
            named("northwind"),
            &json!({"webhook_secret": "wh_other_5c1f0a77", "force_reregister": force}),
        )
    };
    let taken = register(&service, &other(false)).await;
    assert_eq!(code(&taken), (409, "product_exists"));
    let seized = register(&service, &other(true)).await;
    assert_eq!(code(&seized), (403, "not_owner"));
    assert_eq!(
        post_click(&service, "northwind", "wh_other_5c1f0a77", "A").await,
        401
    );

    let token = text(&first, "/credentials/owner_token");
    let own = with(other(true), &json!({"owner_token": token}));
    registered(&service, &own).await;
    assert_eq!(
        post_click(&service, "northwind", "wh_other_5c1f0a77", "A").await,
        200
    );
    // Whoever knows the present secret is no stranger either.
    registered(&service, &other(true)).await;
    let by_operator = with(named("northwind"), &json!({"force_reregister": true}));
    let (status, _) = send(&service, "POST", "/products", Some(ADMIN_KEY), &by_operator).await;
    assert_eq!(status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_registrations_at_once_one_makes_the_product() {
    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__PER_MINUTE", "100")).await;
    let body = project("48211");
    let all = join_all((0..12).map(|_| register(&service, &body))).await;
    let taken = all.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(taken, 1, "{all:?}");
    assert!(
        all.iter()
            .all(|(status, _)| [201, 403, 409].contains(status))
    );
    let listed = operate(&service, "GET", "/products", &json!({})).await;
    assert_eq!(listed["count"], 2, "acme and this one: {listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_door_takes_the_admin_key_or_the_owner_token() {
    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__MODE", "admin_key")).await;
    let refused = register(&service, &project("1")).await;
    assert_eq!(code(&refused), (401, "registration_closed"));
    let wrong = send(&service, "POST", "/products", Some("guess"), &project("1")).await;
    assert_eq!(code(&wrong), (401, "unauthorized"));
    let (status, first) = send(
        &service,
        "POST",
        "/products",
        Some(ADMIN_KEY),
        &project("1"),
    )
    .await;
    assert_eq!(status, 201);
    let token = text(&first, "/credentials/owner_token");
    registered(
        &service,
        &with(project("1"), &json!({"owner_token": token})),
    )
    .await;
    let invites = send(&service, "POST", "/invites", Some(ADMIN_KEY), &json!({})).await;
    assert_eq!(code(&invites), (409, "invitations_off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_over_a_proxy_or_from_a_page_is_not_from_this_machine() {
    let service = Service::start().await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("origin", "https://page.example"),
    ] {
        let request = super::client().post(format!("{}/products", service.url));
        let request = request.header(name, value).body(project("1").to_string());
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{name}");
    }
    registered(&service, &project("1")).await;
    for (variable, value) in [
        (
            "CONNECTOR__HTTP__PUBLIC_URL",
            "https://connector.example.org",
        ),
        ("CONNECTOR__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ] {
        let service = Service::with(Setup::with(variable, value)).await;
        let refused = register(&service, &project("1")).await;
        assert_eq!(code(&refused), (401, "registration_closed"), "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_permits_one_registration_before_it_ends() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__REGISTRATION__MODE", "invite")
    };
    let service = Service::with(setup).await;
    let invited = async |body: Value| {
        let answer = operate(&service, "POST", "/invites", &body).await;
        let url = text(&answer, "/url").to_owned();
        url.strip_prefix(&service.url)
            .expect("our address")
            .to_owned()
            + "/products"
    };
    let path = invited(json!({})).await;
    let wrong = send(&service, "POST", &path, None, &json!({"provider": "x"})).await;
    assert_eq!(
        code(&wrong),
        (422, "invalid_fields"),
        "nothing is used up by it"
    );
    let (status, _) = send(&service, "POST", &path, None, &project("1")).await;
    assert_eq!(status, 201);
    let again = send(&service, "POST", &path, None, &project("2")).await;
    assert_eq!(code(&again), (403, "invitation_invalid"));
    let without = register(&service, &project("2")).await;
    assert_eq!(code(&without), (401, "registration_closed"));

    let short = invited(json!({"expires_in_s": 60})).await;
    hand.advance(Duration::from_secs(61));
    let late = send(&service, "POST", &short, None, &project("2")).await;
    assert_eq!(code(&late), (403, "invitation_invalid"));
    let stranger = send(&service, "POST", "/invites", None, &json!({})).await;
    assert_eq!(code(&stranger), (401, "unauthorized"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_registers_so_often_a_minute_and_an_operator_as_often_as_they_like() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__REGISTRATION__PER_MINUTE", "2")
    };
    let service = Service::with(setup).await;
    for id in ["1", "2"] {
        registered(&service, &project(id)).await;
    }
    let third = register(&service, &project("3")).await;
    assert_eq!(code(&third), (429, "registration_rate"));
    let (status, _) = send(
        &service,
        "POST",
        "/products",
        Some(ADMIN_KEY),
        &project("3"),
    )
    .await;
    assert_eq!(status, 201);
    hand.advance(Duration::from_secs(60));
    registered(&service, &project("4")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_room_for_so_many_products() {
    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__PRODUCTS_MAX", "1")).await;
    let first = registered(&service, &project("1")).await;
    let second = register(&service, &project("2")).await;
    assert_eq!(code(&second), (503, "too_many_products"));
    let token = text(&first, "/credentials/owner_token");
    registered(
        &service,
        &with(project("1"), &json!({"owner_token": token})),
    )
    .await;
}
