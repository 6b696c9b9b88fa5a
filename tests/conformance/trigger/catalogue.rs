//! `builtin_catalog`: the list of a product's triggers.

use event_connector::domain::proactive::trigger::{Builtin, Chosen, Timings, chosen, parse};
use serde_json::{Map, Value, json};

use super::{Answer, loose, or_error};

pub(super) fn answer(input: &Value) -> Value {
    let specs = loose::plain(&input["specs"]);
    or_error(match input["fn"].as_str() {
        Some("catalog") => Ok(json!({ "rows": catalogue() })),
        Some("default_registry") => registry(&Value::Null),
        Some("resolve_specs") => resolved(&specs),
        _ => registry(&specs),
    })
}

fn catalogue() -> Vec<Value> {
    let mut builtins = Builtin::ALL;
    builtins.sort_by_key(|builtin| builtin.id());
    let rows = builtins.map(Chosen::of);
    let rows = rows.iter().map(|row| {
        let Timings {
            interaction_timeout_s,
            cooldown_s,
        } = row.timings;
        json!({
            "id": row.builtin.id(),
            "interaction_timeout_s": interaction_timeout_s,
            "cooldown_s": cooldown_s,
            "default_triggering_type": row.triggering_type.as_str(),
            "has_name": !row.name.is_empty(),
            "has_description": !row.description.is_empty(),
        })
    });
    rows.collect()
}

fn read(specs: &Value) -> Result<Vec<Chosen>, &'static str> {
    let settings = Map::from_iter([("builtins".to_owned(), specs.clone())]);
    chosen(&settings, &mut Vec::new()).ok_or("SdkConfigError")
}

/// The rows alone; an empty list has none.
fn resolved(specs: &Value) -> Answer {
    let rows = if *specs == json!([]) {
        Vec::new()
    } else {
        read(specs)?
    };
    let rows = rows.iter().map(|row| {
        json!({
            "id": row.builtin.id(),
            "name": row.name,
            "description": row.description,
            "interaction_timeout_s": row.timings.interaction_timeout_s,
            "cooldown_s": row.timings.cooldown_s,
            "triggering_type": row.triggering_type.as_str(),
        })
    });
    Ok(json!({ "rows": rows.collect::<Vec<_>>() }))
}

/// The triggers that come of them.
fn registry(specs: &Value) -> Answer {
    let config = json!({"proactive_triggers": {"builtins": specs}});
    let config = config.as_object().cloned().unwrap_or_default();
    let triggers = parse(&config).0.ok_or("SdkConfigError")?;
    let rows = read(specs)?;
    let rows = triggers.iter().zip(&rows).map(|(trigger, row)| {
        json!({
            "trigger_id": trigger.id(),
            "interaction_timeout_s": row.timings.interaction_timeout_s,
            "cooldown_s": row.timings.cooldown_s,
            "triggering_type": row.triggering_type.as_str(),
        })
    });
    Ok(json!({ "triggers": rows.collect::<Vec<_>>() }))
}
