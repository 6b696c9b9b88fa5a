//! What must be true after the restart.

use std::collections::HashSet;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use serde_json::Value;

use super::load::Sent;
use super::server::{ADMIN_KEY, SECRET};

/// How long anything may take before a round has failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// What rounds add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub acknowledged: usize,
    pub resent: usize,
    pub notes: usize,
    /// Actions that a note told once more; the promise is at least once.
    pub told_again: usize,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.resent += other.resent;
        self.notes += other.notes;
        self.told_again += other.told_again;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            acknowledged,
            resent,
            notes,
            told_again,
        } = self;
        write!(
            f,
            "{acknowledged} actions on the feed once each, {resent} of them sent again, {notes} notes telling {told_again} of them twice"
        )
    }
}

/// What the service knew of two sessions before the load, word for word.
pub(crate) struct Memory {
    /// In conversation, with an hour to go.
    talking: Value,
    /// Timed out, in its cooldown.
    cooling: Value,
}

/// Brings one session into conversation and one into its cooldown, and reads both.
pub(crate) async fn remember(
    client: &reqwest::Client,
    url: &str,
    intercom: &Intercom,
) -> Result<Memory, String> {
    for product in ["acme", "hasty"] {
        post_pageview(client, url, product).await?;
        // A build that commits late must get past this point, to be caught by what it loses.
        until("the session is written", async || {
            let shown = show(client, url, product).await?;
            Ok(shown["user_id"].is_string().then_some(()))
        })
        .await?;
        send_webhook(client, url, product, intercom, "kept").await?;
    }
    let is_cooling = |shown: &Value| shown["state"]["thinking"]["cooldown_active"] == true;
    let cooling = until("the cooldown begins", async || {
        let shown = show(client, url, "hasty").await?;
        Ok(is_cooling(&shown).then_some(shown))
    });
    Ok(Memory {
        cooling: remembered(&cooling.await?),
        talking: remembered(&show(client, url, "acme").await?),
    })
}

/// Machine, cooldown, identity and link are what they were.
pub(crate) async fn memory_survived(
    client: &reqwest::Client,
    url: &str,
    intercom: &Intercom,
    before: &Memory,
) -> Result<(), String> {
    let pairs = [("acme", &before.talking), ("hasty", &before.cooling)];
    for (product, before) in pairs {
        let now = remembered(&show(client, url, product).await?);
        if now != *before {
            return Err(format!(
                "{product}: the session was\n{before}\nand is\n{now}"
            ));
        }
    }
    // The pageview was in the window when the link came, so a note must tell it, kill or no kill.
    until("the first note is posted", async || {
        let told = told(intercom, "c-kept");
        Ok(told.contains("landed on").then_some(()))
    })
    .await
}

fn remembered(shown: &Value) -> Value {
    let mut kept = serde_json::Map::new();
    for field in ["user_id", "email", "state"] {
        kept.insert(field.to_owned(), shown[field].clone());
    }
    kept.insert(
        "conversation".to_owned(),
        shown["link"]["conversation_id"].clone(),
    );
    Value::Object(kept)
}

async fn post_pageview(client: &reqwest::Client, url: &str, product: &str) -> Result<(), String> {
    let body = serde_json::json!({
        "event": "$pageview",
        "session_id": "kept",
        "distinct_id": "user-kept",
        "email": "kept@northwind.example",
        "current_url": "https://app.northwind.example/work",
    });
    let answer = client
        .post(format!("{url}/webhook/{product}"))
        .header("x-posthog-secret", SECRET)
        .body(body.to_string())
        .send()
        .await
        .map_err(|error| error.to_string())?;
    (answer.status() == 200)
        .then_some(())
        .ok_or_else(|| "the pageview was refused".to_owned())
}

/// The user writes in the conversation `c-{session}`: a signed notification.
async fn send_webhook(
    client: &reqwest::Client,
    url: &str,
    product: &str,
    intercom: &Intercom,
    session: &str,
) -> Result<(), String> {
    let conversation = format!("c-{session}");
    let user = format!("user-{session}");
    let topic = "conversation.user.created";
    let (body, signature) = intercom.webhook(topic, &conversation, &user, "");
    let answer = client
        .post(format!("{url}/chatbot-webhook/{product}"))
        .header("x-hub-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let status = answer.status();
    (status == 200)
        .then_some(())
        .ok_or_else(|| format!("the link was answered {status}"))
}

/// Links a loaded session.
pub(crate) async fn link(
    client: &reqwest::Client,
    url: &str,
    intercom: &Intercom,
    session: &str,
) -> Result<(), String> {
    send_webhook(client, url, "acme", intercom, session).await
}

async fn show(client: &reqwest::Client, url: &str, product: &str) -> Result<Value, String> {
    let answer = client
        .get(format!("{url}/sessions/{product}/kept"))
        .header("x-admin-key", ADMIN_KEY)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// Every label on the feed from the very beginning to `last`, which was posted after all others: what
/// does not stand before it is not there.
pub(super) async fn read_feed(
    client: &reqwest::Client,
    url: &str,
    last: &str,
) -> Result<Vec<(String, String)>, String> {
    let mut response = client
        .get(format!("{url}/stream/acme?since=0-0"))
        .bearer_auth(SECRET)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let (mut text, mut labels) = (String::new(), Vec::new());
    let reading = async {
        loop {
            let chunk = response.chunk().await.map_err(|error| error.to_string())?;
            text.push_str(&String::from_utf8_lossy(&chunk.ok_or("the feed ended")?));
            while let Some(end) = text.find("\n\n") {
                let frame: String = text.drain(..end + 2).collect();
                collect(&frame, &mut labels);
            }
            if labels.iter().any(|(_, label)| label == last) {
                return Ok(());
            }
        }
    };
    let read: Option<Result<(), String>> = Clock::system().timeout(PATIENCE, reading).await;
    read.ok_or_else(|| format!("{last} never came"))??;
    Ok(labels)
}

fn collect(frame: &str, labels: &mut Vec<(String, String)>) {
    let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
    let json: Value = data
        .and_then(|data| serde_json::from_str(data).ok())
        .unwrap_or_default();
    let session = json["session_id"].as_str().unwrap_or_default();
    for action in json["actions"].as_array().into_iter().flatten() {
        let title = action["title"].as_str().unwrap_or_default();
        if let Some(label) = title.strip_prefix("Click ") {
            labels.push((session.to_owned(), label.to_owned()));
        }
    }
}

/// Nothing missing, nothing twice, nothing else, in order per session.
pub(crate) fn feed_is_exact(feed: &[(String, String)], sent: &[Sent]) -> Result<(), String> {
    for one in sent {
        let of_session = feed.iter().filter(|(session, _)| *session == one.session);
        let shown: Vec<_> = of_session.map(|(_, label)| label.clone()).collect();
        if shown != one.acknowledged {
            let shown_set: HashSet<_> = shown.iter().collect();
            let missing: Vec<_> = one
                .acknowledged
                .iter()
                .filter(|l| !shown_set.contains(l))
                .collect();
            return Err(format!(
                "session {}: {} acknowledged, {} on the feed; missing {missing:?}",
                one.session,
                one.acknowledged.len(),
                shown.len()
            ));
        }
    }
    Ok(())
}

/// Every acknowledged action of a linked session is in a note of its conversation; returns how many
/// are in more than one.
pub(crate) async fn notes_are_complete<'a>(
    intercom: &Intercom,
    linked: impl Iterator<Item = &'a Sent>,
) -> Result<usize, String> {
    let mut told_again = 0;
    for one in linked {
        let conversation = format!("c-{}", one.session);
        until(
            &format!("the notes of {conversation} are complete"),
            async || {
                let told = told(intercom, &conversation);
                let missing = one
                    .acknowledged
                    .iter()
                    .filter(|label| !told.contains(*label));
                Ok((missing.count() == 0).then_some(()))
            },
        )
        .await?;
        let told = told(intercom, &conversation);
        let times = one
            .acknowledged
            .iter()
            .map(|label| told.matches(label).count());
        told_again += times.filter(|times| *times > 1).count();
    }
    Ok(told_again)
}

/// All notes of a conversation.
fn told(intercom: &Intercom, conversation: &str) -> String {
    let posts = intercom.posts(conversation).into_iter();
    posts.map(|post| post.text + "\n").collect()
}

/// How many notes the linked sessions got.
pub(super) fn notes_total(intercom: &Intercom, sent: &[Sent]) -> usize {
    let conversations = sent.iter().map(|one| format!("c-{}", one.session));
    conversations
        .map(|conversation| intercom.posts(&conversation).len())
        .sum()
}

async fn until<T>(
    what: &str,
    look: impl AsyncFn() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let clock = Clock::system();
    let began = clock.monotonic();
    while clock.since(began) < PATIENCE {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        clock.sleep(Duration::from_millis(5)).await;
    }
    Err(format!("never happened: {what}"))
}
