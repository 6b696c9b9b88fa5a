//! What is registered, and what is printed of it.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use super::{add, after, ask, at, done, json, told, write};
use crate::cli::binary;
use crate::registration::{open, post_click, text};
use crate::support::{Service, Stream};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_for_a_new_product_can_be_copied_to_where_it_goes() {
    let service = Service::start().await;
    let out = done(&service, &add("northwind"));
    assert!(out.starts_with("northwind is registered\n"), "{out}");
    assert!(
        out.contains("shown this once") && !out.contains('\u{1b}'),
        "{out}"
    );
    let url = after(&out, "the source posts to\n");
    assert_eq!(url, format!("{}/ingest/northwind", service.url));
    let secret = after(&out, &format!("{url}\n  Authorization: Bearer "));
    let url = after(&out, "the feed is read from\n");
    assert_eq!(url, format!("{}/stream/northwind", service.url));
    let key = after(&out, &format!("{url}\n  Authorization: Bearer str_"));
    let key = format!("str_{key}");
    let mut stream = Stream::new(open(&service, "northwind", "", &key).await);
    assert_eq!(post_click(&service, "northwind", secret, "Save").await, 200);
    let told = stream.next_event().await.told();
    assert_eq!(told, ["User clicked Save on the team page"]);

    let (code, _, err) = ask(&service, &add("northwind"));
    assert_eq!(code, Some(1));
    assert!(err.contains("try: the same with --force"), "{err}");
    let home = tempfile::tempdir().expect("a directory");
    let token = after(&out, "(owner token)\n");
    let token = write(home.path(), "token", &format!("{token}\n"));
    let anew = [&add("northwind")[..], &["--owner-token-file", &token]].concat();
    let out = done(&service, &anew);
    assert!(out.starts_with("northwind is registered anew"), "{out}");
    assert!(out.contains("overlap_s") && !out.contains("own_"), "{out}");
    let forced = [&add("northwind")[..], &["--force"]].concat();
    done(&service, &forced);
    assert_eq!(post_click(&service, "northwind", secret, "Send").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_project_is_one_product() {
    let service = Service::start().await;
    let project = [
        "products",
        "add",
        "--email",
        "ops@northwind.example",
        "--provider",
        "amplitude",
        "--project",
        "48211",
        "--name",
        "Northwind",
    ];
    let answer = json(&service, &project);
    let id = text(&answer, "/product_id");
    assert!(id.starts_with("prod_"), "{id}");
    let out = done(&service, &project);
    let url = format!("{}/ingest/amplitude/{id}", service.url);
    assert_eq!(after(&out, "the source posts to\n"), url);
    let out = done(&service, &["products", "list"]);
    let row = out
        .lines()
        .find(|line| line.starts_with(id))
        .expect("a row");
    for part in [
        "registered",
        "amplitude 48211",
        "Northwind",
        "ops@northwind.example",
    ] {
        assert!(row.contains(part), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_configuration_come_from_files_and_intercom_is_told_its_address() {
    let service = Service::start().await;
    let home = tempfile::tempdir().expect("a directory");
    let secret = write(home.path(), "secret", "wh_northwind_canary\r\n");
    let config = json!({
        "access_token": "canary-token",
        "admin_id": "1000001",
        "client_secret": "canary-client",
    });
    let intercom = [
        &add("northwind")[..],
        &["--type", "intercom", "--integration-config", "-"],
        &["--secret-file", &secret],
    ]
    .concat();
    let mut command = binary();
    let command = command.args(&intercom).envs(at(&service));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(config.to_string().as_bytes())
        .expect("it reads");
    drop(stdin);
    let (code, out, err) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(0), "{err}");
    let url = format!("{}/chatbot-webhook/northwind", service.url);
    assert_eq!(
        after(&out, "enter this in Intercom, under Webhooks of its app\n"),
        url
    );
    assert!(out.contains("Bearer wh_northwind_canary\n"), "{out}");
    assert_eq!(
        post_click(&service, "northwind", "wh_northwind_canary", "A").await,
        200
    );

    for command in [
        &["products", "list"][..],
        &["products", "show", "northwind"],
    ] {
        let out = done(&service, command);
        assert!(
            out.contains("northwind") && !out.contains("canary"),
            "{out}"
        );
        let out = done(&service, &[command, &["--json"]].concat());
        assert!(!out.contains("canary"), "{out}");
    }
    let shown = done(&service, &["products", "show", "northwind"]);
    for part in [
        "admin_id = 1000001",
        "access_token = [redacted]",
        "key_",
        "str_",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}
