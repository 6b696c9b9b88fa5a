//! What is shown, in which form, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use event_connector::store::Retention;
use serde_json::{Value, json};

use super::{Tail, command, subscribed};
use crate::cli::{run, text};
use crate::support::{ADMIN_KEY, SECRET, Service, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_no_longer_has_is_said_to_be_missed() {
    let service = Service::start().await;
    service.click("s1", "u1", "Old").await;
    let keep = Retention {
        log_ms: 0,
        log_bytes_max: u64::MAX,
        state_ms: u64::MAX,
        outbox_ms: u64::MAX,
    };
    let aged = service.store.age(4_000_000_000_000, keep).await;
    assert!(aged.expect("aged").entries > 0);
    service.click("s1", "u1", "New").await;
    let tail = Tail::start(&service.url, &["--since", "0-0"], &[]);
    let lines = tail.lines(2).await;
    let gap: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(
        (&gap["type"], &gap["event_id"]),
        (&json!("gap"), &gap["to"])
    );
    tail.remarks("missed: what happened up to ").await;
    assert!(lines[1].contains("Click New"), "{lines:?}");
    for format in ["compact", "verbose"] {
        let tail = Tail::start(&service.url, &["--since", "0-0", "--format", format], &[]);
        let lines = tail.lines(2).await;
        assert!(
            lines[0].starts_with("missed: what happened up to "),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(" UTC is no longer kept"), "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_short_long_or_for_programs() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.click("s2", "u2", "Send \u{1b}[2J").await;
    let shown = async |arguments: &[&str], count: usize| {
        let tail = Tail::start(&service.url, arguments, &[]);
        let lines = tail.lines(count).await;
        tail.signal("-TERM");
        let (code, out, err) = tail.ends();
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(!out.contains('\u{1b}'), "{out}");
        lines
    };
    let url = "https://app.northwind.example/team";
    let action = format!("[0] click: User clicked Save on the team page — {url}");
    let lines = shown(&["--since", "10m", "--format", "compact"], 2).await;
    assert_eq!(lines.len(), 2);
    let (time, rest) = lines[0].split_once("  ").expect("a time");
    assert_eq!((time.len(), rest), (8, &*format!("s1  {action}")));
    let lines = shown(
        &["--since", "0", "--format", "verbose", "--session", "s1"],
        4,
    )
    .await;
    assert_eq!(
        (&*lines[0], &*lines[2], &*lines[3]),
        ("Session s1 — 1 actions", &*action, "")
    );
    assert!(lines[1].contains(" UTC · user u1 · event "), "{lines:?}");
    let lines = shown(&["--since", "0-0", "--user", "u2"], 1).await;
    assert_eq!(lines.len(), 1);
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(line["user_id"], "u2");
    let id = line["event_id"].as_str().expect("an id");
    assert!(
        id.contains('-') && lines[0].starts_with("{\"event_id\":"),
        "{lines:?}"
    );
    service.click("s1", "u1", "More").await;
    let lines = shown(&["--since", id], 1).await;
    assert!(
        lines.len() == 1 && lines[0].contains("Click More"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_is_told_why_and_what_to_do_and_keys_stay_secret() {
    let service = Service::start().await;
    let ended = |arguments: &[&str], environment: &[(&str, &str)]| {
        let ended = command(&service.url, arguments, environment)
            .output()
            .expect("it runs");
        let (out, err) = (text(&ended.stdout), text(&ended.stderr));
        assert!(
            out.is_empty() && !err.contains("canary") && !err.contains(SECRET),
            "{out}{err}"
        );
        (ended.status.code(), err)
    };
    let (code, err) = ended(&[], &[("CONNECTOR_STREAM_KEY", "canary")]);
    assert_eq!(code, Some(1));
    assert!(err.contains("401: missing or invalid credentials"), "{err}");
    assert!(err.contains("try: set CONNECTOR_STREAM_KEY"), "{err}");
    let keys = [
        ("CONNECTOR_STREAM_KEY", ""),
        ("CONNECTOR_ADMIN_KEY", "canary"),
    ];
    let (code, err) = ended(&[], &keys);
    assert_eq!(code, Some(1));
    assert!(err.contains("try: set CONNECTOR_ADMIN_KEY"), "{err}");
    let (code, err) = ended(&["--since", "yesterday"], &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("`since` is an event id"), "{err}");
    let unknown = run(
        &["tail", "nobody", "--url", &service.url],
        &[("CONNECTOR_ADMIN_KEY", ADMIN_KEY)],
    );
    assert_eq!(unknown.status.code(), Some(1));
    let err = text(&unknown.stderr);
    assert!(err.contains("404: product not found"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_follows_with_the_admin_key_and_a_reader_that_leaves_ends_it() {
    let service = Service::start().await;
    let keys = [
        ("CONNECTOR_STREAM_KEY", ""),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ];
    let mut child = command(&service.url, &[], &keys)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    subscribed(&service, 1).await;
    service.click("s1", "u1", "Save").await;
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    assert!(line.contains("Click Save"), "{line}");
    // No event has to come for it to notice.
    drop(out);
    let code = eventually("it ends", || {
        std::future::ready(child.try_wait().expect("looked").ok_or("it runs"))
    });
    assert_eq!(code.await.code(), Some(0));
}
