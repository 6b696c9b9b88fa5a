//! `products` and `keys` on the binary as people run it, asking a running service.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{client, named, open, post_click, registered, text};
use crate::cli::{binary, run};
use crate::demo::pseudo_terminal;
use crate::support::{ADMIN_KEY, SECRET, SECRETS_KEY, Service, Setup, Stream, json_of};

/// What a command said: exit code, standard output, standard error. Nothing that opens anything is on standard error.
pub(super) fn said(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    told(run(arguments, environment))
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let (out, err) = (crate::cli::text(&stdout), crate::cli::text(&stderr));
    for secret in [ADMIN_KEY, SECRETS_KEY, SECRET] {
        assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
    }
    // What is issued is a prefix and 43 characters.
    let words = err.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
    for word in words.filter(|word| word.len() > 40) {
        let is_issued = ["ing_", "str_", "mcp_", "own_", "inv_"].contains(&&word[..4]);
        assert!(!is_issued, "{err}");
    }
    assert!(!err.contains("canary"), "{err}");
    (status.code(), out, err)
}

/// The same of a service.
fn ask(service: &Service, arguments: &[&str]) -> (Option<i32>, String, String) {
    said(arguments, &at(service))
}

fn at(service: &Service) -> [(&str, &str); 2] {
    [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ]
}

/// What a service says to a command that succeeds.
fn done(service: &Service, arguments: &[&str]) -> String {
    let (code, out, err) = ask(service, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    out
}

/// The only line of a command that succeeds, as JSON.
fn json(service: &Service, arguments: &[&str]) -> Value {
    let out = done(service, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn add(id: &str) -> [&str; 5] {
    ["products", "add", id, "--email", "ops@northwind.example"]
}

/// The word that follows `label`, wherever that stands.
fn after<'a>(text: &'a str, label: &str) -> &'a str {
    let rest = text.split_once(label).map(|(_, rest)| rest);
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("{label} is not in {text}"))
}

fn write(home: &Path, name: &str, text: &str) -> PathBuf {
    let path = home.join(name);
    fs::write(&path, text).expect("written");
    path
}

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
    let token = token.display().to_string();
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
    let secret = secret.display().to_string();
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

    let wrong = json!({"bin_seconds": -1, "wording": "canary-loud"});
    let wrong = write(home.path(), "wrong", &wrong.to_string());
    let wrong = wrong.display().to_string();
    let (code, out, err) = ask(
        &service,
        &["products", "change", "northwind", "--patch", &wrong],
    );
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let pointers = ["\n  /bin_seconds: ", "\n  /wording: "];
    assert!(
        pointers.iter().all(|pointer| err.contains(pointer)),
        "{err}"
    );
    let patch = json!({"integration_config": {"bin_seconds": 5}, "name": "North"});
    let patch = write(home.path(), "patch", &patch.to_string());
    let patch = patch.display().to_string();
    let out = done(
        &service,
        &["products", "change", "northwind", "--patch", &patch],
    );
    assert!(
        out.contains("bin_seconds = 5") && out.contains("North\n"),
        "{out}"
    );
    let torn = write(home.path(), "torn", "{\"canary\": ");
    let torn = torn.display().to_string();
    let (code, _, err) = ask(
        &service,
        &["products", "change", "northwind", "--patch", &torn],
    );
    assert_eq!(code, Some(2));
    assert!(err.contains("is no JSON: see line 1"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_prints_what_it_issued_and_ends_what_was_there() {
    let service = Service::start().await;
    let first = registered(&service, &named("northwind")).await;
    let rotate = ["products", "rotate", "northwind", "--overlap", "0s"];
    let out = done(
        &service,
        &[&rotate[..], &["--only", "ingest_secret,mcp_key"]].concat(),
    );
    assert!(out.starts_with("issued anew for northwind\n"), "{out}");
    assert!(!out.contains("str_") && !out.contains("own_"), "{out}");
    let secret = after(&out, "Authorization: Bearer ");
    let old = text(&first, "/webhook_secret");
    assert_eq!(post_click(&service, "northwind", old, "A").await, 401);
    assert_eq!(post_click(&service, "northwind", secret, "B").await, 200);
    let key = text(&first, "/unkey_key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 200);
    let key = text(&first, "/credentials/mcp_key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    let all = json(&service, &["products", "rotate", "northwind"]);
    assert_eq!(all["credentials"]["owner_token"], Value::Null);
    assert!(!text(&all, "/credentials/stream_key").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_invitation_registers_once() {
    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__MODE", "invite")).await;
    let out = done(&service, &["products", "invite", "--expires", "3d"]);
    let url = out.trim_end();
    assert!(
        url.starts_with(&service.url) && !url.contains('\n'),
        "{out}"
    );
    let register = async |id: &str| {
        let request = client().post(format!("{url}/products"));
        let answer = request.body(named(id).to_string()).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(register("northwind").await, 201);
    assert_eq!(register("contoso").await, 403);
    let until = json(&service, &["products", "invite", "--expires", "1h"])["expires_at"].as_f64();
    let week = json(&service, &["products", "invite"])["expires_at"].as_f64();
    assert!(until.expect("a time") + 86_400.0 < week.expect("a time"));

    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__MODE", "admin_key")).await;
    let (code, out, err) = ask(&service, &["products", "invite"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("takes no invitations"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_alone_in_a_pipe_opens_the_stream_and_can_be_revoked() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let create = ["keys", "create", "northwind", "--name", "ci"];
    let key = done(&service, &[&create[..], &["--expires", "30d"]].concat());
    let key = key.strip_suffix('\n').expect("one line");
    assert!(key.starts_with("str_") && !key.contains(char::is_whitespace));
    let mut stream = Stream::new(open(&service, "northwind", "", key).await);
    let listed = done(&service, &["keys", "list", "northwind", "--json"]);
    let listed = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let listed: Vec<Value> = listed.collect();
    let own = listed
        .iter()
        .find(|one| one["name"] == "ci")
        .expect("it is listed");
    assert!(own["last_used_at"].is_f64() && own["expires_at"].is_f64());
    assert!(!own.to_string().contains(key));
    let table = done(&service, &["keys", "list", "northwind"]);
    assert_eq!(table.lines().count(), listed.len() + 1);
    assert!(
        table.contains(&key[..10]) && !table.contains(key),
        "{table}"
    );

    let id = text(own, "/key_id");
    let out = done(&service, &["keys", "revoke", "northwind", id]);
    assert_eq!(out, format!("{id} of northwind is revoked\n"));
    while let Some(event) = stream.next().await {
        assert_eq!(event.data, "", "nothing but a heartbeat");
    }
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    let (code, _, err) = ask(&service, &["keys", "revoke", "northwind", id]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("key not found") && err.contains("keys list"),
        "{err}"
    );
    let agents = json(&service, &["keys", "create", "northwind", "--scope", "mcp"]);
    assert!(text(&agents, "/key").starts_with("mcp_"));
    // Products of the list have none, and get none.
    let (code, out, err) = ask(&service, &["keys", "list", "acme"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let (code, _, err) = ask(&service, &["keys", "create", "acme"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("operator's list"), "{err}");
    let long = "n".repeat(257);
    let (code, _, err) = ask(&service, &["keys", "create", "northwind", "--name", &long]);
    assert_eq!(code, Some(2));
    assert!(err.contains("/name: must have at most 256"), "{err}");
}

/// Everything that was written to a terminal whose other end is closed: that ends it, as an error or not.
fn shown_on(terminal: &mut File) -> String {
    let mut shown = Vec::new();
    let _ = terminal.read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_removed_once_somebody_said_yes() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let remove = ["products", "remove", "northwind"];
    let (code, _, err) = ask(&service, &remove);
    assert_eq!(code, Some(2));
    assert!(err.contains("try: the same with --yes"), "{err}");
    let secret = "wh_northwind_5c1f0a77";
    for (answer, code, status) in [("no", 1, 200), ("", 1, 200), ("y", 0, 404)] {
        let (mut ours, theirs) = pseudo_terminal(80);
        let mut command = binary();
        command.args(remove).envs(at(&service));
        command.stdin(theirs.try_clone().expect("cloned"));
        command.stdout(Stdio::piped()).stderr(theirs);
        let mut child = command.spawn().expect("it starts");
        drop(command);
        ours.write_all(format!("{answer}\n").as_bytes())
            .expect("typed");
        assert_eq!(
            child.wait().expect("it ends").code(),
            Some(code),
            "{answer}"
        );
        let asked = shown_on(&mut ours);
        assert!(asked.contains("Remove northwind?"), "{asked}");
        assert_eq!(post_click(&service, "northwind", secret, "A").await, status);
    }
    let shown = done(&service, &["products", "show", "northwind"]);
    assert!(shown.contains("removed"), "{shown}");
    let (code, _, err) = ask(&service, &["products", "remove", "northwind", "--yes"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("products list"), "{err}");
    let forced = [&add("northwind")[..], &["--force"]].concat();
    done(&service, &forced);
    assert_eq!(
        done(&service, &["products", "remove", "northwind", "--yes"])
            .lines()
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_what_was_issued_is_coloured_and_explained() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    for (arguments, parts) in [
        (
            &add("contoso")[..],
            ["\u{1b}[1;32mAuthorization: Bearer ", "shown this once"],
        ),
        (
            &["keys", "create", "northwind"],
            ["\u{1b}[1;32mstr_", "shown this once"],
        ),
        (
            &["products", "invite"],
            ["\u{1b}[1;32mhttp://", "as the base URL of the SDK"],
        ),
    ] {
        let (mut ours, theirs) = pseudo_terminal(200);
        let mut command = binary();
        command.args(arguments).envs(at(&service)).stdout(theirs);
        let mut child = command.spawn().expect("it starts");
        drop(command);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        let shown = shown_on(&mut ours);
        for part in parts {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_told_from_what_failed() {
    let service = Service::start().await;
    let cases: [(&[&str], i32, &str); 12] = [
        (&["products"], 2, "Usage:"),
        (&["products", "add", "p"], 2, "--email"),
        (
            &["products", "add", "--email", "a@b.example"],
            2,
            "PRODUCT_ID",
        ),
        (
            &["products", "add", "a/b", "--email", "x"],
            2,
            "/contact_email: must",
        ),
        (
            &[
                "products",
                "add",
                "p",
                "--email",
                "a@b.example",
                "--secret-file",
                "/nowhere",
            ],
            2,
            "cannot read /nowhere",
        ),
        (
            &[
                "products",
                "add",
                "p",
                "--email",
                "a@b.example",
                "--secret-file",
                "-",
                "--owner-token-file",
                "-",
            ],
            2,
            "name a file",
        ),
        (
            &[
                "products",
                "add",
                "p",
                "--email",
                "a@b.example",
                "--secret-file",
                "-",
            ],
            2,
            "is empty",
        ),
        (
            &["products", "rotate", "p", "--only", "everything"],
            2,
            "ingest_secret",
        ),
        (
            &["products", "rotate", "p", "--overlap", "soon"],
            2,
            "90s, 2h or 3d",
        ),
        (&["products", "show", "nobody"], 1, "products list"),
        (
            &["products", "add", "acme", "--email", "a@b.example"],
            1,
            "choose another name",
        ),
        (&["keys", "create", "acme", "--scope", "all"], 2, "stream"),
    ];
    for (arguments, code, part) in cases {
        let (ended, out, err) = ask(&service, arguments);
        assert_eq!(
            (ended, out.as_str()),
            (Some(code), ""),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    let wrong = [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", "canary"),
    ];
    let (code, _, err) = said(&["products", "list"], &wrong);
    assert_eq!(code, Some(1));
    assert!(err.contains("try: set CONNECTOR_ADMIN_KEY"), "{err}");
    let listed = json_of(service.get("/products").await).await;
    assert_eq!(listed["count"], 1, "nothing was registered: {listed}");
}
