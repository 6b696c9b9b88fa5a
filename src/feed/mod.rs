//! The live feed: everything that is committed, to many readers, in commit order.
//!
//! The cast: a [`Feed`] has one channel per product that anybody listens to; the channel's reader
//! follows the committed log and keeps the newest frames in a ring; a [`Subscriber`] is a cursor,
//! not a queue: it reads the ring, and the store when it lags behind the ring.
//!
//! Guaranteed:
//!
//! * A subscriber that says where it stopped misses nothing inside retention and gets nothing twice;
//!   what retention has removed is announced by a `gap` event.
//! * Only committed entries are seen, in offset order. Actors nudge; they never publish.
//! * A frame is serialised once and shared. A slow subscriber costs nobody memory.
//!
//! Deliberately absent: acknowledgements, and any queue per subscriber.

mod channel;
mod filter;
pub mod sse;
mod subscriber;

pub use channel::{Feed, Limits, TooManySubscribers};
pub use filter::{Filter, Start};
pub use subscriber::Subscriber;
