//! The repository's rules, checked. Here: who may know whom, and how large things may get. Beside it:
//! `tidy/documents.rs`, that what is there is written down, and `tidy/repository.rs`, what may be in
//! the repository at all. Each failure names the place and what to do about it.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/repository.rs"]
mod repository;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Write;

use source::{Source, mask, sources};

/// A room of the house: a module at the top of `src`.
struct Room {
    name: &'static str,
    /// The rooms it may use. `room::part` opens one part of a room only.
    may_use: &'static str,
    /// Why no others.
    because: &'static str,
}

const fn room(name: &'static str, may_use: &'static str, because: &'static str) -> Room {
    Room {
        name,
        may_use,
        because,
    }
}

const ROOMS: [Room; 25] = [
    room(
        "domain",
        "",
        "the heart is pure, and whatever it used could not be lifted out with it",
    ),
    room(
        "ingest",
        "domain",
        "vendor bytes become domain values without clock, store or network",
    ),
    room(
        "chance",
        "",
        "randomness is handed to others and needs none of them",
    ),
    room(
        "clock",
        "domain",
        "time is handed to others; it only shares the domain's notion of it",
    ),
    room(
        "tasks",
        "clock",
        "spawning is handed to others; it only waits with the clock",
    ),
    room(
        "metrics",
        "",
        "counts are moved by others; they know nobody",
    ),
    room(
        "config",
        "store::redis::Address registration::Vault",
        "it says what was set, not what is done with it; only others can tell what is an address or a key",
    ),
    room(
        "terminal",
        "",
        "colour and width are known to whoever prints, and know nothing of what is printed",
    ),
    room(
        "telemetry",
        "config terminal",
        "log lines are set up before anything else exists",
    ),
    room(
        "store",
        "domain clock tasks metrics",
        "what is written down does not know who asked for it, or what it means",
    ),
    room(
        "fields",
        "",
        "what people wrote is read alike, whatever it is about",
    ),
    room(
        "product",
        "domain ingest fields platform",
        "rows are read and kept; the loop that watches their file is app's",
    ),
    room(
        "registration",
        "domain fields platform product store clock chance tasks metrics",
        "what is registered is sealed and stored; who may ask for it is the doors' to say",
    ),
    room(
        "feed",
        "domain store clock tasks metrics",
        "the feed is filled from the committed log alone; nobody publishes to it",
    ),
    room(
        "session",
        "domain store feed clock chance tasks metrics",
        "sessions do not know that HTTP, vendors or products' files exist: they commit and nudge",
    ),
    room(
        "spool",
        "domain session store clock tasks metrics",
        "it keeps what sessions will be asked once the store is back, and asks them as a door does",
    ),
    room(
        "delivery",
        "domain store clock chance tasks metrics ingest::signature",
        "outcomes come back as inputs like any other, by whoever the app has put there",
    ),
    room(
        "platform",
        "domain fields delivery clock ingest::signature session::linker",
        "a chatbot's peculiarities stay in its module; products, doors and the outbox ask it",
    ),
    room(
        "unkey",
        "domain clock metrics delivery::client",
        "it asks one vendor one question, and knows nothing of who wants to know",
    ),
    room(
        "http",
        "domain ingest session spool feed fields store product registration unkey config clock chance tasks metrics \
         telemetry platform::webhook",
        "doors never ask a worker: work for vendors is committed, and done after the answer",
    ),
    room(
        "client",
        "domain clock chance",
        "it is the other side of the wire and must not lean on ours",
    ),
    room(
        "app",
        "domain ingest chance clock tasks metrics config telemetry store product registration unkey feed session \
         spool platform delivery http",
        "it constructs everything that serves, and is itself used by commands only",
    ),
    room(
        "demo",
        "app client config clock chance tasks domain metrics product registration::Vault store telemetry terminal",
        "it plays a vendor and a client around a whole app, and reaches into none of its rooms",
    ),
    room(
        "cli",
        "app demo config product registration telemetry terminal clock chance tasks metrics spool store client \
         http::outbox http::explanation",
        "commands choose the parts an app is built on; the work itself is in the rooms behind it",
    ),
    room(
        "main",
        "cli",
        "the door only parses, runs and decides the exit code",
    ),
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Fails with all findings, one per line.
pub(crate) fn expect_none(rule: &str, findings: &[String]) {
    let mut list = String::new();
    for finding in findings {
        let _ = write!(list, "\n  {finding}");
    }
    assert!(findings.is_empty(), "{rule}:{list}");
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let module = source.module();
        let Some(from) = module.first() else {
            continue;
        };
        let Some(room) = ROOMS.iter().find(|room| room.name == from) else {
            let path = source.path.display();
            findings.push(format!(
                "{path}: {from} is a new room; give it a row in ROOMS"
            ));
            continue;
        };
        for (line, to) in source.rooms() {
            let is_room = ROOMS.iter().any(|room| room.name == to);
            if to == *from || !is_room || is_open(room, &to, &source, line) {
                continue;
            }
            let at = source.at(line);
            findings.push(format!(
                "{at}: {from} may not use {to}, because {}. Pass in what it needs, or move the \
                 code to a room that may",
                room.because
            ));
        }
    }
    expect_none("direction of dependencies", &findings);
}

/// Rooms that know chatbots by what `platform` lists, and none by its name. The others are `domain`, whose default
/// policy has one, `config`, which has the service's own settings of some, and `demo`, which plays one.
const UNAWARE: [&str; 9] = [
    "app",
    "cli",
    "delivery",
    "feed",
    "http",
    "product",
    "registration",
    "session",
    "spool",
];

#[test]
fn a_platform_is_known_to_its_own_module_and_to_the_list() {
    let all = sources(&["src"]);
    let modules = all.iter().map(Source::module);
    let platforms: BTreeSet<String> = modules
        .filter(|module| module.len() >= 2 && module[0] == "platform" && module[1] != "webhook")
        .map(|module| module[1].clone())
        .collect();
    assert!(platforms.len() >= 2, "{platforms:?}");
    let mut findings = Vec::new();
    for source in &all {
        let module = source.module();
        let room = module.first().map(String::as_str).unwrap_or_default();
        if !UNAWARE.contains(&room) {
            continue;
        }
        for (place, (text, code)) in source.text.lines().zip(source.code.lines()).enumerate() {
            for name in &platforms {
                let path = format!("platform::{name}");
                let is_settings = code.contains(&format!("{path}::Service"));
                let is_named = code.contains(&path) && !is_settings;
                let is_code = !code.trim().is_empty();
                if is_named || (is_code && text.contains(&format!("\"{name}\""))) {
                    let at = source.at(place + 1);
                    findings.push(format!(
                        "{at}: {room} names {name}; ask what platform lists"
                    ));
                }
            }
        }
    }
    expect_none("platforms", &findings);
}

/// Whether `to`, or the part of it that the line names, is on the list.
fn is_open(room: &Room, to: &str, source: &Source, line: usize) -> bool {
    let named = source.code.lines().nth(line - 1).unwrap_or_default();
    let mut may_use = room.may_use.split_whitespace();
    may_use.any(|open| match open.split_once("::") {
        None => open == to,
        Some((room, _)) => room == to && named.contains(open),
    })
}

#[test]
fn every_file_begins_with_a_front_page() {
    let files = sources(&["src", "tests", "benches"]);
    let bare = files
        .iter()
        .filter(|source| !source.text.starts_with("//! "));
    let findings: Vec<String> = bare
        .map(|source| format!("{}: begin with //! and say what this is", source.at(1)))
        .collect();
    expect_none("front pages", &findings);
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let mut findings = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let at = source.at(lines);
            findings.push(format!(
                "{at}: over {FILE_LINES_MAX} lines; find the seam and split it"
            ));
        }
        for function in source.functions() {
            if function.lines > FUNCTION_LINES_MAX {
                findings.push(format!(
                    "{}: {} has {} lines, over {FUNCTION_LINES_MAX}; name its chapters",
                    source.at(function.line),
                    function.name,
                    function.lines,
                ));
            }
        }
    }
    expect_none("size", &findings);
}

#[test]
fn the_rules_see_code_and_nothing_else() {
    let text = "fn a() { // }\n let s = \"}\\\"}\"; let c = '}'; let r = r#\"}\"}\"#; /* } /* } */ } */\n}\n";
    let source = planted("src/domain/deep.rs", text);
    assert_eq!(source.code.lines().count(), 3);
    let functions = source.functions();
    let sizes: Vec<_> = functions
        .iter()
        .map(|one| (one.name.as_str(), one.lines))
        .collect();
    assert_eq!(sizes, [("a", 3)]);
    assert_eq!(mask("&'a str"), "&'a str");
}

#[test]
fn the_rules_see_every_way_into_another_room() {
    let text = "//! [`crate::app`] in prose.\nuse crate::{clock::Clock, store::{self, Error}};\n\
        fn f() { super::super::http::go(); super::near(); crate::tasks::run() }\n";
    let rooms = planted("src/domain/deep.rs", text).rooms();
    let found: Vec<_> = rooms
        .iter()
        .map(|(line, room)| (*line, room.as_str()))
        .collect();
    assert_eq!(
        found,
        [(2, "clock"), (2, "store"), (3, "tasks"), (3, "http")]
    );
}

fn planted(path: &str, text: &str) -> Source {
    Source {
        path: path.into(),
        text: text.to_owned(),
        code: mask(text),
    }
}
