//! What passes through the doors of the real program, and must be in nothing that it says.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use super::{client, text};
use crate::cli::binary;
use crate::support::{SECRETS_KEY, eventually};

const ADMIN_KEY: &str = "planted_admin_3fa85c";

/// Secrets that are shown where they are right, where they are wrong, and where they do not belong.
const PLANTED: [&str; 12] = [
    ADMIN_KEY,
    "planted_webhook_3fa85c",
    "planted_access_3fa85c",
    "planted_push_3fa85c",
    "planted_path_3fa85c",
    "planted_listed_3fa85c",
    "planted_guess_3fa85c",
    "planted_owner_3fa85c",
    "planted_query_3fa85c",
    "planted_torn_3fa85c",
    "planted_number_3fa85c",
    SECRETS_KEY,
];

/// The program, saying everything that it can say into a file; killed when dropped.
struct Program {
    child: Child,
    url: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn environment(home: &Path) -> Vec<(&'static str, String)> {
    let listed = json!([{"product_id": "listed", "webhook_secret": PLANTED[5]}]);
    fs::write(home.join("products.json"), listed.to_string()).expect("written");
    let path = |name: &str| home.join(name).display().to_string();
    vec![
        ("CONNECTOR__HTTP__BIND", "127.0.0.1:0".to_owned()),
        ("CONNECTOR__STORE__PATH", path("store.db")),
        ("CONNECTOR__PRODUCTS__PATH", path("products.json")),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY.to_owned()),
        ("CONNECTOR_SECRETS_KEY", SECRETS_KEY.to_owned()),
        ("CONNECTOR__LOG__LEVEL", "trace".to_owned()),
        ("CONNECTOR__LOG__FORMAT", "json".to_owned()),
        ("CONNECTOR__PUSH__ALLOW_HTTP", "true".to_owned()),
        ("CONNECTOR__PUSH__ALLOW_NETWORKS", "127.0.0.0/8".to_owned()),
        ("CONNECTOR__REGISTRATION__PER_MINUTE", "100".to_owned()),
    ]
}

async fn start(home: &Path) -> Program {
    let log = home.join("log");
    let mut command = binary();
    command.arg("serve").envs(environment(home));
    command.stdout(Stdio::null());
    command.stderr(File::create(&log).expect("a file"));
    let child = command.spawn().expect("the service starts");
    let url = eventually("it listens", || async {
        let said = fs::read_to_string(&log).expect("readable");
        let at = said.split("listening on ").nth(1);
        at.and_then(|rest| Some(rest.split('"').next()?.to_owned()))
            .ok_or(said)
    });
    let url = url.await;
    Program { child, url }
}

/// Asks for something, with whatever headers, and keeps nothing of the answer but what is returned.
async fn ask(
    program: &Program,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut request = client().request(method, format!("{}{path}", program.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await;
    let answer = answer.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("text"))
}

/// A product that is registered with secrets, and pushes where nobody listens.
fn named() -> Value {
    json!({
        "product_id": "northwind",
        "contact_email": "ops@northwind.example",
        "webhook_secret": PLANTED[1],
        "integration_type": "event_stream",
        "integration_config": {
            "mode": "push",
            "url": format!("http://127.0.0.1:9/{}", PLANTED[4]),
            "secret": PLANTED[3],
            "access_token": PLANTED[2],
        },
    })
}

/// Has everything issued that can be; answers the secrets, and the path of an invitation.
async fn issue(program: &Program) -> (Vec<String>, String) {
    let admin = [("x-admin-key", ADMIN_KEY)];
    let body = named().to_string();
    let mut answers = Vec::new();
    for (path, body) in [
        ("/products", body.as_str()),
        ("/invites", "{}"),
        ("/products/northwind/keys", "{}"),
        (
            "/products/northwind/rotate",
            r#"{"what": ["stream_key", "mcp_key", "owner_token"]}"#,
        ),
    ] {
        let (status, answer) = ask(program, (Method::POST, path), &admin, body).await;
        assert!((200..300).contains(&status), "{path}: {answer}");
        answers.push(serde_json::from_str::<Value>(&answer).expect("JSON"));
    }
    let invited = text(&answers[1], "/url").replace(&program.url, "");
    let mut secrets = vec![invited.split('/').nth(2).expect("an invitation").to_owned()];
    for answer in &answers {
        for pointer in [
            "/credentials/mcp_key",
            "/credentials/stream_key",
            "/credentials/owner_token",
            "/key",
        ] {
            let issued = answer.pointer(pointer).and_then(Value::as_str);
            secrets.extend(issued.map(str::to_owned));
        }
    }
    assert_eq!(secrets.len(), 1 + 3 + 1 + 3);
    (secrets, invited + "/products")
}

/// Shows secrets at every door, most of them wrong; no answer repeats one.
async fn knock(program: &Program, invited: &str) {
    let admin = [("x-admin-key", ADMIN_KEY)];
    let mut owner = named();
    owner["owner_token"] = PLANTED[7].into();
    owner["force_reregister"] = true.into();
    owner["webhook_secret"] = PLANTED[6].into();
    let owner = owner.to_string();
    let torn = format!("{{\"webhook_secret\": \"{}\", ", PLANTED[9]);
    let wrong = json!({
        "product_id": PLANTED[10], "webhook_secret": [PLANTED[6]], "ingest_secret": PLANTED[6],
    });
    let wrong = wrong.to_string();
    let bearer = format!("Bearer {}", PLANTED[6]);
    let guess = [
        ("authorization", bearer.as_str()),
        ("x-admin-key", PLANTED[6]),
    ];
    let query = format!("/stream/northwind?token={}", PLANTED[8]);
    let click = crate::support::click("s1", "u1", "Save").to_string();
    let right = [("x-posthog-secret", PLANTED[1])];
    let project = super::project("48211").to_string();
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    type Knock<'a> = (&'a Method, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);
    let all: [Knock<'_>; 15] = [
        (&post, "/products", &[], &owner, 403),
        (&post, "/products", &[], &torn, 400),
        (&post, "/products", &[], &wrong, 422),
        (&post, "/products", &guess, "{}", 401),
        (&post, invited, &[], "{}", 422),
        (&post, invited, &[], &project, 201),
        (&get, "/products", &guess, "", 401),
        (&get, &query, &[], "", 401),
        (&get, "/stream/northwind", &guess, "", 401),
        (&post, "/stream-tokens/northwind", &guess, "{}", 401),
        (&post, "/ingest/northwind", &guess, &click, 401),
        (&post, "/ingest/northwind", &right, &click, 200),
        (&post, "/chatbot-webhook/northwind", &guess, "{}", 503),
        (&post, "/products/northwind/rotate", &guess, "{}", 401),
        (&patch, "/products/northwind", &admin, &wrong, 422),
    ];
    for (method, path, headers, body, expected) in all {
        let (status, answer) = ask(program, (method.clone(), path), headers, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        let is_told = PLANTED.iter().any(|secret| answer.contains(secret));
        assert!(!is_told, "{method} {path}: {answer}");
    }
}

/// Everything that an operator can be shown, and everything that was logged.
async fn said(home: &Path, program: &Program) -> String {
    let admin = [("x-admin-key", ADMIN_KEY)];
    let shown = async |path: &str| ask(program, (Method::GET, path), &admin, "").await.1;
    let mut seen = eventually("a push has failed", || async {
        let page = shown("/deliveries?platform=push").await;
        match page.contains("nothing was sent") {
            true => Ok(page),
            false => Err(page),
        }
    })
    .await;
    for path in [
        "/products",
        "/products/northwind",
        "/products/listed",
        "/products/northwind/keys",
        "/metrics",
        "/readyz",
        "/sessions/northwind/s1",
    ] {
        seen += &shown(path).await;
    }
    let mut check = binary();
    let check = check.arg("check").envs(environment(home)).output();
    let check = check.expect("it runs");
    seen += &String::from_utf8_lossy(&check.stdout);
    seen += &String::from_utf8_lossy(&check.stderr);
    seen + &fs::read_to_string(home.join("log")).expect("readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_that_passes_through_any_door_is_in_anything_that_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    let program = start(home.path()).await;
    let (mut secrets, invited) = issue(&program).await;
    knock(&program, &invited).await;
    let seen = said(home.path(), &program).await;
    assert!(seen.contains("\"level\":\"TRACE\""), "everything is said");
    assert!(seen.contains("/register/…/products"), "the invitation too");
    secrets.extend(PLANTED.map(str::to_owned));
    for secret in &secrets {
        let lines = seen.lines().filter(|line| line.contains(secret.as_str()));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.is_empty(), "{secret} is said: {lines:#?}");
    }
}
