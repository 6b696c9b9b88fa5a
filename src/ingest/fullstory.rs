//! FullStory Streams: clicks in a flat body (contract 3.3).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::json::{Node, get};
use super::raw::{RawEvent, set, text};
use crate::domain::action::Provider;

/// Reads one raw event; `None` unless it is an object.
pub(crate) fn read<'n>(body: &'n Node<'n>) -> Option<RawEvent<'n>> {
    let fields = body.as_object()?;
    let mut raw = RawEvent::new(Provider::Fullstory, body);
    // Streams carry nothing but clicks, and the body does not say so.
    raw.name = Some(Cow::Borrowed("$autocapture"));
    raw.interaction = Some(Cow::Borrowed("click"));
    for (key, value) in fields {
        match &**key {
            "timestamp" => raw.times[0] = Some(value),
            "timestamp_unix" => raw.times[1] = Some(value),
            "page_url" => set(&mut raw.url, value),
            "user_id" => set(&mut raw.user, value),
            "target_text" | "element_name" => _ = raw.set_element(key, value),
            _ => {}
        }
    }
    raw.session = get(fields, "session_id").and_then(text).map(decoded);
    if let Some(Node::Text(email)) = get(fields, "user_email") {
        raw.emails.push(email);
    }
    Some(raw)
}

/// Session ids arrive as `device%3Asession`, the browser's as `device:session`; the second form
/// is the one we keep.
fn decoded(id: Cow<'_, str>) -> Cow<'_, str> {
    if !id.contains('%') {
        return id;
    }
    match percent_decode_str(&id).decode_utf8() {
        Ok(decoded) => Cow::Owned(decoded.into_owned()),
        Err(_) => id,
    }
}
