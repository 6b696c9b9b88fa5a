//! The main job, shown: recorded sessions go through the real service, and each stop is printed.
//!
//! The cast: the **recording** holds what three providers posted, with times relative to now, and
//! what ails the vendor meanwhile; the **stage** is an application on a temporary store beside a
//! modelled chatbot, [`intercom`], which is what the tests deliver to as well; the **walk** plays the
//! recording; the **watch** looks at what comes of it; the [`ledger`] keeps accounts; the **screen**
//! prints; the **closing** sums up and suggests what to try.
//!
//! Guaranteed:
//!
//! * Everything printed was observed: answers over HTTP, events read from the feed by our own client,
//!   the chatbot's record of calls and messages, the service's counters. Nothing is printed because
//!   it should have happened.
//! * It ends with 0 only if every acknowledged action is on the feed once and in its conversation
//!   once, and no rate limit was broken.
//! * An interrupt at any moment ends it cleanly: the temporary store is removed, and the terminal is
//!   as it was.

mod closing;
pub mod intercom;
pub mod ledger;
mod listener;
mod recording;
mod run;
mod screen;
mod stage;
mod walk;
mod watch;

pub use run::{Options, run};
