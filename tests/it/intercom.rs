//! The modelled Intercom is as strict as the real one's published descriptions.

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::platform::intercom::webhook::{Author, Topic, parse};
use event_connector::tasks::Tasks;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::Sha1;

struct Workspace {
    intercom: Intercom,
    http: reqwest::Client,
    _tasks: Tasks,
}

impl Workspace {
    async fn open() -> Self {
        let tasks = Tasks::new();
        let (clock, _) = Clock::manual(1_760_000_000.0);
        let intercom = Intercom::start(clock, &tasks, Settings::default())
            .await
            .expect("a local port is free");
        intercom.open_conversation("1", "u1", "ada@acme.example");
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            intercom,
            http: http.expect("TLS starts"),
            _tasks: tasks,
        }
    }

    async fn call(&self, version: &str, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let token = Settings::default().access_token;
        let mut request = self
            .http
            .request(
                method.clone(),
                format!("{}{path}", self.intercom.base_url()),
            )
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json")
            .header("intercom-version", version);
        if method == Method::POST {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.expect("it answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the answer is text");
        let body = serde_json::from_str(&text).expect("the answer is JSON");
        (status, body)
    }

    async fn reply(&self, version: &str, body: &Value) -> String {
        let path = "/conversations/1/reply";
        let (status, body) = self.call(version, Method::POST, path, body).await;
        let code = body["errors"][0]["code"].as_str().unwrap_or_default();
        format!("{status} {code}").trim_end().to_owned()
    }
}

fn note() -> Value {
    json!({"message_type": "note", "type": "admin", "admin_id": "814860", "body": "<p>Hi</p>"})
}

fn changed(name: &str, value: Value) -> Value {
    let mut body = note();
    body[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = note();
    body.as_object_mut()
        .expect("a note is an object")
        .remove(name);
    body
}

#[tokio::test]
async fn a_reply_needs_what_the_description_requires() {
    let workspace = Workspace::open().await;
    assert_eq!(workspace.reply("2.11", &note()).await, "200");
    for name in ["message_type", "type", "admin_id", "body"] {
        let wanted = "400 parameter_not_found";
        assert_eq!(
            workspace.reply("2.11", &without(name)).await,
            wanted,
            "{name}"
        );
    }
    for (name, value) in [
        ("message_type", json!("shout")),
        ("type", json!("user")),
        ("admin_id", json!(814_860)),
        ("body", json!(7)),
        ("created_at", json!("today")),
        ("attachment_urls", json!(vec!["u"; 11])),
        ("colour", json!("red")),
    ] {
        let body = changed(name, value);
        assert_eq!(
            workspace.reply("2.11", &body).await,
            "400 parameter_invalid",
            "{name}"
        );
    }
    let stranger = changed("admin_id", json!("1"));
    assert_eq!(
        workspace.reply("2.11", &stranger).await,
        "404 admin_not_found"
    );
    assert_eq!(workspace.intercom.posts("1").len(), 1);
}

#[tokio::test]
async fn every_version_has_its_own_vocabulary() {
    let workspace = Workspace::open().await;
    let quick = json!({
        "message_type": "quick_reply", "type": "admin", "admin_id": "814860",
        "reply_options": [{"text": "Yes", "uuid": "yes"}],
    });
    let quiet = changed("skip_notifications", json!(true));
    for (version, quick_status, quiet_status) in [
        ("2.11", "400 parameter_invalid", "400 parameter_invalid"),
        ("2.14", "200", "400 parameter_invalid"),
        ("2.16", "200", "200"),
        ("Preview", "200", "200"),
        (
            "Unstable",
            "400 intercom_version_invalid",
            "400 intercom_version_invalid",
        ),
        (
            "2.17",
            "400 intercom_version_invalid",
            "400 intercom_version_invalid",
        ),
        (
            "2.011",
            "400 intercom_version_invalid",
            "400 intercom_version_invalid",
        ),
        (
            "",
            "400 intercom_version_invalid",
            "400 intercom_version_invalid",
        ),
    ] {
        assert_eq!(
            workspace.reply(version, &quick).await,
            quick_status,
            "{version}"
        );
        assert_eq!(
            workspace.reply(version, &quiet).await,
            quiet_status,
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_part_can_be_redacted_unless_it_has_no_body() {
    let workspace = Workspace::open().await;
    workspace.reply("2.11", &note()).await;
    let quick = json!({
        "message_type": "quick_reply", "type": "admin", "admin_id": "814860",
        "reply_options": [{"text": "Yes", "uuid": "yes"}],
    });
    workspace.reply("2.14", &quick).await;
    let posts = workspace.intercom.posts("1");
    let mut answers = Vec::new();
    for part in [&posts[0].part, &posts[1].part, "0"] {
        let body = json!({
            "type": "conversation_part", "conversation_id": "1", "conversation_part_id": part,
        });
        let path = "/conversations/redact";
        let (status, answer) = workspace.call("2.11", Method::POST, path, &body).await;
        answers.push((status, answer["errors"][0]["code"].clone()));
    }
    let wanted = [
        (200, Value::Null),
        (400, json!("conversation_part_not_redactable")),
        (404, json!("conversation_part_or_message_not_found")),
    ];
    assert_eq!(answers, wanted);
    assert_eq!(
        workspace.intercom.posts("1")[0].text,
        "This message was deleted"
    );
}

#[tokio::test]
async fn a_conversation_shows_at_most_its_newest_500_parts() {
    let workspace = Workspace::open().await;
    for n in 0..501 {
        workspace.intercom.say("1", &n.to_string());
    }
    let path = "/conversations/1?display_as=plaintext";
    let (_, body) = workspace
        .call("2.11", Method::GET, path, &Value::Null)
        .await;
    let list = &body["conversation_parts"];
    assert_eq!(list["total_count"], 501);
    let shown = list["conversation_parts"].as_array().expect("it is a list");
    assert_eq!(shown.len(), 500);
    assert_eq!(shown[0]["body"], "1");
}

#[tokio::test]
async fn contacts_are_found_by_address_and_by_external_identifier() {
    let workspace = Workspace::open().await;
    for (field, value, count) in [
        ("email", "ada@acme.example", 1),
        ("external_id", "u1", 1),
        ("external_id", "u2", 0),
    ] {
        let body = json!({"query": {"field": field, "operator": "=", "value": value}});
        let path = "/contacts/search";
        let (status, page) = workspace.call("2.11", Method::POST, path, &body).await;
        assert_eq!(
            (status, &page["total_count"]),
            (200, &json!(count)),
            "{field}"
        );
    }
    let (status, me) = workspace
        .call("2.11", Method::GET, "/me", &Value::Null)
        .await;
    assert_eq!((status, &me["id"]), (200, &json!("814860")));
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_anything_is_looked_at() {
    let workspace = Workspace::open().await;
    workspace.intercom.set_access_token("another");
    assert_eq!(
        workspace.reply("nonsense", &note()).await,
        "401 unauthorized"
    );
}

#[tokio::test]
async fn webhooks_are_signed_over_their_raw_bytes_and_name_the_person() {
    let workspace = Workspace::open().await;
    workspace.intercom.say("1", "where is my export?");
    let topic = "conversation.user.replied";
    let (body, signature) = workspace
        .intercom
        .webhook(topic, "1", "u1", "ada@acme.example");
    let hex = signature
        .strip_prefix("sha1=")
        .expect("the scheme is named");
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    let raw: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
    let secret = Settings::default().client_secret;
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(&body);
    mac.verify_slice(&raw).expect("the signature is genuine");

    let notification = parse(&body).expect("it is a notification");
    assert_eq!(notification.topic, Topic::UserReplied);
    assert_eq!(notification.conversation, Some("1".into()));
    assert_eq!(notification.external_id, Some("u1".into()));
    assert_eq!(notification.email.as_deref(), Some("ada@acme.example"));
    assert_eq!(notification.author, Author::Person);

    let (again, _) = workspace
        .intercom
        .webhook(topic, "1", "u1", "ada@acme.example");
    assert_ne!(parse(&again).expect("as before").id, notification.id);
    let (ping, _) = workspace.intercom.ping();
    assert_eq!(parse(&ping).expect("a ping is one too").topic, Topic::Ping);
}
