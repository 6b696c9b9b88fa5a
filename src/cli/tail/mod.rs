//! `tail`: a product's feed as it happens.
//!
//! The cast: `run` follows it and says on standard error when it is away; `shown` turns an event into lines. What
//! follows the feed over all that may happen to it is [`crate::client::Follower`].
//!
//! Guaranteed: standard output holds events and nothing else; as JSON it is one object per line. It ends with code 0
//! when it is told to, or when nobody reads it any more.

mod run;
mod shown;

pub(super) use run::{key, run};
pub(super) use shown::Format;
