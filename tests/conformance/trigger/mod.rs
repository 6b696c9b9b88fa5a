//! Triggers: what makes the connector speak first.
//!
//! The adapters bring the arguments of a published library into the shape of our code: `loose` coerces values as it
//! does, and what it leaves to its host (predicates in code, times that are text, an own clock) is played by them.

mod catalogue;
mod dwell;
mod loose;
mod ping_pong;
mod registry;
mod scope;
mod section;

use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::{Offer, Seen};
use serde_json::{Value, json};

use crate::case::Case;
use crate::compare;
use crate::topic::{Topic, exactly, nothing_later};

pub(crate) const CATALOGUE: Topic = topic("builtin_catalog", catalogue::answer);
pub(crate) const CHAT_SCOPE: Topic = topic("chat_scope", scope::chat);
pub(crate) const DWELL: Topic = topic("trigger_page_dwell", dwell::answer);
pub(crate) const PING_PONG: Topic = topic("triggers_ping_pong", ping_pong::answer);
pub(crate) const PLAYBOOK: Topic = topic("trigger_section_playbook", section::playbook);
pub(crate) const REGISTRY: Topic = topic("trigger_registry", registry::answer);
pub(crate) const SECTIONS: Topic = topic("section_activity", section::activity);
pub(crate) const URL_SCOPE: Topic = topic("url_scope", scope::url);

const fn topic(name: &'static str, answer: fn(&Value) -> Value) -> Topic {
    Topic {
        name,
        answer,
        compare: unless_it_tripped,
        judge: exactly,
        later: nothing_later,
    }
}

/// What a function answers, or the class of its error.
type Answer = Result<Value, &'static str>;

/// To the letter, but where the reference trips over its input: there we refuse, or fall back as documented, and both
/// are right.
fn unless_it_tripped(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if compare::is_accident(case.expected) {
        return Ok(());
    }
    exactly(case, answer)
}

fn or_error(answer: Answer) -> Value {
    answer.unwrap_or_else(compare::error)
}

fn shown(offer: Option<Offer>) -> Value {
    offer.map_or(Value::Null, |offer| json!(offer))
}

fn seen(canonical_url: &str, start: f64, end: f64) -> Seen<'static> {
    Seen {
        canonical_url: canonical_url.to_owned().into(),
        r#type: ActionType::Pageview,
        title: "".into(),
        start,
        end,
    }
}

/// Actions with their times, as documents give them; what is absent is empty, or 0.
fn actions(list: &Value) -> Result<Vec<Seen<'static>>, &'static str> {
    let time = |action: &Value, key: &str| action.get(key).map_or(Ok(0.0), loose::float);
    let list = list.as_array().into_iter().flatten();
    list.map(|action| {
        let (start, end) = (
            time(action, "timestamp_start")?,
            time(action, "timestamp_end")?,
        );
        Ok(seen(loose::soft(&action["canonical_url"])?, start, end))
    })
    .collect()
}
