//! Linking over real HTTP: signed notifications, pages, and sessions that appear later.

use crate::support::{Service, Setup, json_of};
use serde_json::{Value, json};

async fn page_links(service: &Service, session: &str, conversation: &str) -> (u16, Value) {
    let body =
        json!({"product_id": "acme", "session_id": session, "conversation_id": conversation});
    let answer = service.post("/sessions/link", &body).await;
    (answer.status().as_u16(), json_of(answer).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_links_its_session_once() {
    let service = Service::start().await;
    service.intercom.open_conversation("c1", "u1", "");
    service.click("s1", "u1", "Save").await;
    let (status, answer) = page_links(&service, "s1", "c1").await;
    assert_eq!((status, &answer["status"]), (200, &json!("linked")));
    let (status, answer) = page_links(&service, "s1", "c1").await;
    assert_eq!((status, &answer["status"]), (200, &json!("unchanged")));
    service.notes("c1", |notes| notes.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_not_seen_yet_is_linked_when_it_appears() {
    let service = Service::start().await;
    service.intercom.open_conversation("c1", "u1", "");
    let (status, answer) = page_links(&service, "s1", "c1").await;
    assert_eq!((status, &answer["status"]), (202, &json!("pending")));
    let service = service.restart().await;
    service.click("s1", "u1", "Save").await;
    service.notes("c1", |notes| notes.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_conversation_is_refused_to_a_page() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.click("s2", "u2", "Save").await;
    let (status, answer) = page_links(&service, "s2", "c1").await;
    assert_eq!(
        (status, &answer["code"]),
        (409, &json!("conversation_taken"))
    );
    // The same user's later session may have it.
    service.click("s3", "u1", "Save").await;
    let (status, _) = page_links(&service, "s3", "c1").await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_before_the_first_activity_waits_for_user_or_address() {
    let service = Service::start().await;
    let early = json_of(service.chat("c1", "", "Ada@Northwind.example").await).await;
    assert_eq!(early["session_linked"], false);
    let mut body = crate::support::click("s1", "u1", "Save");
    body["email"] = json!("ada@northwind.EXAMPLE");
    service.post("/webhook/acme", &body).await;
    let notes = service.notes("c1", |notes| notes.len() == 1).await;
    assert!(notes[0].contains("User clicked Save"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_races_with_the_first_activity_always_finds_its_session() {
    let service = Service::start().await;
    let races = (0..100).map(|number| {
        let service = &service;
        async move {
            let (session, user) = (format!("s{number}"), format!("u{number}"));
            let conversation = format!("c{number}");
            let (_, answer) = tokio::join!(
                service.click(&session, &user, "Save"),
                service.chat(&conversation, &user, "")
            );
            assert_eq!(answer.status(), 200);
            service.notes(&conversation, |notes| notes.len() == 1).await;
        }
    });
    futures_util::future::join_all(races).await;
    // Each request either found its session or waited for it; none fell between the two.
    let linked = service.metrics.links.with_label_values(&["linked"]).get();
    let pending = service.metrics.links.with_label_values(&["pending"]).get();
    assert_eq!(linked + pending, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_follows_the_user_into_the_next_session() {
    let service = Service::start().await;
    service.click("s1", "u1", "Before").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    service.click("s2", "u1", "After").await;
    let notes = service.notes("c1", |notes| notes.len() == 2).await;
    assert!(notes[1].starts_with("session_id: s2\n"));
    let shown = service.show("s2").await;
    assert_eq!(shown["link"]["conversation_id"], "c1");
    assert!(shown["log"].to_string().contains("carried"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_notification_is_recognised_and_other_topics_are_counted() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    let topic = "conversation.user.replied";
    let (body, signature) = service.intercom.webhook(topic, "c1", "u1", "");
    for _ in 0..3 {
        let request = service
            .client
            .post(format!("{}/chatbot-webhook/acme", service.url));
        let request = request
            .header("x-hub-signature", &signature)
            .body(body.clone());
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
    service.notes("c1", |notes| notes.len() == 1).await;
    let linked = service.metrics.links.with_label_values(&["linked"]).get();
    let unchanged = service
        .metrics
        .links
        .with_label_values(&["unchanged"])
        .get();
    assert_eq!((linked, unchanged), (1, 2));

    let (body, signature) = service.intercom.ping();
    let request = service
        .client
        .post(format!("{}/chatbot-webhook/acme", service.url));
    let answer = request
        .header("x-hub-signature", signature)
        .body(body)
        .send()
        .await;
    assert_eq!(
        json_of(answer.expect("an answer")).await["status"],
        "ignored"
    );
    let ignored = service
        .metrics
        .chatbot_webhooks
        .with_label_values(&["ping", "ignored"]);
    assert_eq!(ignored.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_and_wrong_signatures_are_not() {
    let service = Service::start().await;
    let url = format!("{}/chatbot-webhook/acme", service.url);
    let probe = service.client.head(&url).send().await.expect("an answer");
    assert_eq!(probe.status(), 200);
    let (body, signature) = service
        .intercom
        .webhook("conversation.user.created", "c1", "u1", "");
    let wrong = signature.replace('a', "b").replace('1', "2");
    for header in [Some(wrong.as_str()), Some(""), None] {
        let mut request = service.client.post(&url).body(body.clone());
        if let Some(value) = header {
            request = request.header("x-hub-signature", value);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }
    assert_eq!(
        service
            .metrics
            .signature_failures
            .with_label_values(&["acme"])
            .get(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_may_ask_and_a_listed_product_hears_only_its_own() {
    let setup = Setup {
        integration: json!({"cors_origins": ["https://app.northwind.example"]}),
        ..Default::default()
    };
    let service = Service::with(setup).await;
    let url = format!("{}/sessions/link", service.url);
    let preflight = service
        .client
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://app.northwind.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .expect("an answer");
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    for (origin, status) in [
        ("https://app.northwind.example", 202),
        ("https://evil.example", 403),
    ] {
        let body = json!({"product_id": "acme", "session_id": "s1", "conversation_id": "c1"});
        let request = service.client.post(&url).header("origin", origin);
        let answer = request
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), status, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_client_secret_a_notification_is_heard_like_a_page() {
    let setup = Setup {
        integration: json!({"client_secret": null}),
        ..Setup::default()
    };
    let service = Service::with(setup).await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    // It may not take the conversation to another user.
    service.click("s2", "u2", "Save").await;
    let (body, _) = service
        .intercom
        .webhook("conversation.user.replied", "c1", "u1", "");
    let forged = String::from_utf8(body).expect("text").replace("u1", "u2");
    let request = service
        .client
        .post(format!("{}/chatbot-webhook/acme", service.url));
    let answer = request.body(forged).send().await.expect("an answer");
    assert_eq!(json_of(answer).await["session_linked"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_without_a_chatbot_takes_no_notifications() {
    let setup = Setup {
        integration_type: "event_stream",
        ..Setup::default()
    };
    let service = Service::with(setup).await;
    let answer = service.chat("c1", "u1", "").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(json_of(answer).await["code"], "no_live_worker");
}
