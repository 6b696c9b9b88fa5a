//! Frames of the event stream (contract 2.2, 2.3).
//!
//! JSON events are unnamed; `id:` goes on data frames only; comments are never sent, because old
//! clients take them for empty messages once they have seen an id.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::domain::id::ProductId;
use crate::domain::log::Offset;

/// Sent every heartbeat interval, and once at the start so that proxies pass the headers on.
pub const HEARTBEAT: &[u8] = b"event: heartbeat\ndata:\n\n";

/// The last frame of a stream that the service ends: when to come back. Clients take a frame that holds
/// nothing but `retry:` for an empty message, so it is a heartbeat.
pub fn farewell(retry: Duration) -> Bytes {
    format!("event: heartbeat\ndata:\nretry: {}\n\n", retry.as_millis()).into()
}

/// An event of the log. `json` must be on one line.
pub fn event(offset: Offset, json: &str) -> Bytes {
    format!("id: {offset}\ndata: {json}\n\n").into()
}

/// Tells that everything after `from` up to `to` is no longer kept. Its id is `to`, so that a client
/// which reconnects now is not told again.
pub fn gap(product: &ProductId, from: Offset, to: Offset) -> Bytes {
    let json = json!({
        "type": "gap",
        "product_id": product,
        "from": from.to_string(),
        "to": to.to_string(),
    });
    event(to, &json.to_string())
}
