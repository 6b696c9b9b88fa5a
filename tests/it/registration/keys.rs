//! Keys, rotations, and tokens for web pages.

use std::time::Duration;

use event_connector::clock::Clock;
use serde_json::{Value, json};

use super::{client, named, open, operate, post_click, registered, send, text};
use crate::support::{ADMIN_KEY, Service, Setup, Stream, click};

const SECRET: &str = "wh_northwind_5c1f0a77";

async fn keys(service: &Service) -> Vec<Value> {
    let listed = operate(service, "GET", "/products/northwind/keys", &json!({})).await;
    listed["keys"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_listed_by_its_beginning_and_ends_its_streams_when_revoked() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let body = json!({"name": "support desk"});
    let issued = operate(&service, "POST", "/products/northwind/keys", &body).await;
    let (id, key) = (text(&issued, "/key_id"), text(&issued, "/key"));
    let find = async || {
        let mut all = keys(&service).await.into_iter();
        all.find(|one| one["key_id"] == id)
    };
    let listed = find().await.expect("it is listed");
    assert_eq!(listed["name"], "support desk");
    assert!(key.starts_with(text(&listed, "/prefix")));
    assert!(!listed.to_string().contains(key));
    assert_eq!(listed["last_used_at"], Value::Null);
    let mut stream = Stream::new(open(&service, "northwind", "", key).await);
    assert!(find().await.expect("listed")["last_used_at"].is_f64());

    let path = format!("/products/northwind/keys/{id}");
    operate(&service, "DELETE", &path, &json!({})).await;
    while let Some(event) = stream.next().await {
        assert_eq!(event.data, "", "nothing but a heartbeat");
    }
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    assert!(find().await.is_none());
    let (status, answer) = send(&service, "DELETE", &path, Some(ADMIN_KEY), &json!({})).await;
    assert_eq!((status, text(&answer, "/code")), (404, "key_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_end_by_itself_and_there_are_so_many() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::with("CONNECTOR__REGISTRATION__KEYS_MAX", "3")
    };
    let service = Service::with(setup).await;
    registered(&service, &named("northwind")).await;
    let path = "/products/northwind/keys";
    let body = json!({"expires_in_s": 60, "scope": "mcp"});
    let issued = operate(&service, "POST", path, &body).await;
    let key = text(&issued, "/key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 200);
    let (status, answer) = send(&service, "POST", path, Some(ADMIN_KEY), &json!({})).await;
    assert_eq!((status, text(&answer, "/code")), (409, "too_many_keys"));
    hand.advance(Duration::from_secs(60));
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    operate(&service, "POST", path, &json!({})).await;
    let wrong = json!({"scope": "all", "expires_in_s": "soon"});
    let (status, answer) = send(&service, "POST", path, Some(ADMIN_KEY), &wrong).await;
    assert_eq!(
        (status, answer["errors"].as_array().map(Vec::len)),
        (422, Some(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_issues_what_it_names_and_says_how_long_the_old_is_taken() {
    let service = Service::start().await;
    let first = registered(&service, &named("northwind")).await;
    let path = "/products/northwind/rotate";
    let body = json!({"what": ["ingest_secret"], "overlap_s": 0});
    let rotated = operate(&service, "POST", path, &body).await;
    let new = text(&rotated, "/credentials/ingest_secret");
    assert_eq!(rotated["credentials"]["mcp_key"], Value::Null);
    assert_eq!(post_click(&service, "northwind", SECRET, "A").await, 401);
    assert_eq!(post_click(&service, "northwind", new, "A").await, 200);
    let key = text(&first, "/unkey_key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 200);
    let body = json!({"what": ["owner_token"]});
    let rotated = operate(&service, "POST", path, &body).await;
    let mut anew = named("northwind");
    anew["owner_token"] = first["credentials"]["owner_token"].clone();
    let (status, _) = super::register(&service, &anew).await;
    assert_eq!(status, 409, "the token before is no token");
    anew["owner_token"] = rotated["credentials"]["owner_token"].clone();
    registered(&service, &anew).await;
    let wrong = json!({"what": ["everything"]});
    let (status, _) = send(&service, "POST", path, Some(ADMIN_KEY), &wrong).await;
    assert_eq!(status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_one_session_does_and_only_for_a_while() {
    let (clock, hand) = Clock::manual(1_780_000_000.0);
    let setup = Setup {
        clock,
        ..Setup::default()
    };
    let service = Service::with(setup).await;
    let first = registered(&service, &named("northwind")).await;
    let key = text(&first, "/unkey_key");
    let mint = async |body: Value, key: &str| {
        let request = client().post(format!("{}/stream-tokens/northwind", service.url));
        let answer = request.bearer_auth(key).body(body.to_string()).send().await;
        let answer = answer.expect("an answer");
        (
            answer.status().as_u16(),
            crate::support::json_of(answer).await,
        )
    };
    let (status, minted) = mint(json!({"session_id": "s1"}), key).await;
    assert_eq!(status, 201, "{minted}");
    let token = text(&minted, "/token").to_owned();
    let visit = async |product: &str, token: &str| {
        let url = format!("{}/stream/{product}?token={token}", service.url);
        client().get(url).send().await.expect("an answer")
    };
    let mut stream = Stream::new(visit("northwind", &token).await);
    for session in ["s2", "s1"] {
        let post = client().post(format!("{}/ingest/northwind", service.url));
        let post = post
            .bearer_auth(SECRET)
            .body(click(session, "u", session).to_string());
        assert_eq!(post.send().await.expect("an answer").status(), 200);
    }
    assert_eq!(
        stream.next_event().await.told(),
        ["User clicked s1 on the team page"]
    );

    assert_eq!(
        visit("acme", &token).await.status(),
        401,
        "of another product"
    );
    assert_eq!(
        visit("northwind", key).await.status(),
        401,
        "a key is no token"
    );
    assert_eq!(visit("northwind", &format!("{token}x")).await.status(), 401);
    let forged = token.replacen("tkt_ey", "tkt_eY", 1);
    assert_eq!(visit("northwind", &forged).await.status(), 401);
    hand.advance(Duration::from_secs(901));
    assert_eq!(visit("northwind", &token).await.status(), 401, "it is over");

    assert_eq!(mint(json!({"session_id": "s1"}), "guess").await.0, 401);
    let both = json!({"session_id": "s1", "user_id": "u1"});
    assert_eq!(mint(both, key).await.0, 422);
    assert_eq!(
        mint(json!({"user_id": "u1", "expires_in_s": 86_401}), key)
            .await
            .0,
        422
    );
}
