//! The only place that knows everyone: it constructs, connects and runs.
//!
//! [`App::build`] puts the parts together; [`App::serve`] opens the doors and runs until it is told
//! to stop. Tests and `demo` build the same application with a clock, a store and a listener of
//! their own; nothing anywhere asks whether it is under test.

mod background;
mod build;
mod news;
mod outcome;
mod policy;
mod push;
mod serve;
mod time;

pub use build::{App, Parts, directory};
pub use outcome::ToSession;
pub(crate) use policy::policy;
