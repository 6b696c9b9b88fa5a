//! Notes through a customer's own bridge, and what the bridge tells.

use event_connector::ingest::signature;
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use crate::support::{SECRET, Service, Setup, eventually, json_of};

const SHARED: &str = "bridge_shared_5c1f0a77";

async fn stage() -> (Receiver, Service) {
    let receiver = Receiver::start().await;
    let setup = Setup {
        integration_type: "bridge",
        integration: json!({"url": receiver.url("/notes"), "secret": SHARED}),
        ..Setup::default()
    };
    let setup = setup
        .and("CONNECTOR__PUSH__ALLOW_HTTP", "true")
        .and("CONNECTOR__PUSH__ALLOW_NETWORKS", "127.0.0.0/8")
        .and("CONNECTOR__DELIVERY__REQUEST_TIMEOUT_MS", "300")
        .and("CONNECTOR__DELIVERY__BREAKER_PAUSE_MS", "20");
    (receiver, Service::with(setup).await)
}

/// The bridge says something, with these headers; answers the status and what is said.
async fn says(service: &Service, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let url = format!("{}/chatbot-webhook/acme", service.url);
    let mut request = service.client.post(url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), json_of(answer).await)
}

/// The same, signed.
async fn signs(service: &Service, body: &Value) -> Value {
    let body = body.to_string();
    let signed = signature::sign(SHARED, body.as_bytes());
    let (status, answer) = says(service, &[("x-connector-signature", &signed)], &body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn part(id: &str) -> Answer {
    Answer::Plain(200, Vec::new(), json!({"part_id": id}).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_session_is_told_through_the_bridge_with_or_without_a_part() {
    let (receiver, service) = stage().await;
    receiver.script([part("p-1")]);
    service.click("s1", "u1", "Save").await;
    let answer = signs(&service, &json!({"conversation_id": "c1", "user_id": "u1"})).await;
    assert_eq!(answer["session_linked"], true, "{answer}");
    let first = receiver.took(1).await.remove(0);
    let note = first.json();
    assert_eq!(note["type"], "note");
    assert_eq!(note["conversation_id"], "c1");
    assert_eq!(note["session_id"], "s1");
    let text = note["text"].as_str().expect("a text");
    assert!(text.contains("User clicked Save"), "{text}");
    assert_eq!(note["delivery_id"], first.header("webhook-id"));
    let signed = first.header("x-connector-signature");
    assert!(signature::verify(SHARED, &first.body, signed));
    assert_eq!(first.header("authorization"), format!("Bearer {SHARED}"));

    // The second is answered without a part, which is success as well.
    service.click("s1", "u1", "Send").await;
    receiver.took(2).await;
    eventually("both are known to have arrived", || async {
        let shown = service.show("s1").await;
        match shown["notes"]["open"].as_array().map(Vec::len) {
            Some(0) => Ok(()),
            _ => Err(shown),
        }
    })
    .await;
    let shown = service.show("s1").await;
    assert_eq!(shown["notes"]["part_ids"], json!(["p-1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_has_a_note_taken_back_with_or_without_a_part() {
    let (receiver, service) = stage().await;
    for (part_id, answer) in [
        (json!("p-1"), part("p-1")),
        (json!(null), Answer::status(204)),
    ] {
        let calls = receiver.calls().len();
        receiver.script([answer, Answer::status(503), Answer::status(204)]);
        let session = format!("s{calls}");
        service.click(&session, "u1", "Save").await;
        let body = json!({"conversation_id": format!("c{calls}"), "session_id": session});
        signs(&service, &body).await;
        let note = receiver.called(calls + 1).await.remove(calls).json();
        let id = note["delivery_id"].as_str().expect("an identifier");
        let sent = eventually("it can be taken back", || async {
            let answer = service.operate(&format!("/deliveries/{id}/redact")).await;
            match answer.status().as_u16() {
                202 => Ok(json_of(answer).await),
                status => Err(status),
            }
        })
        .await;
        assert_eq!(sent["redacts"], id);
        let calls = receiver.called(calls + 3).await.split_off(calls + 1);
        let redaction = json!({
            "type": "redact", "delivery_id": sent["id"], "product_id": "acme", "session_id": session,
            "conversation_id": note["conversation_id"], "redacts": id, "part_id": part_id,
        });
        for call in calls {
            assert_eq!(call.json(), redaction);
            let signed = call.header("x-connector-signature");
            assert!(signature::verify(SHARED, &call.body, signed));
            assert_eq!(sent["id"], call.header("webhook-id"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_without_an_answer_is_sent_again_under_its_name() {
    let (receiver, service) = stage().await;
    receiver.script([Answer::Silence, Answer::status(503), Answer::status(429)]);
    service.click("s1", "u1", "Save").await;
    signs(
        &service,
        &json!({"conversation_id": "c1", "session_id": "s1"}),
    )
    .await;
    let taken = receiver.took(1).await.remove(0);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 4);
    let ids: Vec<_> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert!(
        ids.iter().all(|id| *id == taken.header("webhook-id")),
        "{ids:?}"
    );
    assert!(calls.iter().all(|call| call.body == taken.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_is_gone_leaves_its_notes_to_the_next() {
    let (receiver, service) = stage().await;
    let gone = json!({"error": "conversation_gone"}).to_string();
    receiver.script([Answer::Plain(404, Vec::new(), gone)]);
    service.click("s1", "u1", "Save").await;
    signs(&service, &json!({"conversation_id": "c1", "user_id": "u1"})).await;
    eventually("the link is gone", || async {
        let shown = service.show("s1").await;
        match &shown["link"]["conversation_id"] {
            Value::Null => Ok(()),
            _ => Err(shown),
        }
    })
    .await;
    signs(&service, &json!({"conversation_id": "c2", "user_id": "u1"})).await;
    let note = receiver.took(1).await.remove(0).json();
    assert_eq!(note["conversation_id"], "c2");
    assert!(note["text"].as_str().expect("text").contains("Save"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_or_secret_costs_no_note() {
    let (receiver, service) = stage().await;
    receiver.otherwise(Answer::status(401));
    service.click("s1", "u1", "Save").await;
    signs(&service, &json!({"conversation_id": "c1", "user_id": "u1"})).await;
    eventually("it waits", || async {
        let page = json_of(service.get("/deliveries?platform=bridge").await).await;
        let first = &page["deliveries"][0];
        match (first["status"].as_str(), first["http_status"].as_u64()) {
            (Some("waiting"), Some(401)) => Ok(()),
            _ => Err(page),
        }
    })
    .await;
    receiver.otherwise(Answer::status(200));
    let page = json_of(service.get("/deliveries?platform=bridge").await).await;
    let id = page["deliveries"][0]["id"].as_str().expect("an identifier");
    service.operate(&format!("/deliveries/{id}/replay")).await;
    receiver.took(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_shares_a_secret_is_heard() {
    let (_receiver, service) = stage().await;
    service.click("s1", "u1", "Save").await;
    let body = json!({"conversation_id": "c1", "email": "ada@northwind.example", "user_id": "u1"});
    let body = body.to_string();
    let signed = signature::sign("guess", body.as_bytes());
    let bearer = |secret: &str| format!("Bearer {secret}");
    for headers in [
        vec![],
        vec![("x-connector-signature", signed.as_str())],
        vec![("authorization", "Bearer guess")],
        // A wrong signature is not mended by a right secret.
        vec![
            ("x-connector-signature", signed.as_str()),
            ("authorization", bearer(SHARED).leak()),
        ],
    ] {
        let (status, _) = says(&service, &headers, &body).await;
        assert_eq!(status, 401, "{headers:?}");
    }
    for secret in [SHARED, SECRET] {
        let header = bearer(secret);
        let (status, answer) = says(&service, &[("authorization", &header)], &body).await;
        assert_eq!((status, &answer["session_linked"]), (200, &json!(true)));
    }
    let nobody = signs(&service, &json!({"conversation_id": "c1"})).await;
    assert_eq!(nobody["status"], "ignored");
    let nothing = signs(&service, &json!({"user_id": "u1"})).await;
    assert_eq!(nothing["status"], "ignored");
    let header = bearer(SHARED);
    let (status, _) = says(&service, &[("authorization", &header)], "[1]").await;
    assert_eq!(status, 400);
}
