//! The live feed: everything that is committed, to many readers, in commit order.
//!
//! The cast: a [`Feed`] has one channel per product that anybody listens to; the channel's reader
//! follows the committed log and keeps the newest events in a ring; a [`Subscriber`] is a cursor,
//! not a queue: it reads the ring, and pages of the store when it lags behind the ring. `block.rs` holds
//! what both consist of, `shelf.rs` the pages that were read last.
//!
//! Guaranteed:
//!
//! * A subscriber that says where it stopped misses nothing inside retention and gets nothing twice;
//!   what retention has removed is announced by a `gap` event.
//! * Only committed entries are seen, in offset order. Actors nudge; they never publish.
//! * An event is rendered once and shared, with its neighbours, by all who read it, those who lag
//!   included. A slow subscriber holds one block, and while it lags one page; nothing waits for it.
//!
//! Deliberately absent: acknowledgements, and any queue per subscriber.

mod block;
mod channel;
mod filter;
mod shelf;
pub mod sse;
mod subscriber;

pub use channel::{Feed, Limits, TooManySubscribers};
pub use filter::{Filter, Start};
pub use subscriber::Subscriber;
