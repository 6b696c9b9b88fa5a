//! Kills the real service at random moments and looks at what is left.
//!
//! `cargo test --release --test crash` runs its proofs, each with its counter-proof; words after `--` choose
//! those whose names contain one of them:
//!
//! * **Kill**: `CRASH_ROUNDS` (100) times the release binary takes load from several connections,
//!   dies by SIGKILL, starts again, and must know everything it acknowledged: the feed exactly and
//!   in order, the notes, links, identities, machine states and cooldowns. A build that acknowledges
//!   first and commits 5 ms later must fail the same rounds.
//! * **Spool**: a tenth as often the same on a Redis that dies first and comes back last: what the service takes in
//!   meanwhile is in its spool when it dies. A service that loses its spool must fail.
//! * **Fleet**: as often, three instances on one Redis take load through a balancer that sends each request
//!   to any of them, some twice and out of order, until some of them die, or Redis, or all, or one stands
//!   still for longer than its leases. In half of the rounds those that live must finish the notes before
//!   anybody comes back. Afterwards the same must hold, whichever instance is asked.
//!   A Redis that keeps nothing on disk, and an instance with keys of its own, must fail when all die.
//! * **Offers**: in all of these rounds pages of a product with triggers ask and report as well. What they were told
//!   is in the log, and the log keeps the laws of offers: none inside an interval or a pause, none in the middle
//!   of something, no more than the quotas, one end for each. Stories that break one of them must be noticed.
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
mod fleet;
mod fleet_story;
mod load;
#[path = "../support/look.rs"]
mod look;
mod migrate;
#[path = "../support/mutant.rs"]
mod mutant;
#[path = "../support/offer_laws.rs"]
mod offer_laws;
mod pages;
mod planted;
mod provider;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that look into a server")]
mod redis;
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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use check::Figures;
use fleet::Flaw;
use server::Build;
use story::Outage;
use tally::Tally;
use tokio::runtime::Runtime;

/// How many rounds the broken build gets to show that it is broken.
const MUTANT_ROUNDS: u32 = 40;

/// How many rounds of a fleet run side by side: most of what they take is waiting for leases to run out.
const FLEETS: u32 = 5;

/// How many migrations are killed.
const MIGRATE_ROUNDS: u32 = 60;

/// A proof: its name, and what it does. It answers with what it saw.
type Proof = (&'static str, fn(&Runtime) -> Result<String, String>);

const PROOFS: [Proof; 12] = [
    (
        "migrate: a killed migration leaves one version or the other",
        |runtime| runtime.block_on(migrate::kill(MIGRATE_ROUNDS, false)),
    ),
    ("migrate: a step of two transactions is caught", |runtime| {
        runtime.block_on(broken_step_is_caught())
    }),
    ("kill: nothing acknowledged is lost", |runtime| {
        runtime.block_on(kill())
    }),
    ("kill: a build that commits late is caught", |runtime| {
        runtime.block_on(kill_mutant())
    }),
    (
        "spool: nothing acknowledged while Redis is away is lost",
        |runtime| runtime.block_on(spool()),
    ),
    (
        "spool: a service that loses its spool is caught",
        |runtime| runtime.block_on(lost_spool_is_caught()),
    ),
    (
        "fleet: nothing acknowledged is lost, whichever instance is asked",
        fleets,
    ),
    ("fleet: a Redis that keeps nothing is caught", |runtime| {
        runtime.block_on(flawed_fleet_is_caught(Flaw::Forgetful, "; missing [\""))
    }),
    (
        "fleet: an instance that keeps to itself is caught",
        |runtime| runtime.block_on(flawed_fleet_is_caught(Flaw::Apart, "never came")),
    ),
    ("offers: every broken law is noticed", |_| {
        planted::all_are_noticed()
    }),
    ("sync: every 200 follows a sync", |runtime| {
        runtime.block_on(strace::syncs(Build::Release))
    }),
    ("sync: a build that never syncs is caught", |runtime| {
        runtime.block_on(no_sync_is_caught())
    }),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq(mutant::FLAG).is_some() {
        return mutant::serve(arguments);
    }
    if arguments.next_if_eq(migrate::FLAG).is_some() {
        return migrate::serve(arguments);
    }
    let wanted: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    let runtime = Runtime::new().expect("a runtime");
    let mut tally = Tally::new("crash");
    for (name, proof) in PROOFS {
        if is_wanted(name) {
            tally.tell(name, proof(&runtime));
        }
    }
    tally.close()
}

async fn broken_step_is_caught() -> Result<String, String> {
    match migrate::kill(MIGRATE_ROUNDS, true).await {
        Ok(figures) => Err(format!("it passed ({figures}): the test has no power")),
        Err(reason) => Ok(reason),
    }
}

/// How many rounds are played of each kind.
fn rounds() -> u32 {
    let said = std::env::var("CRASH_ROUNDS").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(100)
}

async fn kill() -> Result<String, String> {
    play_all(rounds(), Build::Release, Outage::None).await
}

async fn kill_mutant() -> Result<String, String> {
    play_until_caught(Build::AcknowledgesEarly, Outage::None).await
}

async fn spool() -> Result<String, String> {
    play_all(rounds().div_ceil(10), Build::Release, Outage::Redis).await
}

async fn lost_spool_is_caught() -> Result<String, String> {
    play_until_caught(Build::Release, Outage::RedisAndSpool).await
}

async fn play_all(rounds: u32, build: Build, outage: Outage) -> Result<String, String> {
    let mut total = Figures::default();
    for round in 1..=rounds {
        let figures = story::play(build, outage, u64::from(round))
            .await
            .map_err(|reason| format!("round {round}: {reason}"))?;
        total.add(figures);
        if round % 10 == 0 {
            eprintln!("crash: {round} of {rounds} rounds, {total}");
        }
    }
    Ok(format!("{rounds} rounds, {total}"))
}

async fn play_until_caught(build: Build, outage: Outage) -> Result<String, String> {
    for round in 1..=MUTANT_ROUNDS {
        if let Err(reason) = story::play(build, outage, u64::from(round)).await {
            let first = reason.lines().next().unwrap_or_default();
            return Ok(format!("caught in round {round}: {first}"));
        }
    }
    Err(format!(
        "it survived {MUTANT_ROUNDS} rounds: the test has no power"
    ))
}

/// Plays rounds side by side, each lane in a thread of its own, because starting processes blocks it.
fn fleets(runtime: &Runtime) -> Result<String, String> {
    let (rounds, begun) = (rounds(), AtomicU32::new(0));
    let total = Mutex::new(Ok(Figures::default()));
    let total = || total.lock().unwrap_or_else(PoisonError::into_inner);
    let lane = || {
        while total().is_ok() {
            let round = begun.fetch_add(1, Ordering::Relaxed) + 1;
            if round > rounds {
                break;
            }
            let played = runtime.block_on(fleet_story::play(Flaw::None, u64::from(round)));
            match (played, &mut *total()) {
                (Ok(figures), Ok(total)) => total.add(figures),
                (Err(reason), total @ Ok(_)) => *total = Err(format!("round {round}: {reason}")),
                (_, Err(_)) => {}
            }
            if round % 10 == 0 {
                eprintln!("crash: {round} of {rounds} rounds of a fleet");
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..FLEETS {
            scope.spawn(lane);
        }
    });
    let total = total().clone()?;
    Ok(format!("{rounds} rounds, {total}"))
}

/// A round of a fleet with a flaw fails by saying what `by` holds.
async fn flawed_fleet_is_caught(flaw: Flaw, by: &str) -> Result<String, String> {
    match fleet_story::play(flaw, 1).await {
        Err(reason) if reason.contains(by) => Ok(reason),
        Err(reason) => Err(format!("it failed for another reason: {reason}")),
        Ok(figures) => Err(format!("it passed ({figures}): the test has no power")),
    }
}

async fn no_sync_is_caught() -> Result<String, String> {
    match strace::syncs(Build::NeverSyncs).await {
        Ok(figures) => Err(format!("it passed ({figures}): the test has no power")),
        Err(reason) => Ok(reason.lines().next().unwrap_or_default().to_owned()),
    }
}
