//! From arguments to an exit code.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Cli, Command, ConfigArgs};
use super::{check, health, serve, store};
use crate::config::{Config, LoadOptions, Mistakes};
use crate::demo;

/// Runs what was typed. `environment` is the process environment, read by `main` alone.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with code 0.
            let code = error.exit_code();
            let _ = error.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let environment = readable(environment);
    match cli.command {
        Command::Serve(source) => {
            with_config(&source, environment, |config| run(serve::serve(config)))
        }
        Command::Demo(demo) => run(demo::run(demo::Options {
            port: demo.port,
            once: demo.once,
        })),
        Command::Check(arguments) if arguments.defaults => check::defaults(),
        Command::Check(arguments) => check::check(load(&arguments.source, environment)),
        Command::Health(arguments) => with_config(&arguments.source, environment, |config| {
            let address = arguments
                .address
                .unwrap_or_else(|| health::reachable(config.http.bind));
            run(health::ask(address))
        }),
        Command::Backup(arguments) => with_config(&arguments.source, environment, |config| {
            run(store::backup(config, arguments.to, arguments.force))
        }),
        Command::Restore(arguments) => with_config(&arguments.source, environment, |config| {
            run(store::restore(config, arguments.from))
        }),
        Command::Migrate(arguments) => with_config(&arguments.source, environment, |config| {
            run(store::migrate(config, arguments.to, arguments.dry_run))
        }),
    }
}

/// Variables that are not text can be none of ours.
fn readable(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn load(source: &ConfigArgs, env: Vec<(String, String)>) -> Result<Config, Mistakes> {
    Config::load(LoadOptions {
        file: source.config.clone(),
        env,
    })
}

fn with_config(
    source: &ConfigArgs,
    environment: Vec<(String, String)>,
    go: impl FnOnce(Config) -> ExitCode,
) -> ExitCode {
    match load(source, environment) {
        Ok(config) => go(config),
        Err(mistakes) => {
            complain(&mistakes.to_string());
            ExitCode::from(2)
        }
    }
}

/// Runs `work` on a fresh runtime; prints the whole chain of an error.
fn run(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// A line for the person who typed. A reader that has gone away is no reason to fail.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "event-connector: {text}");
}

/// A line of what was asked for. A reader that has seen enough, such as `head`, closes the pipe.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
