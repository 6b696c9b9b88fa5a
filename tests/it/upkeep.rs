//! The commands for the store as a file, on the binary as people run it.

use std::path::Path;
use std::process::Output;

use event_connector::store::sqlite::STEPS;
use serde_json::json;

use crate::cli::{Serving, run, text, write_products};
use crate::support::{Stream, click};

/// Runs a command on the store of `home`; answers the exit code and everything that was said.
fn on(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let store = home.join("store.db").display().to_string();
    let Output {
        status,
        stdout,
        stderr,
    } = run(arguments, &[("CONNECTOR__STORE__PATH", &store)]);
    (status.code(), text(&stdout) + &text(&stderr))
}

async fn act(service: &Serving, label: &str) {
    let client = reqwest::Client::builder().build().expect("a client");
    let request = client.post(format!("{}/webhook/acme", service.url));
    let request = request.header("x-posthog-secret", "s3cret");
    let answer = request
        .body(click("s1", "u1", label).to_string())
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

async fn feed(service: &Serving) -> Stream {
    let client = reqwest::Client::builder().build().expect("a client");
    let request = client.get(format!("{}/stream/acme?since=0-0", service.url));
    let answer = request.bearer_auth("s3cret").send().await;
    Stream::new(answer.expect("an answer"))
}

fn stop(mut service: Serving) {
    service.signal("-TERM");
    assert!(service.child.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_backed_up_while_it_is_served_and_restored_when_it_is_not() {
    let home = tempfile::tempdir().expect("a directory");
    write_products(
        home.path(),
        &json!([{"product_id": "acme", "webhook_secret": "s3cret"}]),
    );
    let service = Serving::start(home.path());
    act(&service, "First").await;
    let to = home.path().join("kept.db").display().to_string();
    let (code, said) = on(home.path(), &["backup", "--to", &to]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "bytes in",
        &format!("schema {}", STEPS.len()),
        "1 sessions, 1 log entries",
        "acme: up to offset ",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let (code, said) = on(home.path(), &["backup", "--to", &to]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--force"), "{said}");
    act(&service, "Second").await;
    let again = home.path().join("again.db").display().to_string();
    assert_eq!(on(home.path(), &["backup", "--to", &again]).0, Some(0));
    assert_eq!(
        on(home.path(), &["backup", "--to", &again, "--force"]).0,
        Some(0)
    );

    for refused in [&["restore", "--from", &to][..], &["migrate"]] {
        let (code, said) = on(home.path(), refused);
        assert_eq!(code, Some(1), "{refused:?}: {said}");
        assert!(said.contains("stop the service"), "{said}");
    }
    let (code, said) = on(home.path(), &["migrate", "--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("already"), "{said}");
    stop(service);

    let (code, said) = on(home.path(), &["restore", "--from", &to]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("store.db.replaced-"), "{said}");
    let service = Serving::start(home.path());
    act(&service, "Third").await;
    let mut feed = feed(&service).await;
    let told = feed.next_actions(2).await;
    assert!(
        told[0].contains("First") && told[1].contains("Third"),
        "{told:?}"
    );
    stop(service);
}

#[test]
fn mistakes_are_told_in_one_sentence_and_change_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let nothing = home.path().join("nothing.db").display().to_string();
    let cases = [
        (&["migrate"][..], "there is no file"),
        (&["migrate", "--to", "0"], "there is no file"),
        (&["backup", "--to", &nothing], "there is no file"),
        (&["restore", "--from", &nothing], "there is no file"),
    ];
    for (arguments, reason) in cases {
        let (code, said) = on(home.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(said.contains(reason) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(std::fs::read_dir(home.path()).expect("readable").count(), 0);
}
