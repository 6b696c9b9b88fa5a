//! One actor per key at work: decide, commit, act.
//!
//! The cast: a [`Registry`] knows which keys are live, and starts an actor when there is work for one;
//! an actor serialises the inputs of its key, runs them through the pure state, commits, and only then
//! acts and answers; it works in the task of whoever asked, until that one is answered or gone, and
//! otherwise in one of its own; it ends when nothing waits, and leaves the state to the registry, where
//! the key **rests**; the `keeper` rouses keys at rest when their deadlines come, and puts idle ones to sleep;
//! the [`sweeper`] wakes keys whose deadline passed while nobody was live; the
//! [`linker`] and the [`Eraser`] do what spans the sessions of one person; a [`mirror::Mirror`]
//! copies committed states to where clients of the published SDK read them.
//!
//! Guaranteed:
//!
//! * An answer means the commit is durable.
//! * Inputs that wait together are committed together, in the order they arrived.
//! * One actor at a time works on a key of this registry.
//! * Mail that races with coming to rest or idling out is never lost: both happen under one lock.
//! * The actor is a serialiser and a cache, never the truth: a refused commit brings the newer
//!   state, and the same inputs are decided again on it.
//! * A deadline is kept for as long as it was away when it was set: setting the wall clock back makes
//!   nobody wait longer, in memory or across a restart. Set forward, the clock is believed.
//! * A panic ends one batch of one key; an input that panics twice is parked where an operator
//!   finds it.
//!
//! Deliberately absent: any policy of sessions (that is [`crate::domain::session`]), HTTP, vendors,
//! and any agreement between instances besides the store's.

mod act;
mod actor;
mod alarm;
mod asker;
mod decision;
mod eraser;
mod keeper;
mod kept;
pub mod linker;
mod live;
pub mod mirror;
mod person;
mod read;
mod registry;
pub mod sweeper;
mod write;

pub use eraser::{Erased, Eraser};
pub use registry::{Committed, Error, Limits, PolicyOf, Registry, Surroundings, Written};
