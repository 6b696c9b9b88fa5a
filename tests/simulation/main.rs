//! The whole service below its doors, on one thread and a clock that is moved by hand: one seed
//! decides everything that happens, and what happens is held to laws.
//!
//! ```sh
//! cargo test --release --test simulation                 # 300 seeds
//! SEEDS=10000 cargo test --release --test simulation     # more of them
//! SEED=123 TRACE=1 cargo test --release --test simulation # one of them, told line by line
//! ```
//!
//! The cast, in reading order: [`shape`] says what a seed decides beforehand, [`run`] what happens;
//! an [`instance`] is the service put together on a [`port`] to the one true store ([`truth`]), and it
//! can die, stall and be wrong about the time; [`vendor`] is the platform that takes notes; [`people`]
//! send and ask, and [`reader`]s read. The laws are in [`record`] (every commit), [`reader`] (every
//! event) and [`check`] (the end). [`mutant`] is the service broken on purpose, to prove that the laws
//! notice.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints its results, reads its environment, and has threads"
)]

mod book;
mod check;
mod dice;
mod instance;
mod mutant;
mod people;
mod port;
mod reader;
mod record;
mod run;
mod shape;
mod trace;
mod truth;
mod vendor;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use mutant::Mutant;
use trace::Broken;

/// Seeds that once broke a law, each with what it found.
const REGRESSIONS: [(u64, &str); 0] = [];

/// How many seeds a mutant gets to show that it is broken.
const MUTANT_SEEDS: u64 = 200;

fn main() -> ExitCode {
    if let Some(seed) = number("SEED") {
        return one(seed);
    }
    let seeds = number("SEEDS").unwrap_or(300);
    let mut failed = 0;
    let mut passed = 0;
    let mut tally = |name: &str, outcome: Result<String, String>| match outcome {
        Ok(figures) => {
            passed += 1;
            println!("simulation: {name} ... ok ({figures})");
        }
        Err(reason) => {
            failed += 1;
            println!("simulation: {name} ... FAILED\n{reason}");
        }
    };
    tally("one seed is one run", repeats());
    for (seed, found) in REGRESSIONS {
        let name = format!("seed {seed}: {found}");
        tally(&name, first_broken(seed..=seed));
    }
    tally("the laws hold", first_broken(1..=seeds));
    for mutant in mutant::ALL {
        tally(&format!("{mutant:?} is caught"), caught(mutant));
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Replays one seed.
fn one(seed: u64) -> ExitCode {
    let ending = run::play(seed, None, number("TRACE").is_some_and(|on| on > 0));
    let failed = u8::from(ending.broken.is_some());
    match ending.broken {
        Some(broken) => println!("{}", report(seed, &broken)),
        None => println!("simulation: seed {seed}, {} events", ending.events),
    }
    println!("{} passed, {failed} failed", 1 - failed);
    ExitCode::from(failed)
}

fn report(seed: u64, broken: &Broken) -> String {
    format!(
        "seed {seed} breaks {}: {}\n  SEED={seed} TRACE=1 cargo test --release --test simulation",
        broken.law, broken.text
    )
}

/// Two runs of a seed are the same run, and two seeds are not.
fn repeats() -> Result<String, String> {
    let hashes = |seed| [0; 2].map(|_| run::play(seed, None, false).hash);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..=REPEATED_SEEDS {
        let [first, second] = hashes(seed);
        if first != second {
            return Err(format!("seed {seed} gives {first:x} and {second:x}"));
        }
        if !seen.insert(first) {
            return Err(format!("seed {seed} gives the run of another"));
        }
    }
    Ok(format!("{REPEATED_SEEDS} seeds, each twice"))
}

/// Plays all seeds on all cores; the broken ones are the error.
fn first_broken(seeds: std::ops::RangeInclusive<u64>) -> Result<String, String> {
    let (next, events) = (AtomicU64::new(*seeds.start()), AtomicU64::new(0));
    let broken = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > *seeds.end() {
                        return;
                    }
                    let ending = run::play(seed, None, false);
                    events.fetch_add(ending.events, Ordering::Relaxed);
                    if let Some(found) = ending.broken {
                        let mut broken = broken.lock().expect("no thread panics with it");
                        broken.push((seed, found));
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().expect("no thread panics with it");
    broken.sort_by_key(|(seed, _)| *seed);
    if broken.is_empty() {
        let count = seeds.count();
        let events = events.into_inner();
        return Ok(format!("{count} seeds, {events} events"));
    }
    let shown = broken.iter().take(SHOWN_MAX);
    let shown: Vec<_> = shown.map(|(seed, found)| report(*seed, found)).collect();
    Err(format!("{} seeds:\n{}", broken.len(), shown.join("\n")))
}

fn caught(mutant: Mutant) -> Result<String, String> {
    for seed in 1..=MUTANT_SEEDS {
        if let Some(broken) = run::play(seed, Some(mutant), false).broken {
            return Ok(format!("seed {seed}: {}", broken.law));
        }
    }
    Err(format!(
        "it survives {MUTANT_SEEDS} seeds: the laws are too weak"
    ))
}

/// How many seeds are played twice.
const REPEATED_SEEDS: u64 = 20;

/// How many broken seeds are shown.
const SHOWN_MAX: usize = 20;
