//! The receiving side of the feed, as published clients read it.
//!
//! The cast: a [`Field`] is one value as it arrived; [`Action`], [`ActionsPayload`] and
//! [`SummaryPayload`] are the records; [`Payload`] is whichever of them an event carries. `demo`
//! prints the feed through these, so what it shows is what a client sees.
//!
//! Guaranteed: decoding is as lenient as in published clients. Whatever is falsy becomes the
//! default, nothing is trimmed, converted or range-checked, unknown keys are ignored, and no input
//! panics. Refused are only records that are no objects, and lists of actions that are no lists of
//! them.
//!
//! Deliberately absent: what we send (that is `domain::action`), and what only a receiver does with
//! payloads once it has them, such as merging batches.

mod field;
mod payload;

pub use field::Field;
pub use payload::{Action, ActionsPayload, Malformed, Payload, SummaryPayload};
