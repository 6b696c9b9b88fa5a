//! Speaking first: when to offer help, and what to say (contract 5).
//!
//! The cast: a [`Context`] is what a session has seen lately; a [trigger](trigger::Trigger) looks at it and may answer
//! with an [`Offer`]; a [`Flaw`] says what is wrong with a product's wishes.
//!
//! Everything here is pure: times are Unix seconds and handed in.

pub mod criteria;
pub mod message;

mod actions;
mod context;
mod flaw;
mod offer;
mod program;
pub mod resilience;
mod tally;
mod text;
pub mod trigger;
mod window;

pub use actions::{Act, Actions};
pub use context::{Context, Properties, Scalar, Seen};
pub use flaw::Flaw;
pub use offer::Offer;
pub use program::Program;
pub use tally::Tally;
pub use window::Window;
