//! Kills the real service at random moments and looks at what is left.
//!
//! `cargo test --release --test crash` runs its proofs, each with its counter-proof:
//!
//! * **Kill**: `CRASH_ROUNDS` (100) times the release binary takes load from several connections,
//!   dies by SIGKILL, starts again, and must know everything it acknowledged: the feed exactly and
//!   in order, the notes, links, identities, machine states and cooldowns. A build that acknowledges
//!   first and commits 5 ms later must fail the same rounds.
//! * **Migrate**: schema upgrades and downgrades die by SIGKILL at arbitrary moments, and the file must
//!   be of the one version or of the other, with everything in it. A step that is cut into two
//!   transactions must fail the same rounds.
//! * **Sync**: killing a process says nothing about the disk, so under strace every 200 must be
//!   preceded by the sync of the write-ahead log. The same service with `synchronous=OFF` must fail.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints its results and reads its environment"
)]

#[path = "../support/around.rs"]
mod around;
mod check;
mod load;
#[path = "../support/look.rs"]
mod look;
mod migrate;
#[path = "../support/mutant.rs"]
mod mutant;
#[path = "../support/sent.rs"]
mod sent;
#[path = "../support/server.rs"]
mod server;
mod story;
mod strace;
#[path = "../support/tally.rs"]
mod tally;
#[path = "../support/until.rs"]
mod until;

use std::process::ExitCode;

use server::Build;
use tally::Tally;

/// How many rounds the broken build gets to show that it is broken.
const MUTANT_ROUNDS: u32 = 40;

/// How many migrations are killed.
const MIGRATE_ROUNDS: u32 = 60;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(mutant::FLAG) => return mutant::serve(arguments),
        Some(migrate::FLAG) => return migrate::serve(arguments),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let proofs = [
        (
            "migrate: a killed migration leaves one version or the other",
            runtime.block_on(migrate::kill(MIGRATE_ROUNDS, false)),
        ),
        (
            "migrate: a step of two transactions is caught",
            runtime.block_on(broken_step_is_caught()),
        ),
        (
            "kill: nothing acknowledged is lost",
            runtime.block_on(kill()),
        ),
        (
            "kill: a build that commits late is caught",
            runtime.block_on(kill_mutant()),
        ),
        (
            "sync: every 200 follows a sync",
            runtime.block_on(strace::syncs(Build::Release)),
        ),
        (
            "sync: a build that never syncs is caught",
            runtime.block_on(no_sync_is_caught()),
        ),
    ];
    let mut tally = Tally::new("crash");
    for (name, outcome) in proofs {
        tally.tell(name, outcome);
    }
    tally.close()
}

async fn broken_step_is_caught() -> Result<String, String> {
    match migrate::kill(MIGRATE_ROUNDS, true).await {
        Ok(figures) => Err(format!("it passed ({figures}): the test has no power")),
        Err(reason) => Ok(reason),
    }
}

async fn kill() -> Result<String, String> {
    let rounds = std::env::var("CRASH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let rounds: u32 = rounds.unwrap_or(100);
    let mut total = check::Figures::default();
    for round in 1..=rounds {
        let figures = story::play(Build::Release, u64::from(round))
            .await
            .map_err(|reason| format!("round {round}: {reason}"))?;
        total.add(figures);
        if round % 10 == 0 {
            eprintln!("crash: {round} of {rounds} rounds, {total}");
        }
    }
    Ok(format!("{rounds} rounds, {total}"))
}

async fn kill_mutant() -> Result<String, String> {
    for round in 1..=MUTANT_ROUNDS {
        if let Err(reason) = story::play(Build::AcknowledgesEarly, u64::from(round)).await {
            let first = reason.lines().next().unwrap_or_default();
            return Ok(format!("caught in round {round}: {first}"));
        }
    }
    Err(format!(
        "it survived {MUTANT_ROUNDS} rounds: the test has no power"
    ))
}

async fn no_sync_is_caught() -> Result<String, String> {
    match strace::syncs(Build::NeverSyncs).await {
        Ok(figures) => Err(format!("it passed ({figures}): the test has no power")),
        Err(reason) => Ok(reason.lines().next().unwrap_or_default().to_owned()),
    }
}
