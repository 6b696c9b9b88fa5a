//! The records of the feed (contract 2.1), decoded and as text.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::field::Field;
use crate::domain::loose::is_truthy;

/// Why a payload cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The payload is not an object.
    #[error("the payload is not an object")]
    Payload,
    /// The actions are not a list of objects.
    #[error("the actions are not a list of objects")]
    Actions,
}

/// One action. Displayed: `[<index>] <type>: <description> — <canonical_url>`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// Short imperative title.
    pub title: Field,
    /// A whole sentence.
    pub description: Field,
    /// The folded URL.
    pub canonical_url: Field,
    /// Position, as sent.
    pub index: Field,
    /// The kind of action.
    pub r#type: Field,
    /// Unix seconds.
    pub timestamp_start: Field,
    /// Unix seconds.
    pub timestamp_end: Field,
    /// The captured URL.
    pub raw_url: Field,
    /// The provider session, taken as it is.
    pub session_id: Field,
    /// The user, taken as it is.
    pub user_id: Field,
    /// The user's address, taken as it is.
    pub email: Field,
    /// The linked conversation, taken as it is.
    pub conversation_id: Field,
}

impl Action {
    /// Decodes one action.
    pub fn decode(data: &Value) -> Result<Self, Malformed> {
        let record = record(data)?;
        Ok(Self {
            title: Field::or(record, "title", ""),
            description: Field::or(record, "description", ""),
            canonical_url: Field::or(record, "canonical_url", ""),
            index: Field::or(record, "index", 0),
            r#type: Field::or(record, "type", ""),
            timestamp_start: Field::or(record, "timestamp_start", 0.0),
            timestamp_end: Field::or(record, "timestamp_end", 0.0),
            raw_url: Field::or(record, "raw_url", ""),
            session_id: Field::as_is(record, "session_id"),
            user_id: Field::as_is(record, "user_id"),
            email: Field::as_is(record, "email"),
            conversation_id: Field::as_is(record, "conversation_id"),
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}] {}: {} — {}",
            self.index, self.r#type, self.description, self.canonical_url
        )
    }
}

/// One batch. Displayed: `Session <id or "unknown"> — <n> actions`, then one line per action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionsPayload {
    /// The tenant.
    pub product_id: Field,
    /// The provider session.
    pub session_id: Field,
    /// The session's user.
    pub user_id: Field,
    /// The user's address.
    pub email: Field,
    /// The actions in the order of arrival, their indices and identities as sent.
    pub actions: Vec<Action>,
    /// As sent if it equals the number of actions, else that number.
    pub count: Field,
    /// Unix seconds at hand-off.
    pub forwarded_at: Field,
    /// The linked conversation, taken as it is.
    pub conversation_id: Field,
}

impl ActionsPayload {
    /// Decodes one batch.
    pub fn decode(data: &Value) -> Result<Self, Malformed> {
        let record = record(data)?;
        let actions = match record.get("actions").filter(|value| is_truthy(value)) {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| Action::decode(item).map_err(|_| Malformed::Actions))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(Malformed::Actions),
        };
        Ok(Self {
            product_id: Field::or(record, "product_id", ""),
            session_id: Field::or(record, "session_id", Value::Null),
            user_id: Field::or(record, "user_id", Value::Null),
            email: Field::or(record, "email", Value::Null),
            count: count(record.get("count"), actions.len()),
            actions,
            forwarded_at: Field::or(record, "forwarded_at", 0.0),
            conversation_id: Field::as_is(record, "conversation_id"),
        })
    }
}

impl fmt::Display for ActionsPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session ")?;
        if self.session_id.is_truthy() {
            self.session_id.fmt(f)?;
        } else {
            f.write_str("unknown")?;
        }
        write!(f, " — {} actions", self.actions.len())?;
        self.actions
            .iter()
            .try_for_each(|action| write!(f, "\n{action}"))
    }
}

/// One summary. Displayed: the summary itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryPayload {
    /// The tenant.
    pub product_id: Field,
    /// The provider session.
    pub session_id: Field,
    /// The prose.
    pub summary: Field,
    /// How many actions it condenses.
    pub replaces: Field,
    /// Unix seconds at hand-off.
    pub forwarded_at: Field,
}

impl SummaryPayload {
    /// Decodes one summary.
    pub fn decode(data: &Value) -> Result<Self, Malformed> {
        let record = record(data)?;
        Ok(Self {
            product_id: Field::or(record, "product_id", ""),
            session_id: Field::or(record, "session_id", Value::Null),
            summary: Field::or(record, "summary", ""),
            replaces: Field::or(record, "replaces", 0),
            forwarded_at: Field::or(record, "forwarded_at", 0.0),
        })
    }
}

impl fmt::Display for SummaryPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary.fmt(f)
    }
}

/// Whatever an event carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Payload {
    /// A batch of actions.
    Actions(ActionsPayload),
    /// A summary.
    Summary(SummaryPayload),
}

impl Payload {
    /// Decodes a payload by its `type`; `None` when that is not one that this client knows.
    pub fn decode(data: &Value) -> Result<Option<Self>, Malformed> {
        match record(data)?.get("type").and_then(Value::as_str) {
            Some("actions") => ActionsPayload::decode(data).map(|batch| Some(Self::Actions(batch))),
            Some("summary") => {
                SummaryPayload::decode(data).map(|summary| Some(Self::Summary(summary)))
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actions(batch) => batch.fmt(f),
            Self::Summary(summary) => summary.fmt(f),
        }
    }
}

fn record(data: &Value) -> Result<&Map<String, Value>, Malformed> {
    data.as_object().ok_or(Malformed::Payload)
}

/// The count as sent where it agrees with the number of actions, in whatever type; published
/// clients even let `true` pass for 1.
fn count(sent: Option<&Value>, actions: usize) -> Field {
    let agrees = sent.is_some_and(|sent| match sent {
        Value::Bool(flag) => usize::from(*flag) == actions,
        Value::Number(number) => is_whole(number, actions),
        _ => false,
    });
    match sent {
        Some(sent) if agrees && is_truthy(sent) => Field::from(sent.clone()),
        _ => Field::from(Value::from(actions)),
    }
}

/// Whether the number, however it is written, is exactly `count`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a batch holds far fewer actions than a double counts exactly"
)]
fn is_whole(number: &Number, count: usize) -> bool {
    number.as_f64() == Some(count as f64)
}
