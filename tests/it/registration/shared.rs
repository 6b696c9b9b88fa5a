//! Products registered with one of several instances on one Redis.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{client, operate, project, registered, text};
use crate::redis::{OwnServer, SAFE};
use crate::support::{ADMIN_KEY, Service, Setup, Stream, click, eventually, json_of};

pub(super) async fn service_on(server: &OwnServer) -> Service {
    let store = Arc::new(server.store("shared"));
    let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis");
    let setup = setup.and("REDIS_URL", &server.url());
    // What is told is all that is seen of another instance's changes.
    let setup = setup.and("CONNECTOR__REGISTRATION__POLL_MS", "3600000");
    let setup = setup.and("CONNECTOR__REGISTRATION__PER_MINUTE", "1000");
    Service::with(Setup {
        store: Some(Box::new(move |_| store)),
        ..setup
    })
    .await
}

async fn click_at(url: &str, product: &str, secret: &str) -> u16 {
    let request = client().post(format!("{url}/ingest/{product}"));
    let request = request.bearer_auth(secret);
    let body = click("s1", "u1", "Save").to_string();
    let answer = request.body(body).send().await.expect("an answer");
    answer.status().as_u16()
}

async fn stream_at(url: &str, product: &str, key: &str) -> reqwest::Response {
    let request = client().get(format!("{url}/stream/{product}"));
    request.bearer_auth(key).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_registers_all_of_them_know_at_once() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    for number in 0..20 {
        let answer = registered(&first, &project(&number.to_string())).await;
        let (id, secret) = (
            text(&answer, "/product_id"),
            text(&answer, "/webhook_secret"),
        );
        assert_eq!(click_at(&second.url, id, secret).await, 200);
    }
    let answer = registered(&first, &project("last")).await;
    let (id, key) = (text(&answer, "/product_id"), text(&answer, "/unkey_key"));
    let mut stream = Stream::new(stream_at(&second.url, id, key).await);
    let path = format!("/products/{id}/keys/{}", text(&answer, "/unkey_key_id"));
    operate(&first, "DELETE", &path, &json!({})).await;
    while let Some(event) = stream.next().await {
        assert_eq!(event.data, "", "nothing but a heartbeat");
    }
    assert_eq!(stream_at(&second.url, id, key).await.status(), 401);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_registrations_with_several_instances_at_once_one_makes_the_product() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    for round in 0..10 {
        let body = project(&round.to_string()).to_string();
        let urls = [&first.url, &second.url, &first.url, &second.url];
        let all = join_all(urls.map(|url| {
            let request = client().post(format!("{url}/products"));
            let sent = request.body(body.clone()).send();
            async { sent.await.expect("an answer").status().as_u16() }
        }));
        let all = all.await;
        assert_eq!(
            all.iter().filter(|status| **status == 201).count(),
            1,
            "{all:?}"
        );
        assert!(
            all.iter().all(|status| [201, 403, 409].contains(status)),
            "{all:?}"
        );
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_has_lost_is_registered_again_by_who_knows_it() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let answer = registered(&first, &project("48211")).await;
    let (id, secret) = (
        text(&answer, "/product_id"),
        text(&answer, "/webhook_secret"),
    );
    server.say(&["FLUSHALL"]);
    // Another change is told, and looked for.
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    let other = client().post(format!("{}/products", second.url));
    let other = other.body(project("other").to_string()).send().await;
    assert_eq!(other.expect("an answer").status(), 201);
    eventually("it is in the store again", || async {
        let request = client().get(format!("{}/products/{id}", second.url));
        let request = request.header("x-admin-key", ADMIN_KEY);
        let answer: Value = json_of(request.send().await.expect("an answer")).await;
        match &answer["provider_project_id"] {
            project if *project == "48211" => Ok(()),
            _ => Err(answer),
        }
    })
    .await;
    assert_eq!(click_at(&first.url, id, secret).await, 200);
    assert_eq!(click_at(&second.url, id, secret).await, 200);
    let mut again = project("48211");
    again["owner_token"] = answer["credentials"]["owner_token"].clone();
    assert_eq!(text(&registered(&first, &again).await, "/product_id"), id);
    second.stop().await;
}
