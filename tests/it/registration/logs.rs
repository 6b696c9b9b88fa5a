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

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_that_passes_through_any_door_is_in_anything_that_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    let program = start(home.path()).await;
    let admin = [("x-admin-key", ADMIN_KEY)];
    let named = json!({
        "product_id": "northwind",
        "contact_email": "ops@northwind.example",
        "webhook_secret": PLANTED[1],
        "integration_type": "event_stream",
        // Nobody listens there, so that every push fails.
        "integration_config": {
            "mode": "push",
            "url": format!("http://127.0.0.1:9/{}", PLANTED[4]),
            "secret": PLANTED[3],
            "access_token": PLANTED[2],
        },
    });
    let products = (Method::POST, "/products");
    let (status, first) = ask(&program, products.clone(), &[], &named.to_string()).await;
    assert_eq!(status, 201, "{first}");
    let first: Value = serde_json::from_str(&first).expect("JSON");
    let mut issued = vec![first];
    let (status, invite) = ask(&program, (Method::POST, "/invites"), &admin, "{}").await;
    assert_eq!(status, 201, "{invite}");
    let invite: Value = serde_json::from_str(&invite).expect("JSON");
    let invited = text(&invite, "/url").replace(&program.url, "") + "/products";
    let (status, key) = ask(
        &program,
        (Method::POST, "/products/northwind/keys"),
        &admin,
        "{}",
    )
    .await;
    assert_eq!(status, 201, "{key}");

    let mut owner = named.clone();
    owner["owner_token"] = PLANTED[7].into();
    owner["force_reregister"] = true.into();
    owner["webhook_secret"] = PLANTED[6].into();
    let torn = format!("{{\"webhook_secret\": \"{}\", ", PLANTED[9]);
    let wrong = json!({"product_id": PLANTED[10], "webhook_secret": [PLANTED[6]], "ingest_secret": PLANTED[6]});
    let bearer = format!("Bearer {}", PLANTED[6]);
    let guess = [
        ("authorization", bearer.as_str()),
        ("x-admin-key", PLANTED[6]),
    ];
    let query = format!("/stream/northwind?token={}", PLANTED[8]);
    let click = crate::support::click("s1", "u1", "Save").to_string();
    let right = [("x-posthog-secret", PLANTED[1])];
    let post = Method::POST;
    for (request, headers, body, expected) in [
        (products.clone(), &[][..], owner.to_string(), 403),
        (products.clone(), &[], torn, 400),
        (products.clone(), &[], wrong.to_string(), 422),
        (products.clone(), &guess, "{}".to_owned(), 401),
        ((post.clone(), invited.as_str()), &[], "{}".to_owned(), 422),
        ((Method::GET, "/products"), &guess, String::new(), 401),
        ((Method::GET, query.as_str()), &[], String::new(), 401),
        (
            (Method::GET, "/stream/northwind"),
            &guess,
            String::new(),
            401,
        ),
        (
            (post.clone(), "/stream-tokens/northwind"),
            &guess,
            "{}".to_owned(),
            401,
        ),
        (
            (post.clone(), "/ingest/northwind"),
            &guess,
            click.clone(),
            401,
        ),
        ((post.clone(), "/ingest/northwind"), &right, click, 200),
        (
            (post.clone(), "/chatbot-webhook/northwind"),
            &guess,
            "{}".to_owned(),
            503,
        ),
        (
            (post.clone(), "/products/northwind/rotate"),
            &guess,
            "{}".to_owned(),
            401,
        ),
        (
            (Method::PATCH, "/products/northwind"),
            &admin,
            wrong.to_string(),
            422,
        ),
    ] {
        let told = format!("{} {}", request.0, request.1);
        let (status, answer) = ask(&program, request, headers, &body).await;
        assert_eq!(status, expected, "{told}: {answer}");
        assert!(
            !PLANTED.iter().any(|secret| answer.contains(secret)),
            "{told}: {answer}"
        );
    }
    let (status, rotated) = ask(&program, (post, "/products/northwind/rotate"), &admin, "{}").await;
    assert_eq!(status, 200);
    issued.push(serde_json::from_str(&rotated).expect("JSON"));
    issued.push(serde_json::from_str(&key).expect("JSON"));
    let mut secrets: Vec<String> = PLANTED.map(str::to_owned).to_vec();
    secrets.push(invited.split('/').nth(2).expect("an invitation").to_owned());
    for answer in &issued {
        for pointer in [
            "/credentials/ingest_secret",
            "/credentials/mcp_key",
            "/credentials/stream_key",
            "/credentials/owner_token",
            "/key",
        ] {
            let issued = answer.pointer(pointer).and_then(Value::as_str);
            secrets.extend(issued.map(str::to_owned));
        }
    }
    assert!(secrets.len() > PLANTED.len() + 6, "{secrets:?}");

    let mut seen = eventually("a push has failed", || async {
        let page = ask(
            &program,
            (Method::GET, "/deliveries?platform=push"),
            &admin,
            "",
        )
        .await
        .1;
        if page.contains("nothing was sent") {
            Ok(page)
        } else {
            Err(page)
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
        seen += &ask(&program, (Method::GET, path), &admin, "").await.1;
    }
    let mut check = binary();
    check.arg("check").envs(environment(home.path()));
    let check = check.output().expect("it runs");
    seen += &String::from_utf8_lossy(&check.stdout);
    seen += &String::from_utf8_lossy(&check.stderr);
    seen += &fs::read_to_string(home.path().join("log")).expect("readable");
    assert!(seen.contains("\"level\":\"TRACE\""), "everything is said");
    for secret in &secrets {
        let lines: Vec<&str> = seen
            .lines()
            .filter(|line| line.contains(secret.as_str()))
            .collect();
        assert!(lines.is_empty(), "{secret} is said: {lines:#?}");
    }
}
