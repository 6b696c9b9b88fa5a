//! The other side of our wire: the feed as published clients read it, and the service as operators ask it.
//!
//! The cast: a [`Field`] is one value as it arrived; [`Action`], [`ActionsPayload`] and
//! [`SummaryPayload`] are the records; [`Payload`] is whichever of them an event carries. A [`Connector`] asks a
//! running service and says in an [`Error`] what to do when there is no success; a [`Follower`] is a feed that goes on
//! by itself; [`sse`] takes its bytes apart; [`redact`] takes secrets out of texts. `demo` and `tail` print the feed
//! through these, so what they show is what a client sees.
//!
//! Guaranteed: decoding is as lenient as in published clients. Whatever is falsy becomes the
//! default, nothing is trimmed, converted or range-checked, unknown keys are ignored, and no input
//! panics. Refused are only records that are no objects, and lists of actions that are no lists of
//! them. Whatever arrives, what is held of it is bounded. A key is in no error and no `Debug`.
//!
//! Deliberately absent: what we send (that is `domain::action`), and what only a receiver does with
//! payloads once it has them, such as merging batches.

mod connector;
mod field;
mod follow;
mod payload;
mod redaction;
mod refusal;
pub mod sse;

pub use connector::{Connector, Credential, Error};
pub use field::Field;
pub use follow::{EVENT_BYTES_MAX, Follower, Told, Wanted};
pub use payload::{Action, ActionsPayload, Malformed, Payload, SummaryPayload};
pub use redaction::redact;
pub use refusal::{AskedAs, Fault, Refusal, advice_on};
