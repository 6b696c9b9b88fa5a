//! Both clients of the published `autoplay-sdk`, in both generations.
//!
//! They never say where they stopped, so what happens while they are away is not theirs. Everything
//! else is: in order, once, in their own types, value for value as it went over the wire.

use std::process::Command;

use event_connector::client::{ActionsPayload, Payload};
use serde_json::{Value, json};

use super::process::Program;
use super::reader::{Event, Reader};
use super::service::{Down, Home, PRODUCT, SECRET, Service, http, move_away};
use super::{own, tools, within, work};

/// Many heartbeats, so that they stand between events and not only around them.
const SETTINGS: &str = "[feed]\nheartbeat_ms = 50\n";

/// What the clients may say of a server that is not there; they say it as a warning.
const AWAY: &str = "autoplay_sdk: connection lost (";

pub(crate) async fn receives() -> Result<String, String> {
    let home = Home::new(SETTINGS)?;
    let service = home.start()?;
    let mut wire = Wire { head: None };
    let mut listeners = Vec::new();
    for version in ["0.7.3", "0.13.0"] {
        for kind in ["sync", "async"] {
            listeners.push(listener(version, kind, &service)?);
        }
    }
    connected(&mut listeners).await?;
    let trouble = trouble();
    for (body, _) in &trouble {
        work::send(&http()?, &service, body).await?;
    }
    work::send(&http()?, &service, &batch()).await?;
    let first = wire.news(&service).await?;
    for ((_, wanted), event) in trouble.iter().zip(&first) {
        is_as_expected(&event.json()?, wanted)?;
    }
    let mut received = shown(&mut listeners, &first).await?;
    for listener in &listeners {
        if let Some(said) = listener.passed_over("log").first() {
            return Err(format!("{} warned: {said}", listener.name()));
        }
    }

    let mut service = service;
    let mut missed = 0;
    for down in [Down::Terminated, Down::Killed] {
        service = move_away(&home, service, down, async |elsewhere| {
            let labels = (0..3).map(|number| format!("{down:?} and away {number}"));
            work::clicks(&http()?, elsewhere, labels).await?;
            missed += wire.news(elsewhere).await?.len();
            Ok(())
        })
        .await?;
        connected(&mut listeners).await?;
        let labels = (0..20).map(|number| format!("{down:?} and back {number}"));
        work::clicks(&http()?, &service, labels).await?;
        received += shown(&mut listeners, &wire.news(&service).await?).await?;
    }
    for listener in &mut listeners {
        end(listener).await?;
    }
    home.complaints()?;
    Ok(format!(
        "4 clients, {received} payloads each, 2 restarts, {missed} events while they were away"
    ))
}

fn listener(version: &str, kind: &str, service: &Service) -> Result<Program, String> {
    let python = tools().join(format!("sdk-{version}/bin/python"));
    let mut command = Command::new(python);
    command
        .args(["-I", "-u", "-W", "default"])
        .arg(own("python/listen.py"))
        .args([kind, &format!("{}/stream/{PRODUCT}", service.url()), SECRET]);
    Program::start(&format!("autoplay-sdk {version} ({kind})"), &mut command)
}

async fn connected(listeners: &mut [Program]) -> Result<(), String> {
    for listener in listeners {
        listener.answer("connected").await?;
    }
    Ok(())
}

/// The feed as it goes over the wire, as far as it was looked at.
struct Wire {
    head: Option<String>,
}

impl Wire {
    /// What is new on the feed. A click of another session marks the end, and counts.
    async fn news(&mut self, service: &Service) -> Result<Vec<Event>, String> {
        // An event like one before it would count as its repetition.
        let label = format!("Marker behind {:?}", self.head);
        work::send(&http()?, service, &work::click("marker", &label)).await?;
        let start = self.head.as_deref().unwrap_or("0-0");
        let mut reader = Reader::open(service.address, "", Some(start)).await?;
        let mut news: Vec<Event> = Vec::new();
        let reading = async {
            while !news
                .last()
                .is_some_and(|event| event.data.contains("\"marker\""))
            {
                news.extend(reader.take(1).await?);
            }
            Ok(())
        };
        within("the feed shows its newest event", reading).await?;
        self.head = news.last().map(|event| event.id.clone());
        Ok(news)
    }
}

/// Every listener was given exactly these events.
async fn shown(listeners: &mut [Program], events: &[Event]) -> Result<usize, String> {
    for listener in listeners {
        for event in events {
            let shown = listener.answer("actions").await?;
            is_same(&shown, &event.json()?).map_err(|reason| {
                format!("{}: {reason}\n{shown}\n{}", listener.name(), event.data)
            })?;
        }
    }
    Ok(events.len())
}

/// Classes, values and text are those of the event.
fn is_same(shown: &Value, wire: &Value) -> Result<(), String> {
    let mut fields = wire.clone();
    let r#type = fields
        .as_object_mut()
        .and_then(|fields| fields.remove("type"));
    if r#type != Some(json!("actions")) {
        return Err("not a batch of actions".to_owned());
    }
    let actions = wire["actions"].as_array().map(Vec::len).unwrap_or_default();
    let mut classes = vec!["ActionsPayload"];
    classes.extend(std::iter::repeat_n("SlimAction", actions));
    if shown["classes"] != json!(classes) {
        return Err("the classes are wrong".to_owned());
    }
    if shown["fields"] != fields {
        return Err("the values are not those of the event".to_owned());
    }
    if fields["count"] != json!(actions) || actions == 0 {
        return Err("the count is wrong".to_owned());
    }
    let text = ActionsPayload::decode(wire).map(|batch| Payload::Actions(batch).to_string());
    if shown["text"] != json!(text.map_err(|error| error.to_string())?) {
        return Err("the text is not ours".to_owned());
    }
    Ok(())
}

/// Ends a client: nothing more had come, nothing was dropped, and it complained of nothing but its
/// absent server.
async fn end(listener: &mut Program) -> Result<(), String> {
    listener.finish().await?;
    let ended = listener.answer("end").await?;
    let surplus = listener.passed_over("actions").len() + listener.passed_over("connected").len();
    let said = listener.passed_over("log");
    let name = listener.name();
    if ended["dropped"] != 0 || surplus > 0 {
        return Err(format!("{name}: {ended}, and {surplus} answers too many"));
    }
    let is_expected = |said: &&Value| {
        let message = said["message"].as_str().unwrap_or_default();
        message.starts_with(AWAY) && said["traceback"] == false
    };
    match said.iter().find(|said| !is_expected(said)) {
        Some(said) => Err(format!("{name} warned: {said}")),
        None if said.is_empty() => Err(format!("{name} never noticed that its server was gone")),
        None => Ok(()),
    }
}

/// What has broken clients before: a body, and session, user, address and title as clients read them.
fn trouble() -> Vec<(Value, Value)> {
    let labels = [
        ("Save\u{2028}all\u{2029}of\u{85}it", "Save all of it"),
        (
            "nul\u{0} escape\u{1b}[31m tab\t csi\u{9b}1m del\u{7f}.",
            "nul escape [31m tab csi 1m del .",
        ),
        (
            "data: x\r\n\r\nid: 9-9\nevent: heartbeat\n\n",
            "data: x id: 9-9 event: heartbeat",
        ),
        (": a comment", ": a comment"),
        (
            "\u{feff}🎉 u\u{308} עברית \"\\</script>",
            "🎉 u\u{308} עברית \"\\</script>",
        ),
        ("", "element"),
    ];
    let mut trouble: Vec<(Value, Value)> = Vec::new();
    for (label, shown) in labels {
        let wanted = json!([
            "s",
            "user-s",
            "s@northwind.example",
            format!("Click {shown}")
        ]);
        trouble.push((work::click("s", label), wanted));
    }
    let (session, user) = (
        "id\u{2028}of\u{85}a\u{9b}session",
        "user\u{2029}\r\n\u{1}id: 1-1",
    );
    let mut body = work::click(session, "Separators");
    body["distinct_id"] = json!(user);
    body["email"] = Value::Null;
    body["current_url"] = json!("https://app.northwind.example/a\u{2028}b?q=\u{85}\u{1}#\u{2029}");
    trouble.push((body, json!([session, user, null, "Click Separators"])));
    for empty in [json!(""), json!("  "), Value::Null] {
        let mut body = work::click("nobody", "Empty");
        for field in ["distinct_id", "email"] {
            body[field] = empty.clone();
        }
        trouble.push((body.clone(), json!(["nobody", null, null, "Click Empty"])));
        body["session_id"] = empty;
        trouble.push((body, json!([null, null, null, "Click Empty"])));
    }
    trouble
}

/// Forty clicks of four sessions in one request.
fn batch() -> Value {
    let click = |number| work::click(&format!("b{}", number % 4), &format!("Batched {number}"));
    let clicks: Vec<Value> = (0..40).map(click).collect();
    json!({ "batch": clicks })
}

/// One action of this identity, with this title.
fn is_as_expected(wire: &Value, wanted: &Value) -> Result<(), String> {
    let action = &wire["actions"][0];
    let outer = json!([
        wire["session_id"],
        wire["user_id"],
        wire["email"],
        action["title"]
    ]);
    let inner = json!([
        action["session_id"],
        action["user_id"],
        action["email"],
        action["title"]
    ]);
    let is_so = outer == *wanted && inner == *wanted && wire["count"] == 1;
    is_so
        .then_some(())
        .ok_or_else(|| format!("instead of {wanted} came {wire}"))
}
