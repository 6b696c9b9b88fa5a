//! The recorded sessions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// One story: a person, a session and a conversation.
#[derive(Debug, Deserialize)]
pub(super) struct Scene {
    /// The heading.
    pub(super) title: String,
    /// What to look out for.
    pub(super) intro: String,
    /// The path segment under `/ingest/`.
    pub(super) provider: String,
    /// Where its notes go.
    pub(super) conversation: String,
    /// What happens, in order.
    pub(super) steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// The provider posts.
    Post(Post),
    /// The person begins the conversation.
    Chat(Chat),
    /// The person's page links its session itself.
    Page(Page),
    /// The person's page asks whether there is help to offer.
    Ask(Ask),
    /// The vendor misbehaves from now on, or does so no more.
    Trouble(Trouble),
    /// Everything that happened so far must be in the conversation.
    Settle,
}

/// What a provider posts, and what it must lead to.
#[derive(Debug, Deserialize)]
pub(super) struct Post {
    pub(super) body: Value,
    /// How long ago it happened.
    pub(super) ago_s: f64,
    /// How many actions it becomes.
    pub(super) actions: usize,
    /// It follows the one before within one gesture.
    #[serde(default)]
    pub(super) at_once: bool,
}

/// A person in a conversation; either identifier may be empty.
#[derive(Debug, Deserialize)]
pub(super) struct Chat {
    pub(super) user: String,
    pub(super) email: String,
    /// Nobody of that name is known yet, so the link waits.
    pub(super) pending: bool,
}

/// What a page says about its session.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) session: String,
    pub(super) user: String,
}

/// A page that asks, and what it must be answered.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    pub(super) session: String,
    /// Why there is nothing to show; an offer otherwise.
    pub(super) held: Option<String>,
}

/// What ails the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trouble {
    /// The next note is answered 429, with the second at which the limit is lifted.
    RateLimited,
    /// The next note is taken, and answered 503.
    LosesAnswer,
    /// Nobody listens.
    GoesDown,
    /// Somebody listens again.
    ComesBack,
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
