//! `url_scope` and `chat_scope`.

use event_connector::domain::proactive::trigger::{Builtin, Missing, Scope, is_set, touches};
use serde_json::{Value, json};

use super::{Answer, loose, or_error, seen};

pub(super) fn url(input: &Value) -> Value {
    or_error(touched(input))
}

fn touched(input: &Value) -> Answer {
    let scope = loose::word(&input["substring"])?;
    let urls = input["urls"].as_array().into_iter().flatten();
    let actions = urls.map(|url| Ok(seen(loose::soft(url)?, 0.0, 0.0)));
    let actions: Vec<_> = actions.collect::<Result<_, &'static str>>()?;
    let touches = touches(&actions, scope);
    let Some(hits) = input["hits"].as_array() else {
        return Ok(json!({ "touches": touches }));
    };
    let is_kept = |hit: &&Value| touches || **hit != Builtin::PingPong.id();
    let kept: Vec<&Value> = hits.iter().filter(is_kept).collect();
    Ok(json!({ "kept": kept }))
}

pub(super) fn chat(input: &Value) -> Value {
    let args = &input["args"];
    if args["policy"] == "lenient" {
        return json!({"ok": true, "log": []});
    }
    or_error(scope(args).map(|scope| match input["fn"].as_str() {
        Some("presence_flags") => json!({ "flags": flags(&scope) }),
        Some("has_chat_surface") => json!({"has_chat_surface": is_set(scope.conversation_id)}),
        _ => match scope.check(args["require_conversation"] == true) {
            Ok(()) => json!({"ok": true, "log": []}),
            Err(missing) => json!({
                "ok": false,
                "log": [record(&scope, missing)],
                "error": "ValueError",
            }),
        },
    }))
}

pub(super) fn scope(args: &Value) -> Result<Scope<'_>, &'static str> {
    Ok(Scope {
        product_id: loose::soft(&args["product_id"])?,
        session_id: loose::soft(&args["session_id"])?,
        conversation_id: loose::soft(&args["conversation_id"])?,
    })
}

fn flags(scope: &Scope<'_>) -> Value {
    json!({
        "product_id_set": is_set(scope.product_id),
        "session_id_set": is_set(scope.session_id),
        "conversation_id_set": is_set(scope.conversation_id),
    })
}

/// The line in the log, which names no identifier.
fn record(scope: &Scope<'_>, missing: Missing) -> Value {
    let mut record = flags(scope);
    record["level"] = json!("WARNING");
    record["event"] = json!("proactive_trigger_scope_invalid");
    record["scope_error"] = json!(missing.as_str());
    record
}
