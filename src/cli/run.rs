//! From arguments to an exit code.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::arguments::{Cli, Command, ConfigArgs, DeliveriesArgs, DemoArgs, ServiceArgs};
use super::connect::Service;
use super::{check, deliveries, explain, health, help, products, serve, store, tail};
use crate::config::{Config, LoadOptions, Mistakes};
use crate::demo;
use crate::terminal::{Advised, Terminal};

/// Runs what was typed. `environment` is the process environment, read by `main` alone.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(error),
    };
    let environment = readable(environment);
    let out = Terminal::stdout(&environment);
    let log = Terminal::stderr(&environment);
    match cli.command {
        Command::Serve(source) => with_config(&source, environment, |config| {
            run(serve::serve(config, log))
        }),
        Command::Demo(arguments) => run(demo::run(shown(&arguments, out, log))),
        Command::Check(arguments) if arguments.defaults => check::defaults(),
        Command::Check(arguments) => with_config(&arguments.source, environment, |config| {
            check::check(&config, log)
        }),
        Command::Health(arguments) => with_config(&arguments.source, environment, |config| {
            let address = arguments
                .address
                .unwrap_or_else(|| health::reachable(config.http.bind));
            run(health::ask(address, out))
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
        Command::Products(arguments) => {
            let asked = arguments.service().clone();
            with_service(asked, environment, |service, config| {
                let task = products::of_products(arguments);
                run(products::run(task, service, config, out))
            })
        }
        Command::Keys(arguments) => {
            let asked = arguments.service().clone();
            with_service(asked, environment, |service, config| {
                let task = products::of_keys(arguments);
                run(products::run(task, service, config, out))
            })
        }
        Command::Deliveries(DeliveriesArgs { command }) => {
            let asked = command.service().clone();
            with_service(asked, environment, |service, config| {
                run(deliveries::run(command, service, config, out))
            })
        }
        Command::Explain(arguments) => {
            let asked = arguments.service.clone();
            with_service(asked, environment, |service, config| {
                run(explain::run(arguments, service, config, out))
            })
        }
        Command::Tail(arguments) => {
            let asked = arguments.service.clone();
            let key = tail::key(&environment);
            with_service(asked, environment, |service, config| {
                run(tail::run(arguments, service, key, config, [out, log]))
            })
        }
    }
}

/// How the demonstration runs.
fn shown(arguments: &DemoArgs, screen: Terminal, log: Terminal) -> demo::Options {
    demo::Options {
        port: arguments.port,
        once: arguments.once,
        fast: arguments.fast,
        screen,
        log,
    }
}

/// Says what was wrong with the arguments. Help and version come this way too, with code 0.
fn refuse(mut error: clap::Error) -> ExitCode {
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed.clone(),
        _ => String::new(),
    };
    let ours = help::our_word(&typed).filter(|_| error.kind() == ErrorKind::InvalidSubcommand);
    if let Some(ours) = ours {
        let words = ContextValue::Strings(vec![ours.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, words);
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
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
            for mistake in mistakes.iter() {
                complain(&mistake.to_string());
            }
            advise(
                "event-connector check --defaults, which prints every key with its default and its reason",
            );
            ExitCode::from(2)
        }
    }
}

/// The same for what asks a service.
fn with_service(
    asked: ServiceArgs,
    environment: Vec<(String, String)>,
    go: impl FnOnce(Service, Config) -> ExitCode,
) -> ExitCode {
    let service = Service::named(asked.url, &environment);
    with_config(&asked.source, environment, |config| go(service, config))
}

/// Runs `work` on a fresh runtime; prints the whole chain of an error, and what to do about it.
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
        if let Some(advised) = error.downcast_ref::<Advised>() {
            advise(&advised.next);
        }
        if error.is::<Misconfigured>() {
            advise("event-connector check, which names every mistake at once");
            return ExitCode::from(2);
        }
        match error.downcast_ref::<Mistyped>() {
            Some(Mistyped { next, .. }) => {
                next.iter().for_each(|next| advise(next));
                ExitCode::from(2)
            }
            None => ExitCode::FAILURE,
        }
    })
}

/// A mistake in what was configured that shows only once work has begun.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(super) struct Misconfigured(anyhow::Error);

impl Misconfigured {
    pub(super) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self(error.into())
    }
}

/// A mistake in what was typed, or in a variable that was set for it, that shows only once work has begun.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
pub(super) struct Mistyped {
    error: anyhow::Error,
    next: Option<String>,
}

impl Mistyped {
    pub(super) fn new(error: impl Into<anyhow::Error>, next: Option<String>) -> Self {
        let error = error.into();
        Self { error, next }
    }
}

/// A line for the person who typed. A reader that has gone away is no reason to fail.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "event-connector: {text}");
}

/// The next step for the person who typed.
pub(super) fn advise(text: &str) {
    let _ = writeln!(std::io::stderr(), "  try: {text}");
}

/// A line of what was asked for. A reader that has seen enough, such as `head`, closes the pipe.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Whole lines of what was asked for; answers whether anybody still reads.
pub(super) fn print_block(lines: &str) -> bool {
    let mut out = std::io::stdout();
    let written = out.write_all(lines.as_bytes());
    written.and_then(|()| out.flush()).is_ok()
}
