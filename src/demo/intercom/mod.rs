//! A modelled Intercom over real HTTP: what `demo` shows and what the tests deliver to.
//!
//! The cast: [`Intercom`] is the handle by which one looks at the model, changes it and makes it
//! misbehave; `model` is what Intercom knows; `schema` refuses what its published descriptions do not
//! allow; [`Fault`] is one scripted misfortune of one call; the `door` can be shut, and then nobody
//! listens; `server` is the wire.
//!
//! Guaranteed: conversations, parts, errors and webhooks have the shapes of the published
//! descriptions 2.11 to 2.16 (external-apis §1); every call appears in the request log before
//! anything happens to it; time comes from the given clock, so a delay lasts until that clock moves.
//!
//! Deliberately absent: rate limits unless one is set, searching by more than one field, and everything
//! that the connector does not call.

mod door;
mod fault;
mod handle;
mod model;
mod schema;
mod server;
mod wire;

pub use fault::{Call, Fault, Twist};
pub use handle::{Intercom, Settings};
pub use model::{Post, Request};
