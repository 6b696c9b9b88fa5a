//! The five-state machine of page offers (contract 5.3): what a page has shown, what the user made of it, and
//! for how long to keep quiet afterwards.
//!
//! The cast: [`AgentFsm`] is the machine of one conversation key and a plain value; [`State`] is where it
//! stands; [`Gate`] answers whether an offer may be shown now; an [`Event`] is what a page reports
//! (contract 1.13); a [`Task`] is a flow that the user is led through.
//!
//! Guaranteed:
//!
//! * Every move is one of the table in [`State::may_become`]; anything else is an [`InvalidTransition`] that
//!   changes nothing. To move to where the machine stands changes nothing either.
//! * A cooldown is inclusive: at its very end it is over. So is an idle offer.
//! * Dismissals are never forgotten: each one keeps the machine quiet for longer, from the third on for ever.
//! * [`AgentFsm::to_snapshot`] and [`AgentFsm::from_snapshot`] speak version 1 of the published snapshot; the
//!   serde form is a shorter one of our own, for the store. It leaves out what is at its default.
//!
//! Deliberately absent: a clock. Times are Unix seconds and handed in.

mod event;
mod machine;
mod snapshot;
mod state;
mod task;

pub use event::{Event, Moved};
pub use machine::{AgentFsm, Settings};
pub use snapshot::InvalidSnapshot;
pub use state::{Gate, InvalidTransition, State};
pub use task::Task;

/// Whether a field may be left out of the stored form.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
