//! `tail` on the binary as people run it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use event_connector::store::Retention;
use event_connector::tasks::Tasks;
use event_connector::terminal::width;
use serde_json::{Value, json};

use crate::chaos::{Chaos, Way, Weather};
use crate::cli::{Serving, binary, run, text, write_products};
use crate::demo::{pseudo_terminal, screen_of};
use crate::redis::free_ports;
use crate::support::{ADMIN_KEY, SECRET, Service, Setup, click, eventually, reads};

/// A running `tail`; killed if a test fails.
struct Tail {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Tail {
    fn start(url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(url, arguments, environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = collect(child.stdout.take().expect("piped"));
        let err = collect(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    fn said(&self) -> (String, String) {
        let read = |text: &Mutex<String>| text.lock().expect("whole").clone();
        (read(&self.out), read(&self.err))
    }

    /// What is on standard output once it has so many lines.
    async fn lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines"), || async {
            let (out, err) = self.said();
            let lines: Vec<_> = out.lines().map(str::to_owned).collect();
            if lines.len() >= count {
                Ok(lines)
            } else {
                Err((out, err))
            }
        })
        .await
    }

    /// The descriptions of all actions, once there are so many.
    async fn actions(&self, count: usize) -> Vec<String> {
        let told = self.lines(count).await;
        let told = told
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        told.map(|line: Value| {
            line["actions"][0]["title"]
                .as_str()
                .expect("a title")
                .to_owned()
        })
        .collect()
    }

    async fn remarks(&self, part: &str) {
        eventually(part, || async {
            let (_, err) = self.said();
            if err.contains(part) { Ok(()) } else { Err(err) }
        })
        .await;
    }

    /// Waits until it ends by itself; the exit code and what it has said.
    fn ends(mut self) -> (Option<i32>, String, String) {
        let code = self.child.wait().expect("it ends").code();
        let (out, err) = self.said();
        assert!(
            ![&out, &err]
                .iter()
                .any(|said| said.contains(SECRET) || said.contains(ADMIN_KEY))
        );
        (code, out, err)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = binary();
    command
        .args(["tail", "acme"])
        .args(arguments)
        .env("CONNECTOR_URL", url)
        .env("CONNECTOR_STREAM_KEY", SECRET)
        .envs(environment.iter().copied());
    command
}

/// Reads along for as long as somebody writes.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    let read = move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            *kept.lock().expect("whole") += &format!("{line}\n");
        }
    };
    Tasks::thread("tail reader", Box::new(read));
    text
}

async fn subscribed(service: &Service, count: i64) {
    let gauge = &service.metrics.stream_subscribers;
    let gauge = gauge.with_label_values(&["acme"]);
    reads("it listens", count, || gauge.get()).await;
}

/// A service of its own process, on a port that stays the same.
struct Restarted {
    home: tempfile::TempDir,
    bind: String,
}

impl Restarted {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        write_products(
            home.path(),
            &json!([{"product_id": "acme", "webhook_secret": SECRET}]),
        );
        let bind = format!("127.0.0.1:{}", free_ports(1).remove(0));
        Self { home, bind }
    }

    async fn serve(&self) -> Serving {
        let home: &Path = self.home.path();
        Serving::start_with(home, &[("CONNECTOR__HTTP__BIND", &self.bind)])
    }

    async fn act(&self, label: &str) {
        let client = reqwest::Client::builder().build().expect("a client");
        let request = client.post(format!("http://{}/webhook/acme", self.bind));
        let request = request.header("x-posthog-secret", SECRET);
        let answer = request.body(click("s1", "u1", label).to_string()).send();
        assert_eq!(answer.await.expect("an answer").status(), 200);
    }

    async fn is_followed(&self) {
        let client = reqwest::Client::builder().build().expect("a client");
        let url = format!("http://{}/metrics", self.bind);
        eventually("it is followed", || async {
            let answer = client.get(&url).send().await.expect("an answer");
            let text = answer.text().await.expect("a text");
            let line = "connector_stream_subscribers{product=\"acme\"} 1\n";
            if text.contains(line) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_restarts_of_the_service_nothing_is_missed_and_nothing_told_twice() {
    let place = Restarted::new();
    let mut service = place.serve().await;
    let tail = Tail::start(&format!("http://{}", place.bind), &[], &[]);
    place.is_followed().await;
    // Nothing has been told yet, so there is no event to go on behind.
    service.signal("-KILL");
    service.child.wait().expect("it ends");
    let mut service = place.serve().await;
    place.act("One").await;
    place.act("Two").await;
    assert_eq!(tail.actions(2).await, ["Click One", "Click Two"]);
    service.signal("-TERM");
    service.child.wait().expect("it ends");
    let _service = place.serve().await;
    place.act("Three").await;
    place.is_followed().await;
    place.act("Four").await;
    tail.lines(4).await;
    tail.signal("-INT");
    let told = tail.actions(4).await;
    assert_eq!(
        told,
        ["Click One", "Click Two", "Click Three", "Click Four"]
    );
    let (code, out, err) = tail.ends();
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{err}");
    assert_eq!(err.lines().count(), 2, "one line for each time: {err}");
    assert!(
        err.lines().all(|line| line.contains("the feed is away")),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_comes_is_opened_anew() {
    let heartbeat = "CONNECTOR__FEED__HEARTBEAT_MS";
    let service = Service::with(Setup::with(heartbeat, "100")).await;
    let tasks = Tasks::new();
    let address = service.address().parse().expect("an address");
    let chaos = Chaos::start(address, 5, &tasks).await.expect("a port");
    let tail = Tail::start(&chaos.url(), &["--types", "actions"], &[(heartbeat, "100")]);
    subscribed(&service, 1).await;
    service.click("s1", "u1", "One").await;
    tail.lines(1).await;
    let is_silent = Way {
        is_black_hole: true,
        ..Way::default()
    };
    chaos.set(Weather {
        answer: is_silent,
        ..Weather::default()
    });
    service.click("s1", "u1", "Two").await;
    tail.remarks("nothing came for 0 s").await;
    chaos.set(Weather::default());
    assert_eq!(tail.actions(2).await, ["Click One", "Click Two"]);
    chaos.set(Weather {
        down: true,
        ..Weather::default()
    });
    service.click("s1", "u1", "Three").await;
    chaos.set(Weather::default());
    assert_eq!(
        tail.actions(3).await,
        ["Click One", "Click Two", "Click Three"]
    );
    tasks.stop();
}

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

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_is_short_coloured_and_fits_and_shows_how_long_the_feed_is_away() {
    let service = Service::start().await;
    let tasks = Tasks::new();
    let address = service.address().parse().expect("an address");
    let chaos = Chaos::start(address, 5, &tasks).await.expect("a port");
    for columns in [40, 200] {
        let (ours, theirs) = pseudo_terminal(columns);
        let both = theirs.try_clone().expect("cloned");
        let mut command = command(&chaos.url(), &["--since", "10m"], &[]);
        let mut child = command
            .stdout(theirs)
            .stderr(both)
            .spawn()
            .expect("it starts");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let written = written_to(ours);
        let shows = async |part: &str| {
            eventually(part, || async {
                let text = written.lock().expect("whole").clone();
                if text.contains(part) {
                    Ok(())
                } else {
                    Err(text)
                }
            })
            .await;
        };
        service.click("a-session", "u1", "Save").await;
        shows("[0] click: User").await;
        chaos.set(Weather {
            down: true,
            ..Weather::default()
        });
        shows("waiting for it, ").await;
        chaos.set(Weather::default());
        service.click("a-session", "u1", "Send").await;
        let id = child.id().to_string();
        // The second action may be there already when the first shows.
        eventually("the second", || async {
            let text = written.lock().expect("whole").clone();
            if text.matches("[1] click").count() == 1 {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill is there").success());
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        let text = written.lock().expect("whole").clone();
        assert!(
            text.contains("\u{1b}[2m") && text.contains("\u{1b}[35m"),
            "colour"
        );
        let (lines, _) = screen_of(&text);
        let actions: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("] click"))
            .collect();
        assert!(
            actions
                .iter()
                .all(|line| width(line) <= usize::from(columns)),
            "{actions:?}"
        );
        assert_eq!(actions[0].ends_with('…'), columns == 40, "{actions:?}");
        assert!(
            !lines.iter().any(|line| line.contains("waiting for it")),
            "{lines:?}"
        );
    }
    tasks.stop();
}

/// Reads along on our end of a terminal.
fn written_to(mut ours: File) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    let read = move || {
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = ours.read(&mut part) {
            bytes.extend_from_slice(&part[..length]);
            *kept.lock().expect("whole") = String::from_utf8_lossy(&bytes).into_owned();
        }
    };
    Tasks::thread("terminal reader", Box::new(read));
    text
}
