//! The command line: what a person types, what they read back, and the exit code.
//!
//! The cast: `arguments` is what can be typed, and `help` what `--help` teaches about it; `run` takes
//! it to one of the commands; `announce` is what `serve` says at its start, and [`safety`] finds what
//! of it is not safe yet; `connect` knows where the running service
//! is that a command asks, and `found` is that service, or its store.
//!
//! Standard output carries what was asked for; logs and progress go to standard error. Exit codes:
//! 0 for success, 1 for a failure, 2 for a mistake in what was typed or configured.

mod announce;
mod arguments;
mod check;
mod connect;
mod deliveries;
mod explain;
mod fields;
mod found;
mod health;
mod help;
mod moment;
mod products;
mod run;
pub mod safety;
mod serve;
mod store;
mod table;
mod tail;

pub use run::main;
