//! What is said at the start: a few lines, and what is not safe yet.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use event_connector::cli::safety::{Finding, findings};
use event_connector::config::{Config, LoadOptions};
use event_connector::product::{Catalogue, Product};
use serde_json::{Value, json};

use crate::cli::{binary, run, text};
use crate::demo::{pseudo_terminal, screen_of};
use crate::support::eventually;

const LONG: &str = "canary-0123456789abcdef";

fn config(variables: &[(&str, &str)]) -> Config {
    let pairs = variables.iter();
    let env: Vec<_> = pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load(LoadOptions { file: None, env }).expect("a good configuration")
}

fn products(rows: &Value) -> Vec<Arc<Product>> {
    let catalogue = Catalogue::parse(&rows.to_string()).expect("a list");
    assert_eq!(catalogue.problems, []);
    catalogue.products().cloned().collect()
}

/// What is found in a configuration that is safe but for `variables`.
fn found(variables: &[(&str, &str)], rows: &Value, list_is_open: bool) -> Vec<Finding> {
    let mut all = vec![("CONNECTOR_ADMIN_KEY", LONG)];
    all.extend(variables);
    findings(&config(&all), &products(rows), list_is_open)
}

fn safe_row(id: &str) -> Value {
    json!({"product_id": id, "webhook_secret": LONG,
        "integration_config": {"cors_origins": ["https://app.example"]}})
}

#[test]
fn what_is_safe_is_not_remarked_on() {
    let mut row = safe_row("a");
    row["integration_type"] = json!("intercom");
    row["integration_config"]["access_token"] = json!("t");
    row["integration_config"]["admin_id"] = json!("1");
    row["integration_config"]["client_secret"] = json!("vendors-own");
    let rows = json!([row]);
    assert_eq!(found(&[], &rows, false), []);
    let behind_a_proxy = [
        ("CONNECTOR__HTTP__BIND", "0.0.0.0:8080"),
        ("CONNECTOR__HTTP__PUBLIC_URL", "https://connector.example"),
        ("CONNECTOR__INTERCOM__BASE_URL", "http://127.0.0.1:9"),
    ];
    assert_eq!(found(&behind_a_proxy, &rows, false), []);
    let local = [
        ("CONNECTOR__HTTP__BIND", "[::1]:8080"),
        ("CONNECTOR__HTTP__PUBLIC_URL", "http://localhost:8080"),
    ];
    assert_eq!(found(&local, &rows, false), []);
}

/// Checks that exactly one thing is found, what it is and what is advised.
fn assert_one(all: &[Finding], what: &str, mend: &str) {
    let [finding] = all else {
        panic!("{what}: {all:?}");
    };
    assert!(finding.what.starts_with(what), "{finding:?}");
    assert!(finding.mend.contains(mend), "{finding:?}");
    assert!(!format!("{all:?}").contains("canary"), "{all:?}");
}

#[test]
fn each_unsafe_setting_is_found_with_what_mends_it() {
    let (bind, url) = ("CONNECTOR__HTTP__BIND", "CONNECTOR__HTTP__PUBLIC_URL");
    let (key, vendor) = ("CONNECTOR_ADMIN_KEY", "CONNECTOR__INTERCOM__BASE_URL");
    // A later variable wins over the safe one before it.
    let cases = [
        (key, "", "admin.key is not set", key),
        (key, "canary", "admin.key has fewer", key),
        (bind, "0.0.0.0:80", "0.0.0.0:80 is open", "http.public_url"),
        (bind, "[::]:80", "[::]:80 is open", "TLS"),
        (url, "http://a.example", "http.public_url is", "TLS"),
        (vendor, "http://a.example", "access tokens", "https://"),
    ];
    for (variable, value, what, mend) in cases {
        let all = found(&[(variable, value)], &json!([]), false);
        assert_one(&all, what, mend);
    }
    let all = found(&[], &json!([]), true);
    let path = "config/products.json";
    assert_one(
        &all,
        &format!("{path} holds secrets"),
        &format!("chmod o-r {path}"),
    );
}

#[test]
fn each_unsafe_row_is_found_with_what_mends_it() {
    let any_page = json!({"product_id": "a", "webhook_secret": LONG});
    let mut short = safe_row("a");
    short["webhook_secret"] = json!("canary");
    let mut open = safe_row("a");
    open["integration_config"]["allow_unauthenticated_ingest"] = json!(true);
    let mut unverified = safe_row("a");
    unverified["integration_type"] = json!("intercom");
    unverified["integration_config"]["access_token"] = json!("t");
    unverified["integration_config"]["admin_id"] = json!("1");
    let cases = [
        (
            open,
            "activity is taken from anybody (product a)",
            "webhook_secret",
        ),
        (unverified, "webhooks of Intercom", "client_secret"),
        (short, "webhook_secret has fewer than 16", "openssl rand"),
        (any_page, "any web page", "cors_origins"),
    ];
    for (row, what, mend) in cases {
        assert_one(&found(&[], &json!([row]), false), what, mend);
    }
}

#[test]
fn many_products_give_one_finding_of_a_kind() {
    let rows =
        (0..500).map(|at| json!({"product_id": format!("p{at:03}"), "webhook_secret": LONG}));
    let all = found(&[], &Value::Array(rows.collect()), false);
    assert_eq!(all.len(), 1);
    assert!(
        all[0]
            .what
            .ends_with("(products p000, p001, p002 and 497 more)"),
        "{all:?}"
    );
}

/// Starts the service, waits until it is ready, posts what it refuses, ends it, and returns its log.
async fn log_of_a_run(variables: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = binary();
    command
        .arg("serve")
        .env("CONNECTOR__HTTP__BIND", "127.0.0.1:0")
        .env("CONNECTOR__STORE__PATH", home.path().join("store.db"))
        .envs(variables.iter().copied())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the service starts");
    let mut log = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut read = String::new();
    let address = loop {
        let mut line = String::new();
        let length = log.read_line(&mut line).expect("a line");
        assert!(length > 0, "it ended: {read}");
        read.push_str(&line);
        if let Some((_, rest)) = line.split_once("listening on http://") {
            let is_address = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
            let end = rest.find(|c| !is_address(c)).unwrap_or(rest.len());
            break rest[..end].to_owned();
        }
    };
    eventually("it is ready", || async {
        let asked = run(&["health", "--address", &address], &[]);
        if asked.status.success() {
            Ok(())
        } else {
            Err(text(&asked.stderr))
        }
    })
    .await;
    let client = reqwest::Client::builder().build().expect("a client");
    let post = client.post(format!("http://{address}/webhook/acme"));
    let post = post.header("x-request-id", "mine-1").body("{}");
    post.send().await.expect("an answer");
    let id = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.expect("kill is there").success());
    log.read_to_string(&mut read).expect("the rest");
    assert!(child.wait().expect("it ends").success());
    read
}

/// The log of a run, line by line.
async fn lines_of_a_run(variables: &[(&str, &str)]) -> Vec<Value> {
    let log = log_of_a_run(variables).await;
    log.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The log of a run with these products, as text.
async fn text_of_a_run(rows: &str) -> String {
    log_of_a_run(&[
        ("PRODUCTS_CONFIG", rows),
        ("CONNECTOR__LOG__FORMAT", "text"),
    ])
    .await
}

#[tokio::test]
async fn lines_within_a_request_name_it_in_every_format() {
    let rows = json!([safe_row("acme")]).to_string();
    let lines = lines_of_a_run(&[("PRODUCTS_CONFIG", &rows)]).await;
    let of_request = lines.iter().filter(|line| line["request_id"] == "mine-1");
    let [line] = of_request.collect::<Vec<_>>()[..] else {
        panic!("not one line: {lines:#?}");
    };
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["endpoint"], "/webhook/acme");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["product_id"], "acme");

    let log = text_of_a_run(&rows).await;
    let line = log.lines().find(|line| line.contains("mine-1"));
    let line = line.expect("a line of the request");
    assert!(line.contains(" WARN event_connector::http::"), "{line}");
    let end = " product_id=acme request_id=mine-1 endpoint=/webhook/acme client=127.0.0.1";
    assert!(line.ends_with(end), "{line}");
}

#[tokio::test]
async fn text_lines_hold_no_control_characters_whoever_wrote_them() {
    let mut row = safe_row("acme");
    row["mis\u{1b}[31m\nspelt"] = json!(1);
    let rows = json!([row]).to_string();
    let log = text_of_a_run(&rows).await;
    let line = log.lines().find(|line| line.contains("spelt"));
    let line = line.expect("the member is remarked on");
    assert!(line.contains(" WARN ") && line.contains("mis"), "{line:?}");
    assert!(
        !log.contains(|c: char| c.is_control() && c != '\n'),
        "{log:?}"
    );
}

fn messages(lines: &[Value], level: &str) -> Vec<String> {
    let of_level = lines.iter().filter(|line| line["level"] == level);
    of_level
        .map(|line| line["message"].as_str().expect("a sentence").to_owned())
        .collect()
}

#[tokio::test]
async fn serve_says_where_it_listens_what_it_stores_to_and_where_activity_goes() {
    let rows = json!([safe_row("acme"), {"product_id": "beta", "webhook_secret": LONG,
        "integration_type": "intercom", "integration_config":
        {"access_token": LONG, "admin_id": "1", "region": "eu"}}]);
    let variables = [("PRODUCTS_CONFIG", rows.to_string())];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let lines = lines_of_a_run(&variables).await;
    let told = messages(&lines, "INFO").join("\n");
    for part in [
        "listening on http://127.0.0.1:",
        "storing in ",
        "each 2xx is on disk before it is sent",
        "product acme → the feed",
        "product beta → notes in Intercom (eu), and the feed",
        "/ingest/{product_id}",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    let warned = messages(&lines, "WARN").join("\n");
    for part in ["admin.key is not set", "(product beta); set client_secret"] {
        assert!(warned.contains(part), "{part} is not in:\n{warned}");
    }
    assert!(!format!("{lines:?}").contains("canary"));
}

#[tokio::test]
async fn five_hundred_products_start_with_a_few_lines() {
    let rows = (0..500).map(
        |at| json!({"product_id": format!("p{at:03}"), "webhook_secret": LONG, "misspelt": 1}),
    );
    let rows = Value::Array(rows.collect()).to_string();
    let lines = lines_of_a_run(&[("PRODUCTS_CONFIG", &rows)]).await;
    assert!(lines.len() < 20, "{lines:#?}");
    let told = messages(&lines, "INFO");
    assert!(
        told.contains(&"500 products → the feed".to_owned()),
        "{told:?}"
    );
    let warned = messages(&lines, "WARN").join("\n");
    assert!(warned.contains("misspelt"), "{warned}");
}

#[test]
fn log_lines_on_a_terminal_are_laid_out_in_its_columns() {
    for (variables, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let home = tempfile::tempdir().expect("a directory");
        let (mut ours, theirs) = pseudo_terminal(60);
        let mut command = binary();
        command
            .arg("serve")
            .env("CONNECTOR__HTTP__BIND", "127.0.0.1:0")
            .env("CONNECTOR__STORE__PATH", home.path().join("store.db"))
            .envs(variables.iter().copied())
            .stderr(theirs);
        let mut child = command.spawn().expect("the service starts");
        let (mut written, mut part) = (Vec::new(), [0; 4096]);
        while !text(&written).contains("admin.key is not set") {
            let length = ours.read(&mut part).expect("it goes on");
            written.extend_from_slice(&part[..length]);
        }
        let written = text(&written);
        child.kill().expect("it still runs");
        child.wait().expect("it ends");
        assert_eq!(written.contains('\u{1b}'), is_coloured, "{written}");
        let (lines, widest) = screen_of(&written);
        assert!(widest <= 60, "{widest}: {lines:#?}");
        let at = lines.iter().position(|line| line.contains("listening on"));
        let listening = &lines[at.expect("it says where it listens")];
        assert_eq!(
            listening.find("info"),
            Some("14:33:56.123 ".len()),
            "{listening}"
        );
        assert!(!listening.contains("address="), "{listening}");
        let broken = lines
            .iter()
            .filter(|line| line.starts_with(&" ".repeat(19)));
        assert!(broken.count() > 0, "{lines:#?}");
    }
}

#[test]
fn check_says_what_is_not_safe_and_how_to_mend_it() {
    let home = tempfile::tempdir().expect("a directory");
    let list = home.path().join("products.json");
    fs::write(
        &list,
        json!([{"product_id": "a", "webhook_secret": "canary"}]).to_string(),
    )
    .expect("written");
    let said = |mode: u32| {
        fs::set_permissions(&list, fs::Permissions::from_mode(mode)).expect("permitted");
        let path = list.display().to_string();
        let checked = run(
            &["check"],
            &[("CONNECTOR__PRODUCTS__PATH", &path), ("COLUMNS", "200")],
        );
        assert!(checked.status.success());
        assert!(text(&checked.stdout).ends_with("#   a  → the feed\n"));
        text(&checked.stderr)
    };
    let open = said(0o644);
    for part in [
        "not safe yet  webhook_secret has fewer than 16 characters (product a)\n",
        "              choose a random one",
        "every user of this machine can read it",
        "          ok  event-connector serve would start with this\n",
    ] {
        assert!(open.contains(part), "{part} is not in:\n{open}");
    }
    assert!(
        !open.contains("canary") && !open.contains('\u{1b}'),
        "{open}"
    );
    assert!(!said(0o640).contains("every user"));
}
