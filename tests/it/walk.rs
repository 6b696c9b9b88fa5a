//! The walk: a browser event becomes a note in the conversation and a line in the feed.

use crate::support::{SECRET, Service, json_of};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_event_becomes_a_note_and_a_line_in_the_feed() {
    let service = Service::start().await;
    let mut feed = service.listen("", &[]).await;

    // PostHog posts what Ada does, before anybody talks.
    let landed = json!({
        "event": "$pageview", "session_id": "s1", "distinct_id": "u_4471",
        "email": "ada@northwind.example",
        "current_url": "https://app.northwind.example/dashboard?ref=mail#top",
    });
    let answer = service.post("/webhook/acme", &landed).await;
    assert_eq!(answer.status(), 200);
    let counts = json_of(answer).await;
    assert_eq!(
        counts,
        json!({"status": "ok", "received": 1, "actions": 1, "dropped": 0})
    );
    service.click("s1", "u_4471", "Invite teammate").await;

    // Everybody who listens hears of it, unlinked.
    let first = feed.next_event().await;
    let payload = first.json();
    assert_eq!(payload["type"], "actions");
    assert_eq!(payload["email"], "ada@northwind.example");
    assert_eq!(payload["conversation_id"], json!(null));
    assert_eq!(payload["actions"][0]["title"], "Page Load: Dashboard");
    assert_eq!(
        feed.next_actions(1).await,
        ["User clicked Invite teammate on the team page"]
    );

    // Ada writes in the chat: what she did goes into the conversation as one note.
    let answer = service.chat("c1", "u_4471", "").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(json_of(answer).await["session_linked"], true);
    let notes = service.notes("c1", |notes| notes.len() == 1).await;
    assert!(notes[0].starts_with("session_id: s1\n"), "{}", notes[0]);
    assert!(notes[0].contains("[1] User landed on the dashboard page"));
    assert!(notes[0].contains("[2] User clicked Invite teammate on the team page"));

    // From now on every pause gives a note, and the feed names the conversation.
    service.click("s1", "u_4471", "Send invitation").await;
    let notes = service.notes("c1", |notes| notes.len() == 2).await;
    assert!(notes[1].ends_with("[1] User clicked Send invitation on the team page"));
    let linked = feed.next_event().await.json();
    assert_eq!(linked["conversation_id"], "c1");
    assert_eq!(linked["actions"][0]["index"], 2);

    // Nothing of it depends on this process.
    let service = service.restart().await;
    let mut replay = service.listen("?since=0-0", &[]).await;
    assert_eq!(replay.next_actions(3).await.len(), 3);
    service.click("s1", "u_4471", "Close").await;
    let notes = service.notes("c1", |notes| notes.len() == 3).await;
    assert!(notes[2].ends_with("User clicked Close on the team page"));
    assert!(!notes.join("").contains(SECRET));
}
