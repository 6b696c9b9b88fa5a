//! Pushes: every batch of actions, posted to an endpoint of the product's own, as subscribers of the feed get it.
//!
//! The cast: a [`Target`] is what a product's pushes need, looked up for each attempt; [`Push`] looks after them; `call`
//! makes one signed call, for notes through a bridge as well; `header` signs; `answer` turns what came back into a
//! receipt or a refusal.
//!
//! Guaranteed:
//!
//! * What is sent are the bytes of the feed's `data`, signed twice over: `X-Connector-Signature` as the published
//!   receivers verify it (contract 2.8), and the headers of Standard Webhooks 1.0.
//! * At least once: an attempt without an answer is repeated, under the same id, which is how a receiver knows it.
//! * An answer decides by its status alone. Of its body a bounded beginning is kept, without what it repeats
//!   of ours, for an operator's eyes.
//! * Secret and address are in no log line, error or record.
//!
//! Deliberately absent: the order of a session and the schedule (the outbox has them), and any memory of which
//! endpoints are disabled (`admission` has it, for as long as the process lives).

mod answer;
mod call;
mod destination;
mod header;

pub(crate) use call::{Address, Envelope, post};
pub use destination::{Push, Target, Targets};
