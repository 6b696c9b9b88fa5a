//! The door: parse, run, exit code.

use std::process::ExitCode;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the process environment is read"
)]
fn main() -> ExitCode {
    event_connector::cli::main(std::env::args_os(), std::env::vars_os())
}
