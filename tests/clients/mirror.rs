//! The store of states of the published SDK reads what the service mirrors.

use std::process::Command;

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use event_connector::tasks::Tasks;
use serde_json::{Value, json};

use super::intercom::settings;
use super::process::Program;
use super::redis::{OwnServer, SAFE};
use super::service::{HELPDESK, Home, Service, http};
use super::{own, tools, until, work};

/// How long a conversation lasts without a word: long enough for a busy machine, and far from the age of any
/// machine.
const TIMEOUT_S: f64 = 600.0;

/// Identifiers as providers make them, and worse.
const SESSIONS: [&str; 4] = ["s-1", "019a7c3e:42", "{tag}", "sé ✓\u{2028}"];

pub(crate) async fn is_read() -> Result<String, String> {
    let redis = OwnServer::start(&SAFE);
    let tasks = Tasks::new();
    let intercom = Intercom::start(Clock::system(), &tasks, settings()).await;
    let intercom = intercom.map_err(|error| error.to_string())?;
    let home = Home::new(&format!(
        "[store]\nbackend = \"redis\"\n[redis]\nurl = {:?}\nmirror = true\n\
         [session]\ninteraction_timeout_s = {TIMEOUT_S:?}\n[intercom]\nbase_url = {:?}\n",
        redis.url(),
        intercom.base_url()
    ))?;
    let service = home.start()?;
    let python = tools().join("sdk-0.13.0/bin/python");
    let mut command = Command::new(python);
    command.args(["-I", "-u", "-W", "default"]);
    command.arg(own("python/states.py")).arg(redis.url());
    let mut reader = Program::start("RedisSessionStateStore", &mut command)?;

    for (number, session) in SESSIONS.iter().enumerate() {
        let url = format!("{}/webhook/{HELPDESK}", service.url());
        work::send_to(&http()?, &url, &work::click(session, "Save")).await?;
        let seen = state(&mut reader, session, "a click", |state| !state.is_null()).await?;
        let wanted = json!({
            "session_id": session, "current_state": "thinking", "conversation_linked": false,
            "conversation_id": null, "interaction_timeout_s": TIMEOUT_S,
            "metadata": {"product_id": HELPDESK, "version": 1},
        });
        holds(&seen["state"], &wanted)?;
        is_fresh(&seen)?;
        if seen["gate"] != json!([true, "ok"]) {
            return Err(format!("nothing may be offered: {seen}"));
        }

        let conversation = format!("21547001234{number}");
        chat(&service, &intercom, session, &conversation).await?;
        let is_linked = |state: &Value| state["conversation_linked"] == true;
        let seen = state(&mut reader, session, "a link", is_linked).await?;
        let wanted = json!({
            "conversation_id": conversation, "current_state": "reactive_assistance",
        });
        holds(&seen["state"], &wanted)?;
        is_fresh(&seen)?;
        if seen["ticked"] != "reactive_assistance" {
            return Err(format!("it is over by the clock of the reader: {seen}"));
        }
    }
    reader.finish().await?;
    if let Some(said) = reader.passed_over("log").first() {
        return Err(format!("the reader warned: {said}"));
    }
    service.terminate().await?;
    home.complaints()?;
    Ok(format!(
        "{} sessions, each before and after a message",
        SESSIONS.len()
    ))
}

/// What the store reads of a session, once the state is what is waited for.
async fn state(
    reader: &mut Program,
    session: &str,
    what: &str,
    is_it: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    until(&format!("{what} of {session} is mirrored"), async || {
        reader.say(&json!(session))?;
        let seen = reader.answer("state").await?;
        Ok(is_it(&seen["state"]).then_some(seen))
    })
    .await
}

/// The user of a session writes in the chat.
async fn chat(
    service: &Service,
    intercom: &Intercom,
    session: &str,
    conversation: &str,
) -> Result<(), String> {
    let topic = "conversation.user.created";
    let user = format!("user-{session}");
    let (body, signature) = intercom.webhook(topic, conversation, &user, "");
    let request = http()?.post(format!("{}/chatbot-webhook/{HELPDESK}", service.url()));
    let request = request.header("x-hub-signature", signature).body(body);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 => Ok(()),
        other => Err(format!("the chat was answered {other}")),
    }
}

/// Whether a state has these fields.
fn holds(state: &Value, wanted: &Value) -> Result<(), String> {
    for (name, value) in wanted.as_object().into_iter().flatten() {
        if state[name] != *value {
            return Err(format!("{name} is {}, and not {value}", state[name]));
        }
    }
    Ok(())
}

/// Whether the last interaction was just now, by the clock of the reader.
fn is_fresh(seen: &Value) -> Result<(), String> {
    let age_s = seen["age_s"].as_f64().unwrap_or(f64::NAN);
    if (-1.0..60.0).contains(&age_s) {
        return Ok(());
    }
    Err(format!("the last interaction was {age_s} s ago: {seen}"))
}
