//! Offering a tour, and the offer while nobody has answered it.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::chip::Chip;
use super::label::is_same;
use crate::domain::loose::trim;

/// How a tour is offered when nothing is configured.
pub const TOUR_OFFER_BODY: &str = "Would you like me to show you?";

/// The pending offer of versions that knew one tour only.
const LEGACY_OFFER: &str = "1";

/// The tour that a message asks for: that of the first chip with this label, or else `default_flow_id`, trimmed and
/// perhaps empty; `None` when it is no chip's label, or that chip has no tour.
pub fn tour_offer<'a>(
    chips: &'a [Chip],
    message: &str,
    default_flow_id: &'a str,
) -> Option<&'a str> {
    let mut chips = chips.iter();
    let chosen = chips.find(|chip| is_same(message, &chip.label))?;
    chosen.flow_id(default_flow_id)
}

/// How the product offers a tour: `tour_offer_body`, or else [`TOUR_OFFER_BODY`].
pub fn tour_offer_body(integration_config: &Map<String, Value>) -> &str {
    let configured = integration_config.get("tour_offer_body");
    let text = configured.and_then(Value::as_str).map(trim);
    text.filter(|text| !text.is_empty())
        .unwrap_or(TOUR_OFFER_BODY)
}

/// The stored form of an offer that waits for its answer: `{"flow_id": "…"}`, in ASCII as published clients write it.
pub fn pending_offer(flow_id: &str) -> String {
    let mut text = String::from("{\"flow_id\": ");
    for c in json!(trim(flow_id)).to_string().chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text.push('}');
    text
}

/// The tour of a stored offer; `default_flow_id`, trimmed and perhaps empty, for the legacy `1` and for anything that
/// names none.
pub fn pending_flow_id(stored: &str, default_flow_id: &str) -> String {
    let stored = trim(stored);
    let read = (stored != LEGACY_OFFER).then(|| serde_json::from_str::<Value>(stored));
    let offer = read.and_then(Result::ok).unwrap_or_default();
    let named = offer["flow_id"].as_str().map(trim);
    named
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| trim(default_flow_id))
        .to_owned()
}
