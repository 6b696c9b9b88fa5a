//! The order group of a delivery: `<product>/<platform>/<conversation>` for notes and
//! `<product>/push/<session>` for pushes, where any part but the second may contain a slash.

use std::sync::Arc;

use super::id::{ConversationId, ProductId};

/// What stands in the place of a platform for pushes.
pub const PUSH: &str = "push";

/// The lane of everything that goes to one conversation.
pub fn lane(product: &ProductId, platform: &str, conversation: &ConversationId) -> Arc<str> {
    format!("{product}/{platform}/{conversation}").into()
}

/// The lane of everything that is pushed of one session, or of one bucket of actions without one.
pub fn push_lane(product: &ProductId, session: &str, is_bucket: bool) -> Arc<str> {
    let bucket = if is_bucket { "unsessioned/" } else { "" };
    format!("{product}/{PUSH}/{bucket}{session}").into()
}

/// The conversation of a lane of notes, as [`parse_lane`] tells it apart.
pub fn conversation<'a>((platform, rest): (&str, &'a str)) -> Option<&'a str> {
    (platform != PUSH).then_some(rest)
}

/// Platform and conversation of a lane of `product`, or [`PUSH`] and what names the session; `None` for
/// anything else.
pub fn parse_lane<'a>(product: &ProductId, lane: &'a str) -> Option<(&'a str, &'a str)> {
    let rest = lane.strip_prefix(product.as_str())?.strip_prefix('/')?;
    rest.split_once('/')
}
