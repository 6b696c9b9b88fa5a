//! Connections that post one action after the other and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};

use super::sent::{Sent, label, send};

/// Posts until `stop` is set or the service is gone.
pub(crate) async fn post_until(
    client: &reqwest::Client,
    url: String,
    session: String,
    stop: &AtomicBool,
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
        if post(client, &url, &session, &label).await {
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
