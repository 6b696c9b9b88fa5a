//! The service beside the best there is: every figure is a ratio of two things measured in turns in
//! one run, on the same machine, the server on one core and the load on another.
//!
//! ```text
//! cargo bench                          every row of the README's table
//! cargo bench -- ingest feed           some of them
//! cargo bench -- ingest --rounds 1     a quick look
//! ```
//!
//! The cast: a **row** measures a few contenders in turns and turns their medians into [`Figure`]s; a
//! **reference** is a small program that does one thing as well as it can be done; **load** makes
//! requests and measures how long they take; [`process::Process`] is a pinned server whose processor
//! time and memory are read from the kernel. References and pinned variants of the service are this
//! very binary, started again with `--role`.

mod arguments;
#[path = "../tests/support/around.rs"]
mod around;
mod figure;
mod load;
mod process;
mod reference;
mod row;
mod sample;
mod vendor;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use figure::{Figure, print};

/// The service's own, so that references and variants run on the same ground.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.role {
        Some(role) => reference::run(role, &arguments),
        None => measure(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures the rows that were asked for, and prints them as they come and once more as a table.
fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin_this_process(process::LOAD_CORE)?;
    let mut figures: Vec<Figure> = Vec::new();
    for row in row::ALL {
        if !arguments.wants(row.name) {
            continue;
        }
        process::say(&format!("\n{}: {}", row.name, row.about));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let measured = runtime.block_on((row.run)(arguments))?;
        print(&measured);
        figures.extend(measured);
    }
    process::say("\nAll rows");
    print(&figures);
    Ok(())
}
