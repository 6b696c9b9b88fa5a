//! Connections that post one action after the other and remember what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::server::SECRET;

/// What one session's connection did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub session: String,
    /// Labels answered 200, in order.
    pub acknowledged: Vec<String>,
    /// The label whose answer never came; it is sent again after the restart, as providers do.
    pub open: Option<String>,
}

/// The label of a session's `number`th action; no label is part of another.
pub(crate) fn label(session: &str, number: usize) -> String {
    format!("{session}x{number:05}")
}

/// Posts until `stop` is set or the service is gone.
pub(crate) async fn post_until(
    client: reqwest::Client,
    url: String,
    session: String,
    stop: Arc<AtomicBool>,
) -> Sent {
    let mut sent = Sent {
        session: session.clone(),
        ..Sent::default()
    };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let label = label(&session, number);
        if post(&client, &url, &session, &label).await {
            sent.acknowledged.push(label);
        } else {
            sent.open = Some(label);
            break;
        }
    }
    sent
}

/// Posts one click; whether it was answered 200.
pub(crate) async fn post(client: &reqwest::Client, url: &str, session: &str, label: &str) -> bool {
    let answer = send(client, url, session, label).await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// Posts one click.
pub(crate) async fn send(
    client: &reqwest::Client,
    url: &str,
    session: &str,
    label: &str,
) -> reqwest::Result<reqwest::Response> {
    let body = json!({
        "event": "$autocapture",
        "event_type": "click",
        "session_id": session,
        "distinct_id": format!("user-{session}"),
        "email": format!("{session}@northwind.example"),
        "current_url": "https://app.northwind.example/work",
        "button_or_link_text": label,
    });
    client
        .post(format!("{url}/webhook/acme"))
        .header("x-posthog-secret", SECRET)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
}
