//! What one is told before anything runs: help, suggestions, exit codes, and what to do next.

use std::net::TcpListener;

use event_connector::terminal::width;

use crate::cli::{run, text};

const COMMANDS: [&str; 12] = [
    "serve",
    "demo",
    "check",
    "health",
    "backup",
    "restore",
    "migrate",
    "products",
    "keys",
    "deliveries",
    "explain",
    "tail",
];

fn help(arguments: &[&str], columns: &str) -> String {
    let shown = run(arguments, &[("COLUMNS", columns)]);
    assert!(shown.status.success(), "{arguments:?}");
    text(&shown.stdout)
}

fn assert_teaches(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
}

#[test]
fn help_names_every_command_and_where_the_reference_of_settings_is() {
    let shown = help(&["--help"], "80");
    assert_teaches(&shown, &COMMANDS);
    let parts = [
        "config/products.json",
        "CONNECTOR__SECTION__KEY",
        "check --defaults",
        "Exit codes:",
    ];
    assert_teaches(&shown, &parts);
    assert_eq!(shown, help(&["-h"], "80"));
}

#[test]
fn help_of_a_command_has_examples_and_exit_codes_and_fits_the_terminal() {
    let more = [
        "deliveries list",
        "deliveries show",
        "deliveries replay",
        "deliveries redact",
        "products add",
        "products list",
        "products show",
        "products change",
        "products rotate",
        "products invite",
        "products remove",
        "keys create",
        "keys list",
        "keys revoke",
    ];
    for command in COMMANDS.into_iter().chain(more) {
        let words: Vec<_> = command.split(' ').collect();
        let shown = help(&[&words[..], &["--help"]].concat(), "80");
        let example = format!("  event-connector {command}");
        assert_teaches(&shown, &["Examples:", &example, "Exit codes:", "  0  "]);
        for columns in [60, 80, 200] {
            let shown = help(&[&["help"], &words[..]].concat(), &columns.to_string());
            let widest = shown.lines().map(width).max().unwrap_or(0);
            assert!(widest <= columns, "{command} is {widest} wide at {columns}");
        }
    }
}

#[test]
fn a_wrong_word_gets_the_right_one_suggested() {
    let words = [
        ("serv", "serve"),
        ("start", "serve"),
        ("run", "serve"),
        ("validate", "check"),
        ("status", "health"),
        ("try", "demo"),
        ("outbox", "deliveries"),
        ("onboard", "products"),
        ("tokens", "keys"),
        ("why", "explain"),
        ("follow", "tail"),
    ];
    for (typed, right) in words {
        let refused = run(&[typed], &[]);
        assert_eq!(refused.status.code(), Some(2));
        let said = text(&refused.stderr);
        assert!(said.contains(&format!("'{right}'")), "{typed}: {said}");
    }
    let misplaced = run(&["--once", "demo"], &[]);
    assert!(text(&misplaced.stderr).contains("'demo --once'"));
}

#[test]
fn exit_codes_tell_what_was_typed_from_what_failed() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let port = address.rsplit(':').next().unwrap_or_default();
    let home = tempfile::tempdir().expect("a directory");
    let store = home.path().join("store.db").display().to_string();
    let bind = ("CONNECTOR__HTTP__BIND", address.as_str());
    let own = ("CONNECTOR__STORE__PATH", store.as_str());
    let cases: [Case<'_>; 11] = [
        (&["--version"], &[], 0, ""),
        (&["check", "--defaults"], &[], 0, ""),
        (&[], &[], 2, "Usage:"),
        (&["dance"], &[], 2, "--help"),
        (&["serve", "--port", "1"], &[], 2, "--help"),
        (
            &["serve"],
            &[("CONNECTOR__HTTP__BIND", "here")],
            2,
            "check --defaults",
        ),
        (
            &["serve"],
            &[("PRODUCTS_CONFIG", "{"), own],
            2,
            "try: event-connector check",
        ),
        (&["check"], &[("PRODUCTS_CONFIG", "{")], 2, "products:"),
        (&["serve"], &[bind, own], 1, "CONNECTOR__HTTP__BIND"),
        (
            &["health", "--address", "127.0.0.1:1"],
            &[],
            1,
            "event-connector serve",
        ),
        (
            &["demo", "--once", "--port", port],
            &[],
            1,
            "leave out --port",
        ),
    ];
    assert_ends(&cases);
}

/// Arguments, variables, the exit code, and what is said on standard error.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);

fn assert_ends(cases: &[Case<'_>]) {
    for &(arguments, environment, code, advice) in cases {
        let ended = run(arguments, environment);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(advice), "{arguments:?}: {said}");
        assert!(!said.contains("canary"), "{arguments:?}: {said}");
    }
}

#[test]
fn whoever_asks_a_service_is_told_where_it_should_be_and_what_it_is_asked_with() {
    let home = tempfile::tempdir().expect("a directory");
    let store = home.path().join("store.db");
    let path = store.display().to_string();
    let nothing = ("CONNECTOR__STORE__PATH", path.as_str());
    assert_ends(&[
        (&["tail", "acme"], &[], 2, "CONNECTOR_STREAM_KEY"),
        (
            &["tail", "acme", "--url", "http://127.0.0.1:1"],
            &[("CONNECTOR_STREAM_KEY", "canary")],
            1,
            "event-connector serve",
        ),
        (
            &["tail", "acme", "--url", "http://me:canary@127.0.0.1:1"],
            &[("CONNECTOR_STREAM_KEY", "canary")],
            2,
            "--url http://127.0.0.1:8080",
        ),
        (
            &["deliveries", "list"],
            &[("CONNECTOR_URL", "http://127.0.0.1:1")],
            1,
            "event-connector serve",
        ),
        (
            &["deliveries", "list"],
            &[("CONNECTOR__HTTP__BIND", "127.0.0.1:1"), nothing],
            1,
            "there is no file",
        ),
        (
            &["explain", "acme", "s1"],
            &[("CONNECTOR__HTTP__BIND", "127.0.0.1:1"), nothing],
            1,
            "there is no file",
        ),
        (
            &["deliveries", "list", "--status", "lost"],
            &[],
            2,
            "is waiting, leased, delivered, dead or withdrawn",
        ),
    ]);
    assert!(!store.exists(), "asking makes no store");
}
