//! The command line: what a person types, what they read back, and the exit code.
//!
//! Standard output carries what was asked for; logs and progress go to standard error. Exit codes:
//! 0 for success, 1 for a failure, 2 for a mistake in what was typed or configured.

mod arguments;
mod check;
mod health;
mod run;
mod serve;
mod store;

pub use run::main;
