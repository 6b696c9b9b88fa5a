//! A store that forgets: for tests of timing and of what goes wrong.
//!
//! The cast: [`Memory`] is the backend; a [`Fault`] is something that will go wrong with the next
//! commit or the next read. It passes the same suite as the stores that keep, so what a test sees
//! here is what it would see there.
//!
//! Deliberately absent: durability, bounds, and unreadable rows other than those a fault makes.

mod age;
mod backend;
mod commit;
mod deliveries;
mod erase;
mod fault;
mod lease;
mod outbox;
mod tables;

pub use backend::Memory;
pub use fault::Fault;
