//! What the browser of a user sends.

use serde_json::{Value, json};

use super::service::{PRODUCT, SECRET, Service};

/// A click with this label.
pub(crate) fn click(session: &str, label: &str) -> Value {
    json!({
        "event": "$autocapture",
        "event_type": "click",
        "session_id": session,
        "distinct_id": format!("user-{session}"),
        "email": format!("{session}@northwind.example"),
        "current_url": "https://app.northwind.example/work",
        "button_or_link_text": label,
    })
}

/// Sends a body to the product that is read through the feed; whether it was taken.
pub(crate) async fn send(
    http: &reqwest::Client,
    service: &Service,
    body: &Value,
) -> Result<(), String> {
    send_to(http, &format!("{}/webhook/{PRODUCT}", service.url()), body).await
}

/// Sends a body to an address of the service; whether it was taken.
pub(crate) async fn send_to(http: &reqwest::Client, url: &str, body: &Value) -> Result<(), String> {
    let request = http
        .post(url)
        .header("x-posthog-secret", SECRET)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let status = answer.status();
    match status.as_u16() {
        200 => Ok(()),
        _ => Err(format!("{url} answered {status}")),
    }
}

/// Sends clicks one after the other, on three sessions in turn.
pub(crate) async fn clicks(
    http: &reqwest::Client,
    service: &Service,
    labels: impl IntoIterator<Item = String>,
) -> Result<(), String> {
    for (number, label) in labels.into_iter().enumerate() {
        let session = format!("s{}", number % 3);
        send(http, service, &click(&session, &label)).await?;
    }
    Ok(())
}
