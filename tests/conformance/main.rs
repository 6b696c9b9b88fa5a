//! The published behaviour, case by case.
//!
//! Runs every `<topic>.json` of `VECTORS_DIR` and the fixtures of `FIXTURES_DIR` against the code
//! that the service runs, prints one line of counts for each, and succeeds exactly when nothing
//! failed. Cases without a flag must match to the letter. Flagged ones record what a careful
//! implementation does differently: they run as well and are judged by what we guarantee instead.
//! A function that arrives with a later issue, or that others' own programs answer elsewhere, is listed
//! with what it waits for and counts neither way. Where we differ on purpose, `difference.rs` says how and why.
//!
//! With `STORE=redis` it is the fixtures that are sent to a whole service, on a Redis that is started for them.
//! Nothing else is run: the vectors and `elements_chain` are about functions, and the cases of
//! `chatbot_writer_delivery` are played below the doors on a clock that is moved by hand whenever everybody has
//! settled, which nobody can tell of a store that takes its time.

mod activity;
mod agent;
mod case;
mod chains;
mod compare;
mod criteria;
mod difference;
mod fsm;
mod intercom;
#[path = "../support/intercom_setup.rs"]
mod intercom_setup;
mod link;
mod merge;
mod mirror;
mod note;
mod payload;
mod push;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that do more to a server")]
mod redis;
mod registration;
mod resilience;
mod topic;
mod tours;
mod trigger;
mod writer;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use topic::{Tally, Topic};

/// Every topic we answer.
const TOPICS: &[Topic] = &[
    agent::TOPIC,
    criteria::TOPIC,
    fsm::TOPIC,
    intercom::TOPIC,
    link::TOPIC,
    mirror::TOPIC,
    note::TOPIC,
    payload::ACTION,
    payload::BATCH,
    payload::MERGE,
    payload::SUMMARY,
    push::TOPIC,
    registration::TOPIC,
    trigger::CATALOGUE,
    trigger::CHAT_SCOPE,
    trigger::DWELL,
    trigger::PING_PONG,
    trigger::PLAYBOOK,
    trigger::REGISTRY,
    trigger::SECTIONS,
    trigger::URL_SCOPE,
    resilience::TOPIC,
    tours::TOPIC,
    writer::TOPIC,
];

/// What runs the documents of a fixture file, or of a folder of them (with a closing slash).
type Fixture = (&'static str, fn(&Value) -> Tally);

/// Every fixture we answer.
const FIXTURES: &[Fixture] = &[
    ("posthog/elements_chain.json", |document| {
        chains::run(document).into()
    }),
    ACTIVITY,
];

/// The one that is played against a whole service.
const ACTIVITY: Fixture = ("activity/", activity::run);

/// The list of a folder's files, which is no fixture itself.
const INDEX: &str = "index";

fn main() -> ExitCode {
    // The panics of cases are caught and reported with their names.
    std::panic::set_hook(Box::new(|_| {}));
    let lines = if redis::is_redis() {
        fixtures(&[ACTIVITY])
    } else {
        let mut lines = vectors();
        lines.extend(fixtures(FIXTURES));
        lines
    };
    report(&lines)
}

fn vectors() -> Vec<(String, Tally)> {
    let mut lines = Vec::new();
    let vectors = directory("VECTORS_DIR", "tests/vectors");
    let documents = documents_of(&vectors);
    if documents.is_empty() {
        let failure = format!("there are no cases in {}", vectors.display());
        lines.push(("vectors".to_owned(), Tally::failure(failure)));
    }
    for path in documents {
        let stem = stem_of(&path);
        let topic = TOPICS.iter().find(|topic| topic.name == stem);
        let tally = match (topic, read(&path)) {
            (None, _) => Tally::failure("nobody answers this topic".to_owned()),
            (_, Err(error)) => Tally::failure(error),
            (Some(topic), Ok(document)) => topic.run(&document),
        };
        lines.push((stem, tally));
    }
    lines
}

fn fixtures(chosen: &[Fixture]) -> Vec<(String, Tally)> {
    let mut lines = Vec::new();
    let fixtures = directory("FIXTURES_DIR", "tests/fixtures");
    for (place, run) in chosen {
        for path in fixture_files(&fixtures, place) {
            let tally = read(&path).map_or_else(Tally::failure, |document| {
                case::guarded(|| run(&document)).unwrap_or_else(Tally::failure)
            });
            lines.push((format!("fixtures/{}", stem_of(&path)), tally));
        }
    }
    lines
}

fn report(lines: &[(String, Tally)]) -> ExitCode {
    let passed: usize = lines.iter().map(|(_, tally)| tally.passed).sum();
    let failed: usize = lines
        .iter()
        .map(|(_, tally)| tally.total - tally.passed)
        .sum();
    let text: String = lines
        .iter()
        .map(|(name, tally)| tally.describe(name))
        .collect();
    let total = format!("{passed} passed, {failed} failed\n");
    let written = std::io::stdout().write_all((text + &total).as_bytes());
    if failed == 0 && passed > 0 && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the cases are is the one thing the run is told from outside"
)]
fn directory(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(default),
        PathBuf::from,
    )
}

/// The JSON files of a folder by name; none when there is no such folder.
fn documents_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths
}

fn fixture_files(root: &Path, place: &str) -> Vec<PathBuf> {
    let path = root.join(place);
    if place.ends_with('/') {
        let mut paths = documents_of(&path);
        paths.retain(|path| stem_of(path) != INDEX);
        return paths;
    }
    if path.exists() {
        vec![path]
    } else {
        Vec::new()
    }
}

fn stem_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}
