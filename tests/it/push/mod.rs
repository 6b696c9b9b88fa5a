//! Pushes: from a row to a receiver over real HTTP, and what must never be called.

mod bridge;
mod disabled;
mod guard;
mod names;
mod outcomes;
mod receiver;
mod replay;
mod signature;
mod target;
mod walk;

use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::support::Setup;

/// Base64 of 24 bytes behind the prefix, as Standard Webhooks wants it.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A product that pushes to a receiver on this machine, which an operator has opened.
fn pushing(receiver: &Receiver) -> Setup {
    let config = json!({"mode": "push", "url": receiver.url("/in"), "secret": SECRET});
    Setup {
        integration_type: "event_stream",
        integration: config,
        ..Setup::default()
    }
    .and("CONNECTOR__PUSH__ALLOW_HTTP", "true")
    .and("CONNECTOR__PUSH__ALLOW_NETWORKS", "127.0.0.0/8")
    .and("CONNECTOR__DELIVERY__BREAKER_PAUSE_MS", "20")
}

/// The row of `acme` with another target.
fn row(url: &str, secret: &str) -> String {
    let config = json!({"mode": "push", "url": url, "secret": secret});
    let row: Value = json!([{
        "product_id": "acme", "webhook_secret": crate::support::SECRET,
        "integration_type": "event_stream", "integration_config": config,
    }]);
    row.to_string()
}
