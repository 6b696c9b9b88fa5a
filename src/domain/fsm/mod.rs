//! The three-state session machine (contract 5.2): may we speak first, and for how long does a
//! conversation count as going on?
//!
//! The cast: [`Fsm`] is one session's machine and a plain value; [`State`] is where it stands;
//! [`Gate`] answers whether an offer may be made now; [`TourRegistry`] knows the products' tours,
//! which bring timeouts of their own.
//!
//! Guaranteed:
//!
//! * A timeout is strict (more than the period must have passed), a cooldown is inclusive.
//! * The only way out of a conversation is a timeout; everything else is an [`InvalidTransition`]
//!   that changes nothing.
//! * [`Fsm::to_snapshot`] and [`Fsm::from_snapshot`] speak version 1 of the published snapshot; the
//!   serde form is a shorter one of our own, for the store.
//!
//! Deliberately absent: a clock. Every time is handed in as Unix seconds, so a stored machine means
//! the same on another host, which the monotonic readings of published snapshots do not. [`Fsm::shifted`] leads from
//! the one to the other.

mod machine;
mod snapshot;
mod state;
mod stored;
mod timers;
mod tours;

pub use machine::{COOLDOWN_PERIOD_S, Fsm, INTERACTION_TIMEOUT_S};
pub use snapshot::InvalidSnapshot;
pub use state::{EmptySessionId, Gate, InvalidTransition, State};
pub use tours::{Periods, TOUR_COOLDOWN_PERIOD_S, TOUR_INTERACTION_TIMEOUT_S, Tour, TourRegistry};
