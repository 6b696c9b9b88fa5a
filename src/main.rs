//! The door: parse, run, exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the process environment is read"
)]
fn main() -> ExitCode {
    event_connector::cli::main(std::env::args_os(), std::env::vars_os())
}
