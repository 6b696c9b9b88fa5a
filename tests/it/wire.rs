//! What goes over the wire, to the letter. Time stands still, so nothing varies.

use event_connector::clock::Clock;
use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Service, Setup};

/// 2026-05-18 09:14:00.210 UTC.
const NOW_S: f64 = 1_779_095_640.21;

async fn frozen() -> Service {
    let (clock, _) = Clock::manual(NOW_S);
    Service::with(Setup {
        clock,
        ..Setup::default()
    })
    .await
}

async fn landed(service: &Service) {
    let body = json!({
        "event": "$pageview", "timestamp": "2026-05-18T09:14:00.000Z", "session_id": "S1",
        "distinct_id": "u_4471", "email": "ada@northwind.example",
        "current_url": "https://app.northwind.example/dashboard?ref=mail#top",
    });
    assert_eq!(service.post("/webhook/acme", &body).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_view_is_this_frame() {
    let service = frozen().await;
    landed(&service).await;
    let event = service.listen("?since=0-0", &[]).await.next_event().await;
    assert_snapshot!(event.id.expect("an id"), @"1779095640210-0");
    assert_snapshot!(event.data, @r#"{"type":"actions","product_id":"acme","session_id":"S1","user_id":"u_4471","email":"ada@northwind.example","conversation_id":null,"actions":[{"index":0,"type":"pageview","title":"Page Load: Dashboard","description":"User landed on the dashboard page","timestamp_start":1779095640.0,"timestamp_end":1779095640.0,"raw_url":"https://app.northwind.example/dashboard?ref=mail#top","canonical_url":"https://app.northwind.example/dashboard","session_id":"S1","user_id":"u_4471","email":"ada@northwind.example","conversation_id":null}],"count":1,"forwarded_at":1779095640.21}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_this_document() {
    let service = frozen().await;
    let answer = service.post("/webhook/nobody", &json!({})).await;
    assert_snapshot!(answer.text().await.expect("text"), @r#"{"type":"urn:event-connector:problem:product_not_found","title":"Not Found","status":404,"detail":"product not found","code":"product_not_found","error":"product_not_found"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_this_text_and_this_request() {
    let service = frozen().await;
    landed(&service).await;
    service.click("S1", "u_4471", "Save & <close>").await;
    service.chat("215470012345", "u_4471", "").await;
    let notes = service
        .notes("215470012345", |notes| notes.len() == 1)
        .await;
    assert_snapshot!(notes[0], @r"
    session_id: S1
    timestamp: 2026-05-18 09:14:00 UTC

    [1] User landed on the dashboard page
    [2] User clicked Save & <close> on the team page
    ");
    let request = service
        .intercom
        .requests()
        .into_iter()
        .next()
        .expect("a call");
    assert_snapshot!(request.target, @"/conversations/215470012345/reply");
    assert_snapshot!(request.version, @"2.11");
    assert_snapshot!(request.body, @r#"{"message_type":"note","type":"admin","admin_id":"814860","body":"<p>session_id: S1<br>timestamp: 2026-05-18 09:14:00 UTC</p><p>[1] User landed on the dashboard page<br>[2] User clicked Save &amp; &lt;close&gt; on the team page</p>"}"#);
}
