//! The service as others meet it: their programs, against the real process, over real sockets.
//!
//! `cargo test --release --test clients` runs every case; names given behind `--` choose among them.
//! What the cases run (published clients, validators) is put below the target directory by
//! `tests/clients/install`, which this program calls first.
//!
//! * **sdk**: both clients of `autoplay-sdk`, in both generations, receive typed payloads, value for
//!   value, and come back by themselves after SIGTERM and SIGKILL without a warning of their own.
//! * **onboard**: `onboard_product` of `autoplay-sdk`, in both generations, registers a product; what it returns posts to
//!   it and hears it, before and after it was registered anew.
//! * **mirror**: the store of states of `autoplay-sdk` 0.13.0 reads what the service has mirrored, and compares its
//!   times with its own.
//! * **push**: `WebhookReceiver` of `autoplay-sdk` 0.13.0 in a FastAPI application that fails now and then, and the Standard
//!   Webhooks packages of PyPI and npm, verify every push; none is lost, and the order is kept, across a SIGKILL too.
//! * **resume**: a bare reader goes on at every offset of a feed, misses nothing and gets nothing
//!   twice; ids that never were, that are gone, or that are yet to come.
//! * **eventsource**: the npm package is cut after every event and resumes by itself.
//! * **storm**: five thousand subscribers lose their server and come back.
//! * **intercom**: every call passes a validator that holds Intercom's own description.
//! * **prometheus**: metrics, scrape configuration and alerts as Prometheus' own tool judges them.
//!
//! With `STORE=redis` the service has its store on a Redis of its own.

#![expect(
    clippy::print_stdout,
    reason = "a program of its own: it prints its results and reads its arguments"
)]

mod eventsource;
mod intercom;
mod mirror;
mod onboard;
mod process;
mod prometheus;
mod push;
mod reader;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that look into a server")]
mod redis;
mod resume;
mod sdk;
mod service;
mod storm;
#[path = "../support/tally.rs"]
mod tally;
#[path = "../support/until.rs"]
mod until;
mod work;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use event_connector::clock::Clock;
use futures_util::future::LocalBoxFuture;
use tally::Tally;

/// How long anything may take before a case has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A case: what it is called, and what shows it, with its figures.
type Case = (
    &'static str,
    fn() -> LocalBoxFuture<'static, Result<String, String>>,
);

/// What is not run with `STORE=redis`, by its name, and why.
const ON_ANY_STORE: [(&str, &str); 2] = [
    (
        "mirror: states as the SDK's own store reads them",
        "is on a Redis in any case",
    ),
    (
        "prometheus: scrape configuration and alerts",
        "asks no service",
    ),
];

const CASES: [Case; 13] = [
    ("sdk: typed payloads, in order, across restarts", || {
        Box::pin(sdk::receives())
    }),
    ("onboard: registered, posted to and heard", || {
        Box::pin(onboard::works())
    }),
    ("mirror: states as the SDK's own store reads them", || {
        Box::pin(mirror::is_read())
    }),
    ("push: a receiver that fails, across SIGKILL", || {
        Box::pin(push::survives())
    }),
    ("push: Standard Webhooks packages verify", || {
        Box::pin(push::verifies())
    }),
    ("resume: at every offset, across restarts", || {
        Box::pin(resume::at_every_offset())
    }),
    ("resume: subscribing while events come in", || {
        Box::pin(resume::while_publishing())
    }),
    ("resume: behind what is kept there is a gap", || {
        Box::pin(resume::behind_retention())
    }),
    (
        "eventsource: cut after every event, across restarts",
        || Box::pin(eventsource::resumes()),
    ),
    ("storm: 5,000 subscribers come back", || {
        Box::pin(storm::comes_back())
    }),
    ("intercom: every call passes its description", || {
        Box::pin(intercom::passes())
    }),
    (
        "prometheus: the metrics of a server that has worked",
        || Box::pin(prometheus::metrics()),
    ),
    ("prometheus: scrape configuration and alerts", || {
        Box::pin(prometheus::files())
    }),
];

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let left_out: &[_] = if redis::is_redis() {
        &ON_ANY_STORE
    } else {
        &[]
    };
    for (name, why) in left_out {
        println!("clients: {name} ... left out on Redis: {why}");
    }
    let is_chosen = |name: &str| {
        let is_left_out = left_out.iter().any(|(one, _)| *one == name);
        !is_left_out && (chosen.is_empty() || chosen.iter().any(|part| name.contains(part)))
    };
    let mut tally = Tally::new("clients");
    if let Err(reason) = install() {
        tally.tell("installation", Err(reason));
        return tally.close();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let clock = Clock::system();
    for (name, case) in CASES.iter().filter(|(name, _)| is_chosen(name)) {
        let began = clock.monotonic();
        let outcome = runtime.block_on(case());
        let took_s = clock.since(began).as_secs();
        let outcome = match outcome {
            Ok(figures) => Ok(format!("{figures}; {took_s} s")),
            Err(reason) => Err(format!("after {took_s} s: {reason}")),
        };
        tally.tell(name, outcome);
    }
    tally.close()
}

fn install() -> Result<(), String> {
    let installed = Command::new(own("install")).arg(tools()).status();
    let installed = installed.map_err(|error| format!("tests/clients/install: {error}"))?;
    installed
        .success()
        .then_some(())
        .ok_or_else(|| "not everything could be installed; the reason stands above".to_owned())
}

/// Where what is installed lies.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients")
}

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file that belongs to this test.
fn own(path: &str) -> PathBuf {
    repository("tests/clients").join(path)
}

/// Looks again and again until something is there.
async fn until<T>(
    what: &str,
    look: impl AsyncFnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    until::until(PATIENCE, what, look).await
}

/// Waits no longer than is reasonable.
async fn within<T>(what: &str, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = Clock::system().timeout(PATIENCE, work).await;
    done.unwrap_or_else(|| Err(format!("never happened: {what}")))
}
