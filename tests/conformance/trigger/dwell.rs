//! `trigger_page_dwell`, measured as recorded.

use event_connector::domain::proactive::trigger::{PageDwell, Settings, Trigger};
use event_connector::domain::proactive::{Actions, Context, Properties};
use serde_json::{Value, json};

use super::{Answer, actions, loose, or_error, shown};
use crate::compare::is_falsy;

const BODY: &str = "dwell_proactive_body";
const CAP: &str = "user_page_dwell_max_actions";
const THRESHOLD: &str = "dwell_threshold_seconds";

pub(super) fn answer(input: &Value) -> Value {
    or_error(answered(input))
}

fn answered(input: &Value) -> Answer {
    let extra = loose::plain(&input["context_extra"]);
    let trigger = trigger(&extra, &input["options"])?;
    let now = match extra.get("eval_now") {
        Some(now) => loose::float(now)?,
        None => input["wall"].as_f64().unwrap_or_default(),
    };
    let (actions, none) = (actions(&input["actions"])?, Properties::new());
    let actions: Actions = actions.into_iter().collect();
    let context = Context::new(now, &actions, None, &none);
    let mut result = shown(trigger.evaluate(&context));
    if now == f64::INFINITY && !result.is_null() {
        // JSON has no such number; cases have a spelling for it.
        result["metadata"]["user_page_dwell_seconds"] = json!({"$float": "Infinity"});
    }
    Ok(json!({ "result": result }))
}

/// The trigger as a session's extra fields and its published options configure it.
pub(super) fn trigger(extra: &Value, options: &Value) -> Result<PageDwell, &'static str> {
    let mut settings = extra.as_object().cloned().unwrap_or_default();
    if let Some(threshold) = options.get("default_threshold_s") {
        let entry = settings.entry(THRESHOLD);
        entry.or_insert_with(|| threshold.clone());
    }
    settings.retain(|key, value| key != BODY || !is_falsy(value));
    let mut flaws = Vec::new();
    let mut trigger = Settings::read(&settings, &mut flaws).page_dwell;
    let is_flawed = |key: &str| flaws.iter().any(|flaw| flaw.pointer.ends_with(key));
    if is_flawed(THRESHOLD) || is_flawed(BODY) {
        return Err("ValueError");
    }
    // A cap that is none is left out without a word.
    let is_capped = settings.contains_key(CAP) && !is_flawed(CAP);
    let most = options["default_max_actions"].as_u64();
    if let Some(most) = most.filter(|_| !is_capped) {
        trigger.max_actions = usize::try_from(most).unwrap_or(usize::MAX);
    }
    trigger.strict = true;
    Ok(trigger)
}
