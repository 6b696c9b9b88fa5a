//! The order group of a delivery: `<product>/<platform>/<conversation>`, where any part but the
//! platform may contain a slash.

use std::sync::Arc;

use super::id::{ConversationId, ProductId};

/// The lane of everything that goes to one conversation.
pub fn lane(product: &ProductId, platform: &str, conversation: &ConversationId) -> Arc<str> {
    format!("{product}/{platform}/{conversation}").into()
}

/// Platform and conversation of a lane of `product`; `None` for anything else.
pub fn parse_lane<'a>(product: &ProductId, lane: &'a str) -> Option<(&'a str, &'a str)> {
    let rest = lane.strip_prefix(product.as_str())?.strip_prefix('/')?;
    rest.split_once('/')
}
