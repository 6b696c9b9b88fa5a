//! The recorded sessions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// One provider's story.
#[derive(Debug, Deserialize)]
pub(super) struct Scene {
    /// The heading.
    pub(super) title: String,
    /// The path segment under `/ingest/`.
    pub(super) provider: String,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
}

/// One thing that happens, and what it must lead to.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    /// The provider posts this body.
    pub(super) post: Option<Value>,
    /// How long ago it happened.
    #[serde(default)]
    pub(super) ago_s: f64,
    /// How many actions it becomes.
    #[serde(default)]
    pub(super) actions: usize,
    /// A user begins a conversation.
    pub(super) chat: Option<Chat>,
    /// The user is not known yet, so the link waits.
    #[serde(default)]
    pub(super) pending: bool,
    /// The user's page links its session itself.
    pub(super) page: Option<Page>,
    /// The user pauses.
    pub(super) quiet: Option<Quiet>,
    /// The conversation in which a note appears after a post.
    pub(super) notes_in: Option<String>,
    /// How many notes the conversation then has.
    pub(super) notes: Option<usize>,
}

/// A user in a conversation; either identifier may be empty.
#[derive(Debug, Deserialize)]
pub(super) struct Chat {
    pub(super) conversation: String,
    pub(super) user: String,
    pub(super) email: String,
}

/// What a page says about its session.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) conversation: String,
    pub(super) session: String,
    pub(super) user: String,
}

/// A conversation that waits for the user's pause.
#[derive(Debug, Deserialize)]
pub(super) struct Quiet {
    pub(super) conversation: String,
}

/// All scenes, in order.
pub(super) fn scenes() -> anyhow::Result<Vec<Scene>> {
    Ok(serde_json::from_str(include_str!("recording.json"))?)
}

/// The body with its time set to `ago_s` before `now_ms`.
pub(super) fn shifted(body: &Value, now_ms: u64, ago_s: f64) -> anyhow::Result<Value> {
    let ago_ms = crate::domain::time::to_ms(ago_s);
    let at_ms = now_ms.saturating_sub(ago_ms);
    let iso = Timestamp::from_millisecond(i64::try_from(at_ms)?)?.to_string();
    Ok(with_time(body, at_ms, &iso))
}

fn with_time(value: &Value, at_ms: u64, iso: &str) -> Value {
    match value {
        Value::String(text) if text == "@iso" => json!(iso),
        Value::String(text) if text == "@ms" => json!(at_ms),
        Value::Array(items) => items
            .iter()
            .map(|item| with_time(item, at_ms, iso))
            .collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, item)| (name.clone(), with_time(item, at_ms, iso)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
