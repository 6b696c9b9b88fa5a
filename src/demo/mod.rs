//! The main job, shown: recorded sessions go through the real service, and each stop is printed.
//!
//! The cast: the **recording** holds what three providers posted, with times relative to now; the
//! **walk** plays it against an application on a temporary store; [`intercom`] models the chatbot,
//! and is what the tests deliver to as well; the **screen** prints.
//!
//! Everything printed was observed from the outside: answers over HTTP, events read from the feed by
//! our own client, notes as the chatbot shows them. Nothing is printed because it should have
//! happened.

pub mod intercom;
mod listener;
mod recording;
mod run;
mod screen;
mod walk;

pub use run::{Options, run};
