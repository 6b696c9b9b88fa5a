//! What must be true after the restart.

use event_connector::demo::intercom::Intercom;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::look::{send_webhook, told, until};
use super::pages::Offering;
use super::sent::Sent;
use super::server::{ADMIN_KEY, SECRET};

/// What rounds add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub acknowledged: usize,
    pub resent: usize,
    pub notes: usize,
    /// Actions that a note told once more; the promise is at least once.
    pub told_again: usize,
    /// How often a conversation was read because a death had left a note's fate open.
    pub read_back: usize,
    /// Commits that came too late, as far as those processes remember that live in the end; one instance
    /// alone has none.
    pub conflicts: u64,
    pub offers: Offering,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.resent += other.resent;
        self.notes += other.notes;
        self.told_again += other.told_again;
        self.read_back += other.read_back;
        self.conflicts += other.conflicts;
        self.offers.add(other.offers);
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            acknowledged,
            resent,
            notes,
            told_again,
            read_back,
            conflicts,
            offers,
        } = self;
        write!(
            f,
            "{acknowledged} actions on the feed once each, {resent} sendings repeated, {notes} notes \
             telling {told_again} of them twice after {read_back} readings back, {conflicts} conflicts; {offers}"
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
            let shown = show(client, url, &format!("{product}/kept")).await?;
            Ok(shown["user_id"].is_string().then_some(()))
        })
        .await?;
        send_webhook(client, url, product, intercom, "kept").await?;
    }
    let is_cooling = |shown: &Value| shown["state"]["thinking"]["cooldown_active"] == true;
    let cooling = until("the cooldown begins", async || {
        let shown = show(client, url, "hasty/kept").await?;
        Ok(is_cooling(&shown).then_some(shown))
    });
    Ok(Memory {
        cooling: remembered(&cooling.await?),
        talking: remembered(&show(client, url, "acme/kept").await?),
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
        let now = remembered(&show(client, url, &format!("{product}/kept")).await?);
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

/// Links a loaded session.
pub(crate) async fn link(
    client: &reqwest::Client,
    url: &str,
    intercom: &Intercom,
    session: &str,
) -> Result<(), String> {
    send_webhook(client, url, "acme", intercom, session).await
}

pub(super) async fn show(client: &reqwest::Client, url: &str, path: &str) -> Result<Value, String> {
    let answer = client
        .get(format!("{url}/sessions/{path}"))
        .header("x-admin-key", ADMIN_KEY)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// A loaded session is in the same machine state, with its own person and its own link, whoever is asked.
pub(crate) async fn agree(
    client: &reqwest::Client,
    urls: &[String],
    session: &str,
    is_linked: bool,
) -> Result<(), String> {
    let path = format!("acme/{session}");
    let conversation = is_linked.then(|| format!("c-{session}"));
    let shown = urls.iter().map(|url| show(client, url, &path));
    let shown = try_join_all(shown).await?;
    let shown: Vec<_> = shown.iter().map(remembered).collect();
    for one in &shown {
        let is_own = one["user_id"] == format!("user-{session}")
            && one["email"] == format!("{session}@northwind.example")
            && one["conversation"].as_str() == conversation.as_deref();
        if !is_own || *one != shown[0] {
            return Err(format!(
                "{session} is shown as\n{}\nand as\n{one}",
                shown[0]
            ));
        }
    }
    Ok(())
}

/// How many commits came too late on these instances.
pub(crate) async fn conflicts(client: &reqwest::Client, urls: &[String]) -> Result<u64, String> {
    let mut conflicts = 0;
    for url in urls {
        let asked = client.get(format!("{url}/metrics")).send().await;
        let answer = asked.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let counts = text.lines().filter_map(|line| {
            let count = line.strip_prefix("connector_commits_total{outcome=\"conflict\"}")?;
            count.trim().parse::<u64>().ok()
        });
        conflicts += counts.sum::<u64>();
    }
    Ok(conflicts)
}

/// Every acknowledged action of a linked session is in a note of its conversation, and those of one note come
/// before those of the next; returns how many are in more than one.
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
        let first_told = one.acknowledged.iter().map(|label| told.find(label));
        if !first_told.is_sorted() {
            return Err(format!(
                "the notes of {conversation} are out of order:\n{told}"
            ));
        }
        let times = one
            .acknowledged
            .iter()
            .map(|label| told.matches(label).count());
        told_again += times.filter(|times| *times > 1).count();
    }
    Ok(told_again)
}

/// How many notes the linked sessions got.
pub(super) fn notes_total(intercom: &Intercom, sent: &[Sent]) -> usize {
    let conversations = sent.iter().map(|one| format!("c-{}", one.session));
    conversations
        .map(|conversation| intercom.posts(&conversation).len())
        .sum()
}

/// How often conversations were read.
pub(super) fn read_back(intercom: &Intercom) -> usize {
    let requests = intercom.requests().into_iter();
    requests.filter(|request| request.method == "GET").count()
}
