//! Offers that a product describes itself: a tree of conditions and what to say when it holds (contract 5.5).
//!
//! The cast: a [`Campaign`] is one entry of `proactive_intercom`; its tree has AND and OR groups, and leaves that look
//! at the session. [`parse`] reads all entries and says as [`Flaw`](super::Flaw)s what is wrong with them.
//!
//! Guaranteed:
//!
//! * A broken entry is skipped and the others stay. A leaf that nobody knows, or whose `params` cannot be used, never
//!   matches; its entry stays, because the published form of a leaf has no parameters.
//! * A tree has at most [`LEVELS_MAX`] levels and [`NODES_MAX`] nodes, and a product at most [`ENTRIES_MAX`] entries:
//!   evaluating them is bounded. Regular expressions take linear time.
//! * What conditions ask of the actions is found out once in a look, for all of a product's trees: see
//!   [`Window`](super::Window).
//! * Without another action only time can let a tree match, and the leaves that wait for time know when:
//!   [its deadline](super::trigger::Trigger::deadline) is exact for a tree that does not match.
//!
//! To the published `id`, `name`, `proactive_criteria` and `messages` an entry may add `body`, at most 150 characters;
//! `interaction_timeout_s`, 10 s, and `cooldown_s`, 30 s; and `accept`, the id of the message that is offered first.
//!
//! | leaf | `params` | matches |
//! |---|---|---|
//! | `url_contains` | `value` | when the current page has it in its canonical URL |
//! | `url_matches` | `regex` | when it is found in the current page's canonical URL |
//! | `url_change` | `from`?, `to`? | when the current page has `to` in its URL, and the page before it `from` |
//! | `user_property` | `key`, `op`, `value` | when the property compares so; an unknown one only with `not_exists` |
//! | `recent_action` | `title_contains`?, `type`?, `within_s`? | when there was one; one of the first two is needed, the case of a title does not matter |
//! | `action_count` | `min`, `within_s`? | when there were so many actions |
//! | `rage_click` | `min`, `within_s` | when one thing on the current page was clicked so often in so short a time |
//! | `dwell` | `min_s` | once the user has been on the current page for so long |
//! | `idle` | `min_s` | once nothing has been done for so long |
//! | `canonical_url_ping_pong`, `user_page_dwell` | none | as the built-in triggers of these names do |
//!
//! The current page is that of the newest action that has one: what happens off any page does not leave it.

mod campaign;
mod entry;
mod kind;
mod leaf;
mod params;
mod part;
mod property;
mod reader;
mod tree;

pub use campaign::Campaign;
pub use entry::{ENTRIES_MAX, parse};
pub use tree::{LEVELS_MAX, NODES_MAX};
