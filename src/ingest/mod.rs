//! Vendor bytes in, domain values out.
//!
//! Three providers send activity in seven shapes; all of them end here as one thing, the actions
//! a user took, in words a person would use. [`read`] is the whole pipeline (contract section 3):
//!
//! 1. `decode` makes JSON of the bytes, `shape` finds the raw events in it;
//! 2. an adapter (`posthog`, `amplitude`, `fullstory`) flattens each to a `raw::RawEvent`, and from
//!    here on all providers go the same way;
//! 3. `filter` drops what is not a user action, and says why;
//! 4. `label`, `page`, `url`, `time` and `wording` make an action of the rest;
//! 5. `batch` groups actions, identities and what `property` keeps of what is said of users by session.
//!
//! [`chain`] reads PostHog's element notation, [`signature`] checks who sent a body, and
//! [`inflate`] unpacks it under a bound; all before or beside the pipeline.
//!
//! Guarantees: no input panics or exhausts the stack; a bad raw event never rejects its
//! neighbours; every raw event becomes exactly one action or one counted drop; values users
//! entered, card numbers and secrets in URLs leave nothing behind; the same input gives the same
//! output, hashes included, in every release.
//!
//! It does not know sessions: redeliveries, identity that arrived earlier and numbering are
//! theirs. It reads no clock, keeps nothing and logs nothing.

pub mod chain;
pub mod inflate;
pub mod signature;

mod amplitude;
mod batch;
mod card;
mod decode;
mod duplicate;
mod filter;
mod fullstory;
mod identifier;
mod identity;
mod json;
mod label;
mod page;
mod posthog;
mod property;
mod raw;
mod redact;
mod settings;
mod shape;
mod text;
mod time;
mod url;
mod wording;

pub use batch::{Batch, Error, Share, read};
pub use settings::{CustomEvents, REDACTED_BY_DEFAULT, Settings, UrlStyle, Wording};
