//! Bridges that customers run themselves between us and a chatbot of theirs: notes as signed requests, and
//! notifications that come back signed the same way.
//!
//! The cast: a [`Bridge`] is the destination; a [`Target`] is what calling one takes; [`webhook`] reads notifications
//! and is pure.
//!
//! Guaranteed: each note is one request, signed like a push, whose identifier is the same however often it is repeated:
//! a bridge that remembers identifiers posts no note twice. The address is judged like that of every customer.
//!
//! Deliberately absent: reading a conversation back, which a bridge need not offer, because it knows repetitions by
//! their identifier; and redacting, which nothing asks for yet.

mod destination;
pub mod webhook;

pub use destination::{Bridge, Target, Targets};
