//! The whole service below its doors, on one thread and a clock that is moved by hand: one seed
//! decides everything that happens, and what happens is held to laws.
//!
//! ```sh
//! cargo test --release --test simulation                 # 300 seeds
//! SEEDS=10000 cargo test --release --test simulation     # more of them
//! SEED=123 TRACE=1 cargo test --release --test simulation # one of them, told line by line
//! ```
//!
//! `MUTANT=` with a name beside `SEED` replays how a mutant is caught, and `STORE=sqlite` or `STORE=redis` plays the
//! seed on that store. Some seeds with offers are always played on either: no clock of the world moves while a store
//! works, so the laws are the same, but what it does at the same time comes to its end in its own order.
//!
//! The cast, in reading order: [`shape`] says what a seed decides beforehand, [`run`] what happens; an
//! [`instance`] is the service put together on a [`port`] to the one true store ([`truth`]), and it can
//! die, stall and be wrong about the time; [`backend`] is what that store writes to; [`vendor`] is the
//! platform that takes notes, reached through a [`desk`]; [`people`] send and ask, [`page`]s show what is
//! offered, [`reader`]s read, and an [`operator`] has deliveries sent again. The laws are in [`record`] (every commit), [`offer_laws`]
//! (everything that is said first), [`outbox`] (every lease and replay), [`account`] (every call),
//! [`reader`] (every event) and [`check`] (the end). [`mutant`] is the service broken on purpose, to
//! prove that the laws notice.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints its results, reads its environment, and has threads"
)]

mod account;
mod backend;
mod book;
mod check;
mod desk;
mod dice;
mod instance;
mod mutant;
#[path = "../support/offer_laws.rs"]
mod offer_laws;
mod operator;
mod outbox;
mod page;
mod people;
mod port;
mod reader;
mod record;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that look into a server")]
mod redis;
mod run;
mod shape;
#[path = "../support/tally.rs"]
mod tally;
mod trace;
mod truth;
mod vendor;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use backend::Backend;
use mutant::Mutant;
use shape::Shape;
use tally::Tally;
use trace::Broken;

/// Seeds that once broke a law, each with what it found.
const REGRESSIONS: [(u64, &str); 3] = [
    (
        11,
        "a worker whose lease had ended put back a delivery that another held by then",
    ),
    (
        20,
        "a deadline was rounded to the millisecond before it, and its actor spun until the next",
    ),
    (
        165,
        "the feed's live readers were not told what retention took before the feed had read it",
    ),
];

/// How many seeds a mutant gets to show that it is broken.
const MUTANT_SEEDS: u64 = 1000;

fn main() -> ExitCode {
    if let Some(seed) = number("SEED") {
        return one(seed);
    }
    let seeds = number("SEEDS").unwrap_or(300);
    let mut tally = Tally::new("simulation");
    tally.tell("one seed is one run", repeats());
    for (seed, found) in REGRESSIONS {
        let name = format!("seed {seed}: {found}");
        tally.tell(&name, hold(seed..=seed));
    }
    tally.tell("the laws hold", hold(1..=seeds));
    for backend in [Backend::Sqlite, Backend::Redis] {
        let name = format!("the laws hold of offers on {backend:?}");
        tally.tell(&name, hold_on(backend));
        let mutant = Mutant::ForgetsQuotas;
        let name = format!("{mutant:?} is caught on {backend:?}");
        tally.tell(&name, catch_on(backend, mutant));
    }
    match each(mutant::ALL.to_vec(), catch) {
        Ok(outcomes) => {
            for (mutant, outcome) in mutant::ALL.iter().zip(outcomes) {
                tally.tell(&format!("{mutant:?} is caught"), outcome);
            }
        }
        Err(stuck) => tally.tell("mutants are caught", Err(stuck)),
    }
    tally.close()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Replays one seed, of the service as it is or of the mutant named by `MUTANT`, in memory or on the store named by
/// `STORE`.
fn one(seed: u64) -> ExitCode {
    let name = std::env::var("MUTANT").unwrap_or_default();
    let mutant = mutant::ALL
        .into_iter()
        .find(|one| format!("{one:?}") == name);
    let store = std::env::var("STORE").unwrap_or_default();
    let backend = backend::ALL
        .into_iter()
        .find(|one| format!("{one:?}").eq_ignore_ascii_case(&store))
        .unwrap_or(Backend::Memory);
    let ending = run::play_on(
        backend,
        seed,
        mutant,
        number("TRACE").is_some_and(|on| on > 0),
    );
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
    let twice = (1..=REPEATED_SEEDS).flat_map(|seed| [seed; 2]);
    let hashes = each(twice.collect(), |seed| run::play(seed, None, false).hash)?;
    let mut seen = BTreeSet::new();
    for (seed, pair) in (1..).zip(hashes.chunks(2)) {
        if pair.first() != pair.last() {
            return Err(format!("seed {seed} gives {pair:x?}"));
        }
        if !seen.insert(pair.to_vec()) {
            return Err(format!("seed {seed} gives the run of another"));
        }
    }
    Ok(format!("{REPEATED_SEEDS} seeds, each twice"))
}

/// Plays all seeds; the broken ones are the error.
fn hold(seeds: RangeInclusive<u64>) -> Result<String, String> {
    let first = *seeds.start();
    let endings = each(seeds.collect(), |seed| run::play(seed, None, false))?;
    let events: u64 = endings.iter().map(|ending| ending.events).sum();
    let broken: Vec<String> = (first..)
        .zip(&endings)
        .filter_map(|(seed, ending)| Some(report(seed, ending.broken.as_ref()?)))
        .collect();
    if broken.is_empty() {
        return Ok(format!("{} seeds, {events} events", endings.len()));
    }
    let shown = broken.len().min(SHOWN_MAX);
    Err(format!(
        "{} seeds:\n{}",
        broken.len(),
        broken[..shown].join("\n")
    ))
}

/// Plays seeds with offers on a store that does not live in memory.
fn hold_on(backend: Backend) -> Result<String, String> {
    let offers = |seed: &u64| Shape::draw(*seed).policy.program.is_some();
    let seeds: Vec<_> = (1..).filter(offers).take(REAL_SEEDS).collect();
    let runs = seeds.iter().map(|seed| (backend, *seed)).collect();
    let endings = each(runs, |(backend, seed)| {
        run::play_on(backend, seed, None, false)
    })?;
    let made: usize = endings.iter().map(|ending| ending.offers).sum();
    let mut broken = seeds.iter().zip(&endings);
    let broken = broken.find_map(|(seed, ending)| Some((seed, ending.broken.as_ref()?)));
    match broken {
        Some((seed, broken)) => Err(format!("STORE={backend:?} {}", report(*seed, broken))),
        None if made == 0 => Err("nothing was offered: the seeds have no power".to_owned()),
        None => Ok(format!("{} seeds, {made} offers", seeds.len())),
    }
}

/// Plays a mutant until a law notices.
fn catch(mutant: Mutant) -> Result<String, String> {
    catch_on(Backend::Memory, mutant)
}

fn catch_on(backend: Backend, mutant: Mutant) -> Result<String, String> {
    for seed in 1..=MUTANT_SEEDS {
        if let Some(broken) = run::play_on(backend, seed, Some(mutant), false).broken {
            return Ok(format!("seed {seed}: {}", broken.law));
        }
    }
    let text = format!("it survives {MUTANT_SEEDS} seeds: the laws are too weak");
    Err(text)
}

/// Does `work` for each of `items` on all cores, each on one thread; the results are in their order.
/// Whatever takes longer than [`STUCK`] goes round in circles: no run waits for the machine.
fn each<I: Copy + Debug + Send + 'static, T: Send + 'static>(
    items: Vec<I>,
    work: fn(I) -> T,
) -> Result<Vec<T>, String> {
    let count = items.len();
    let queue = Arc::new(Mutex::new(items.into_iter().enumerate()));
    let under_way = Arc::new(Mutex::new(BTreeMap::new()));
    let (done, results) = mpsc::channel();
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
        let (queue, under_way, done) = (Arc::clone(&queue), Arc::clone(&under_way), done.clone());
        std::thread::spawn(move || {
            loop {
                let Some((place, item)) = locked(&queue).next() else {
                    return;
                };
                locked(&under_way).insert(place, item);
                let result = work(item);
                locked(&under_way).remove(&place);
                if done.send((place, result)).is_err() {
                    return;
                }
            }
        });
    }
    let mut sorted = BTreeMap::new();
    while sorted.len() < count {
        let Ok((place, result)) = results.recv_timeout(STUCK) else {
            let stuck: Vec<_> = locked(&under_way).values().copied().collect();
            return Err(format!("no end in sight: {stuck:?}"));
        };
        sorted.insert(place, result);
    }
    Ok(sorted.into_values().collect())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many seeds are played twice.
const REPEATED_SEEDS: u64 = 20;

/// How many seeds are played on each store that is not in memory.
const REAL_SEEDS: usize = 20;

/// How many broken seeds are shown.
const SHOWN_MAX: usize = 20;

/// The longest that the machine may take over a run, or over all runs of a mutant.
const STUCK: Duration = Duration::from_secs(120);
