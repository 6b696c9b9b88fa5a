//! `registration`: what published programs of operators send to register products, and how a refusal is shown to
//! them. The masking is the one that our command line shows refusals with. The bodies, the requests and the events of
//! tours are built here, because nothing of ours sends them yet.

mod body;
mod post;

use event_connector::client::redact;
use serde_json::{Value, json};

use crate::compare;
use crate::topic::{Topic, exactly};
use body::Refused;

/// Bodies, requests, masking, events of tours.
pub(crate) const TOPIC: Topic = Topic {
    name: "registration",
    answer,
    compare: exactly,
    judge: |case, answer| compare::exactly(case.expected, answer),
    later: |input| match input["fn"].as_str() {
        Some("onboard") => Some(("onboard", PACKAGE)),
        Some("onboard_legacy") => Some(("onboard_legacy", PACKAGE)),
        _ => None,
    },
};

/// What answers these cases instead.
const PACKAGE: &str =
    "nothing here; the published package itself registers with the service in tests/clients";

fn answer(input: &Value) -> Value {
    let args = &input["args"];
    match input["fn"].as_str().unwrap_or_default() {
        "post_cli" => post::answer(body::of_cli(args), args, &input["response"], false),
        "post_merged" => {
            let body = body::of_entry(&args["entry"]);
            post::answer(body, args, &input["response"], true)
        }
        "build_cli" => shown("body", body::of_cli(args)),
        "build_merged" => shown("body", body::of_entry(&input["entry"])),
        "build_aws" => shown("body", body::of_owner(args)),
        "redact" => redacted(input),
        "provider_registration" => shown("body", body::of_provider(input)),
        "usertour" => shown("event", body::tour(args)),
        "usertour_minimal" => shown("event", body::short_tour(args)),
        _ => compare::error("AttributeError"),
    }
}

fn shown(name: &str, made: Result<Value, Refused>) -> Value {
    made.map_or_else(Refused::shown, |made| json!({ name: made }))
}

fn redacted(input: &Value) -> Value {
    let more = input["extra_sensitive_keys"].as_array();
    let more: Vec<&str> = more
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match input["text"].as_str() {
        Some(text) => json!({"text": redact(text, &more)}),
        None => compare::error("AttributeError"),
    }
}
