//! `chatbot_writer_delivery`: window, link, pause and delivery, as the service does them.
//!
//! Each case runs the real actors, the real outbox worker and the in-memory store under a clock
//! that is moved by hand; only the chatbot platform is scripted. Cases whose posts fail are let run
//! on until the outbox has come to an end.

mod account;
mod platform;
mod stage;

use serde_json::{Value, json};

use crate::case::Case;
use crate::compare;
use crate::topic::{Topic, nothing_later};

/// Writing, linking, and what became of every action.
pub(crate) const TOPIC: Topic = Topic {
    name: "chatbot_writer_delivery",
    answer: stage::answer,
    compare: posts_accounting_and_final_state,
    judge: nothing_is_lost_or_misrouted,
    later: nothing_later,
};

/// Steps are compared only where the platform answers at once: otherwise the recorded sizes are
/// taken in the middle of a post, which for us is the outbox's business and no longer the session's.
fn posts_accounting_and_final_state(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    let script = case.input["post_script"].as_array();
    let is_slow = |post: &Value| post["latency_s"].as_f64().unwrap_or(0.0) > 0.0;
    let is_instant = !script.is_some_and(|posts| posts.iter().any(is_slow));
    for part in ["posts", "accounting", "final", "steps"] {
        if part == "steps" && !is_instant {
            continue;
        }
        compare::exactly(
            &json!({part: case.expected[part]}),
            &json!({part: answer[part]}),
        )?;
    }
    Ok(())
}

/// What we promise where the reference does not: everything the window rule kept is posted, to the
/// conversation it belongs to, and only once unless a post's outcome was unknown.
fn nothing_is_lost_or_misrouted(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    let empty = |what: &str| {
        let ids = &answer["accounting"][what];
        let none = ids.as_array().is_some_and(Vec::is_empty);
        none.then_some(()).ok_or_else(|| format!("{what}: {ids}"))
    };
    for what in ["lost", "stranded", "misrouted", "delayed"] {
        empty(what)?;
    }
    let script = case.input["post_script"].as_array();
    let is_unknown = |post: &Value| post["result"] == "raise";
    if !script.is_some_and(|posts| posts.iter().any(is_unknown)) {
        empty("duplicated")?;
    }
    Ok(())
}
