//! Speaking first: when to offer help, and what to say (contract 5).
//!
//! The cast: a [`Context`] is what a session has seen lately; a trigger looks at it and may answer with an [`Offer`];
//! a [`Flaw`] says what is wrong with a product's wishes.
//!
//! Everything here is pure: times are Unix seconds and handed in.

mod context;
mod flaw;
mod offer;

pub use context::{Context, Properties, Scalar, Seen};
pub use flaw::Flaw;
pub use offer::Offer;
