//! Frames of the event stream (contract 2.2, 2.3).
//!
//! JSON events are unnamed; `id:` goes on data frames only; comments are never sent, because old
//! clients take them for empty messages once they have seen an id.

use std::fmt::Write;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
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

/// Writes an event of the log, whose `json` must be on one line; returns its length.
pub(super) fn write_event(to: &mut BytesMut, offset: Offset, json: &str) -> usize {
    let before = to.len();
    // Memory takes every write.
    let _ = write!(to, "id: {offset}\ndata: ");
    to.put_slice(json.as_bytes());
    to.put_slice(b"\n\n");
    to.len() - before
}

/// Tells that everything after `from` up to `to` is no longer kept. Its id is `to`, so that a client
/// which reconnects now is not told again.
pub(super) fn write_gap(bytes: &mut BytesMut, product: &ProductId, from: Offset, to: Offset) {
    let json = json!({
        "type": "gap",
        "product_id": product,
        "from": from.to_string(),
        "to": to.to_string(),
    });
    write_event(bytes, to, &json.to_string());
}
