//! The binary as people and containers use it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use event_connector::tasks::Tasks;
use serde_json::{Value, json};

use crate::support::{ADMIN_KEY, SECRET, eventually};

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_event-connector"));
    command.env_clear().stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = binary();
    command.args(arguments).envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command said: exit code, standard output, standard error. None of it is secret.
pub(crate) fn said_by(
    command: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let words = [&[command], arguments].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = run(&words, environment);
    let (out, err) = (text(&stdout), text(&stderr));
    assert!(
        ![&out, &err]
            .iter()
            .any(|said| said.contains(ADMIN_KEY) || said.contains(SECRET))
    );
    (status.code(), out, err)
}

#[test]
fn check_reports_every_mistake_at_once_and_prints_no_secret() {
    let wrong = run(
        &["check"],
        &[
            ("CONNECTOR__HTTP__BINDD", "127.0.0.1:1"),
            ("CONNECTOR__SESSION__BIN_SECONDS", "many"),
            ("CONNECTOR__STORE__BACKEND", "papyrus"),
        ],
    );
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stderr);
    for part in [
        "http.bindd",
        "http.bind",
        "session.bin_seconds",
        "store.backend",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let right = run(&["check"], &[("CONNECTOR_ADMIN_KEY", "canary-secret")]);
    assert!(right.status.success(), "{}", text(&right.stderr));
    let shown = text(&right.stdout);
    assert!(shown.contains("[http]") && shown.contains("[redacted]"));
    assert!(!shown.contains("canary") && !text(&right.stderr).contains("canary"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = binary()
        .arg("check")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", text(&ended.stderr));
}

#[test]
fn check_names_bad_product_rows_and_keeps_their_secrets() {
    let rows = json!([
        {"product_id": "good", "webhook_secret": "canary-one"},
        {"product_id": "no spaces", "webhook_secret": "canary-two"},
        {"product_id": "open"},
    ]);
    let checked = run(&["check"], &[("PRODUCTS_CONFIG", &rows.to_string())]);
    assert_eq!(checked.status.code(), Some(2));
    let said = text(&checked.stderr);
    assert!(
        said.contains("/1/product_id") && said.contains("open"),
        "{said}"
    );
    assert!(!said.contains("canary") && !text(&checked.stdout).contains("canary"));
}

#[test]
fn check_prints_the_reference_configuration() {
    let shown = run(&["check", "--defaults"], &[]);
    assert!(shown.status.success());
    assert!(text(&shown.stdout).contains("pre_link_window_s = 120"));
}

/// A running service; killed if a test fails.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    pub(crate) fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    /// The same with more variables, which win.
    pub(crate) fn start_with(home: &Path, environment: &[(&str, &str)]) -> Self {
        let store = home.join("store.db").display().to_string();
        let products = home.join("products.json").display().to_string();
        let mut command = binary();
        command
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .envs([
                ("CONNECTOR__HTTP__BIND", "127.0.0.1:0"),
                ("CONNECTOR__STORE__PATH", &store),
                ("CONNECTOR__PRODUCTS__PATH", &products),
                ("CONNECTOR__PRODUCTS__RELOAD_MS", "50"),
                ("CONNECTOR__LOG__FORMAT", "json"),
            ])
            .envs(environment.iter().copied());
        let mut child = command.spawn().expect("the service starts");
        let log = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(log).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["message"]
                .as_str()?
                .strip_prefix("listening on ")
                .map(str::to_owned)
        });
        // The pipe is drained for as long as the child writes.
        Tasks::thread("log reader", Box::new(move || lines.for_each(drop)));
        Self {
            child,
            url: url.expect("it says where it listens"),
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("a plain address")
    }
}

pub(crate) fn write_products(home: &Path, rows: &Value) {
    fs::write(home.join("products.json"), rows.to_string()).expect("written");
}

async fn status(service: &Serving, product: &str) -> u16 {
    let url = format!("{}/webhook/{product}", service.url);
    let client = reqwest::Client::builder().build().expect("a client");
    let request = client
        .post(url)
        .header("x-posthog-secret", "s3cret")
        .body("{}");
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn serve_reloads_products_keeps_the_last_good_ones_and_stops_when_told() {
    let home = tempfile::tempdir().expect("a directory");
    let row = |id: &str| json!({"product_id": id, "webhook_secret": "s3cret"});
    write_products(home.path(), &json!([row("one")]));
    let mut service = Serving::start(home.path());
    assert_eq!(
        (status(&service, "one").await, status(&service, "two").await),
        (200, 404)
    );

    write_products(home.path(), &json!([row("one"), row("two")]));
    let serves = async |product: &str| match status(&service, product).await {
        200 => Ok(()),
        other => Err(other),
    };
    eventually("the new product is served", || serves("two")).await;

    // A bad row leaves its product as it was; a file that is no list changes nothing.
    write_products(
        home.path(),
        &json!([{"product_id": "one"}, row("two"), row("three")]),
    );
    eventually("the third product is served", || serves("three")).await;
    assert_eq!(status(&service, "one").await, 200);
    let client = reqwest::Client::builder().build().expect("a client");
    let metrics = client.get(format!("{}/metrics", service.url)).send().await;
    let metrics = metrics.expect("an answer").text().await.expect("text");
    assert!(
        metrics.contains("connector_product_problems 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("connector_products 3\n"));
    fs::write(home.path().join("products.json"), "{").expect("written");
    service.signal("-HUP");
    assert_eq!(status(&service, "three").await, 200);

    let healthy = run(&["health", "--address", service.address()], &[]);
    assert!(healthy.status.success());
    assert!(text(&healthy.stdout).contains("\"status\":\"ready\""));

    service.signal("-TERM");
    let ended = service.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
    let gone = run(&["health", "--address", service.address()], &[]);
    assert_eq!(gone.status.code(), Some(1));
}

#[tokio::test]
async fn a_first_signal_waits_for_requests_and_a_second_ends_at_once() {
    let home = tempfile::tempdir().expect("a directory");
    write_products(
        home.path(),
        &json!([{"product_id": "one", "webhook_secret": "s3cret"}]),
    );
    let mut service = Serving::start(home.path());
    let mut busy = TcpStream::connect(service.address()).expect("connected");
    let head = "POST /webhook/one HTTP/1.1\r\nHost: test\r\nX-PostHog-Secret: s3cret\r\n\
                Expect: 100-continue\r\nContent-Length: 10\r\n\r\n";
    busy.write_all(head.as_bytes()).expect("sent");
    // The service asks for the body, so the request is under way.
    let mut asked = [0; 25];
    busy.read_exact(&mut asked).expect("an interim answer");
    assert_eq!(&asked[..12], b"HTTP/1.1 100");
    service.signal("-TERM");
    eventually("the port is closed", || async {
        match TcpStream::connect(service.address()) {
            Ok(_) => Err(()),
            Err(_) => Ok(()),
        }
    })
    .await;
    assert!(
        service.child.try_wait().expect("looked").is_none(),
        "it waits"
    );
    service.signal("-INT");
    let ended = service.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1));
    let mut rest = Vec::new();
    let _ = busy.read_to_end(&mut rest);
    assert!(rest.is_empty(), "nothing was answered");
}

#[test]
fn the_limit_of_open_files_is_raised_and_what_does_not_fit_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    let script = "ulimit -Sn 200; ulimit -Hn 300; exec \"$0\" serve";
    let mut command = Command::new("sh");
    let mut child = command
        .args(["-c", script, env!("CARGO_BIN_EXE_event-connector")])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .envs([
            ("CONNECTOR__HTTP__BIND", "127.0.0.1:0"),
            ("PRODUCTS_CONFIG", "[]"),
            ("CONNECTOR__LOG__FORMAT", "json"),
        ])
        .env("CONNECTOR__STORE__PATH", home.path().join("store.db"))
        .spawn()
        .expect("the service starts");
    let log = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut said = String::new();
    for line in log.lines().map_while(Result::ok) {
        said.push_str(&line);
        if line.contains("listening on ") {
            break;
        }
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id()));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    assert!(
        said.contains("http.connections_max needs 16512 open files"),
        "{said}"
    );
    assert!(said.contains("allows 300"), "{said}");
    // Only Linux shows the limits of others.
    if let Ok(limits) = limits {
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let numbers: Vec<_> = files.expect("a line").split_whitespace().skip(3).collect();
        assert_eq!(numbers, ["300", "300", "files"]);
    }
}

#[test]
fn a_second_process_on_the_same_store_is_refused_with_a_reason() {
    let home = tempfile::tempdir().expect("a directory");
    write_products(home.path(), &json!([]));
    let _first = Serving::start(home.path());
    let store = home.path().join("store.db").display().to_string();
    let second = run(
        &["serve"],
        &[
            ("CONNECTOR__STORE__PATH", &store),
            ("CONNECTOR__HTTP__BIND", "127.0.0.1:0"),
        ],
    );
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("in use already"),
        "{}",
        text(&second.stderr)
    );
}
