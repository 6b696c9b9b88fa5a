//! Actions sent to a service, and what of them it acknowledged.

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
