//! The calls into Intercom, by Intercom's own description of them.
//!
//! Between the service and the modelled Intercom stands Prism, which lets a call through only if the
//! published description allows it, and an answer likewise.

use std::fs;
use std::process::Command;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Call, Fault, Intercom, Request, Settings, Twist};
use event_connector::tasks::Tasks;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::process::Program;
use super::service::{
    ACCESS_TOKEN, ADMIN_ID, CLIENT_SECRET, HELPDESK, Home, Service, http, metric,
};
use super::{repository, tools, until, work};

/// The published description of the version that the service sends by default.
const DESCRIPTION: &str = "tests/fixtures/openapi/intercom-api-2.11.yaml";
const VERSION: &str = "2.11";

/// The description refers to a schema that it does not contain; later versions have it as an object.
const HEADING: &str = "\n  schemas:\n";
const MISSING: &str = "\n  schemas:\n    custom_attributes:\n      type: object\n";

const CONVERSATION: &str = "215470012345";
const USER: &str = "user-helped";

pub(crate) async fn passes() -> Result<String, String> {
    let tasks = Tasks::new();
    let intercom = Intercom::start(Clock::system(), &tasks, settings()).await;
    let intercom = intercom.map_err(|error| error.to_string())?;
    let (_prism, gate) = prism(&intercom).await?;
    let home = Home::new(&format!(
        "[intercom]\nbase_url = {gate:?}\n[session]\nnote_bytes_max = 1000\n\
         [delivery]\nrequest_timeout_ms = 1000\nlease_ms = 7000\nretry_base_ms = 50\npoll_ms = 50\n"
    ))?;
    let service = home.start()?;
    work_through(&service, &intercom).await?;
    let calls = intercom.requests();
    let reads = calls.iter().filter(|call| is_read_back(call)).count();
    let redactions = calls.iter().filter(|call| is_redaction(call)).count();
    let notes = calls.iter().filter(|call| call.method == "POST").count() - redactions;
    if reads == 0 || redactions != 1 || calls.iter().any(|call| call.version != VERSION) {
        return Err(format!("the calls are not what was wanted: {calls:?}"));
    }
    if metric(&service, "connector_dead_letters").await? > 0.0 {
        return Err("a note was given up".to_owned());
    }
    let refused = wrong_calls(&gate).await?;
    if intercom.requests().len() != calls.len() {
        return Err("a wrong call was let through".to_owned());
    }
    home.complaints()?;
    Ok(format!(
        "{notes} notes, {reads} readings and a redaction let through, {refused} wrong calls refused"
    ))
}

/// The modelled workspace that the product belongs to.
pub(crate) fn settings() -> Settings {
    Settings {
        access_token: ACCESS_TOKEN.to_owned(),
        admin_id: ADMIN_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
    }
}

/// Starts the validator in front of the model; where it listens.
async fn prism(intercom: &Intercom) -> Result<(Program, String), String> {
    let told = |error: std::io::Error| error.to_string();
    let text = fs::read_to_string(repository(DESCRIPTION)).map_err(told)?;
    if text.matches(HEADING).count() != 1 || text.contains("\n    custom_attributes:\n") {
        return Err(format!("{DESCRIPTION} is not what it was"));
    }
    let repaired = tools().join("intercom.yaml");
    fs::write(&repaired, text.replace(HEADING, MISSING)).map_err(told)?;
    let mut command = Command::new("node");
    command
        .arg(tools().join("node/node_modules/@stoplight/prism-cli/dist/index.js"))
        .args([
            "proxy",
            "--errors",
            "--multiprocess=false",
            "-h",
            "127.0.0.1",
            "-p",
            "0",
        ])
        .arg(&repaired)
        .arg(intercom.base_url());
    let mut prism = Program::start("prism", &mut command)?;
    loop {
        let line = prism.line().await?;
        if let Some((_, address)) = line.split_once("Prism is listening on ") {
            return Ok((prism, address.trim().to_owned()));
        }
    }
}

/// Everything that makes the service call: a first note, one after a pause, one in pieces, text that
/// needs escaping, and an attempt whose outcome only the conversation itself can tell.
pub(crate) async fn work_through(service: &Service, intercom: &Intercom) -> Result<(), String> {
    let http = http()?;
    let url = format!("{}/webhook/{HELPDESK}", service.url());
    work::send_to(&http, &url, &click("Before")).await?;
    let topic = "conversation.user.created";
    let (body, signature) = intercom.webhook(topic, CONVERSATION, USER, "");
    let answer = http
        .post(format!("{}/chatbot-webhook/{HELPDESK}", service.url()))
        .header("x-hub-signature", signature)
        .body(body);
    let answer = answer.send().await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the link was answered {}", answer.status()));
    }
    told(intercom, "Before").await?;
    work::send_to(&http, &url, &click("Save & <close> \"now\"")).await?;
    told(intercom, "Save & <close> \"now\"").await?;

    let labels = (0..20).map(|number| format!("Much to tell {number:02}"));
    let batch: Vec<Value> = labels.map(|label| click(&label)).collect();
    work::send_to(&http, &url, &json!({ "batch": batch })).await?;
    told(intercom, "Much to tell 19").await?;

    let lost = Twist::error(503, "server_error");
    intercom.script(Call::Reply, Some(CONVERSATION), Fault::after(lost));
    work::send_to(&http, &url, &click("Is it there?")).await?;
    until("the conversation is read back", async || {
        Ok(intercom.requests().iter().any(is_read_back).then_some(()))
    })
    .await?;
    work::send_to(&http, &url, &click("The end")).await?;
    told(intercom, "The end").await?;
    let notes = intercom.posts(CONVERSATION).into_iter();
    let text: String = notes.map(|note| note.text).collect();
    let times = text.matches("Is it there?").count();
    if times != 1 {
        return Err(format!(
            "the note that was read back is there {times} times"
        ));
    }
    take_back(service, intercom, "The end").await
}

/// Has the newest note taken back, as an operator does.
async fn take_back(service: &Service, intercom: &Intercom, label: &str) -> Result<(), String> {
    let newest = until("the newest note is known to have arrived", async || {
        let listed = "/deliveries?status=delivered&limit=1";
        let page = service.operate(Method::GET, listed).await?;
        let Some(id) = page["deliveries"][0]["id"].as_str() else {
            return Ok(None);
        };
        let path = format!("/deliveries/{id}");
        let shown = service.operate(Method::GET, &path).await?;
        let text = shown["text"].as_str().unwrap_or_default();
        Ok(text.contains(label).then_some(path))
    })
    .await?;
    let path = format!("{newest}/redact");
    service.operate(Method::POST, &path).await?;
    until("the note is taken back", async || {
        let posts = intercom.posts(CONVERSATION);
        let is_there = posts.iter().any(|post| post.text.contains(label));
        Ok((!is_there).then_some(()))
    })
    .await
}

fn is_redaction(call: &Request) -> bool {
    call.target == "/conversations/redact"
}

fn click(label: &str) -> Value {
    let mut body = work::click("helped", label);
    body["distinct_id"] = json!(USER);
    body
}

async fn told(intercom: &Intercom, label: &str) -> Result<(), String> {
    until(&format!("a note tells {label}"), async || {
        let posts = intercom.posts(CONVERSATION);
        let is_there = posts.iter().any(|post| post.text.contains(label));
        Ok(is_there.then_some(()))
    })
    .await
}

fn is_read_back(call: &Request) -> bool {
    call.method == "GET" && call.target.contains("display_as=plaintext")
}

/// Calls that the description does not allow, each wrong in one thing; how many were refused.
async fn wrong_calls(gate: &str) -> Result<usize, String> {
    let right =
        json!({"message_type": "note", "type": "admin", "admin_id": ADMIN_ID, "body": "<p>x</p>"});
    let mut integer = right.clone();
    integer["admin_id"] = json!(991_267_696);
    let mut kind = right.clone();
    kind["message_type"] = json!("remark");
    let mut nobody = right.clone();
    nobody
        .as_object_mut()
        .and_then(|body| body.remove("admin_id"));
    let wrong = [
        (integer, VERSION),
        (kind, VERSION),
        (nobody, VERSION),
        (right, "2.99"),
    ];
    let count = wrong.len();
    for (body, version) in wrong {
        let answer = http()?
            .post(format!("{gate}/conversations/{CONVERSATION}/reply"))
            .bearer_auth(ACCESS_TOKEN)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .header("intercom-version", version)
            .body(body.to_string());
        let answer = answer.send().await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::UNPROCESSABLE_ENTITY {
            let status = answer.status();
            return Err(format!("{body} as of {version} was answered {status}"));
        }
    }
    Ok(count)
}
