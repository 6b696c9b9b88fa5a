//! `proactive_resilience`: the circuit breaker, outcomes, identifiers and defaults.

use event_connector::domain::cooldown::Cooldown;
use event_connector::domain::proactive::resilience::{
    Circuit, CircuitSettings, Limits, Outcome, Role, identifier,
};
use serde_json::{Map, Value, json};

use crate::compare::error;
use crate::topic::{Topic, exactly, nothing_later};

/// All four functions.
pub(crate) const TOPIC: Topic = Topic {
    name: "proactive_resilience",
    answer,
    compare: exactly,
    judge: exactly,
    later: nothing_later,
};

fn answer(input: &Value) -> Value {
    match input["fn"].as_str() {
        Some("circuit_script") => circuit(input),
        Some("keys") => keys(input),
        Some("outcome") => outcome(&input["outcome"]),
        Some("config") => config(&input["config"]),
        _ => error("an unknown function"),
    }
}

/// A number, also where JSON has none for it, and as text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Object(fields) => fields.get("$float")?.as_str()?.parse().ok(),
        value => value.as_f64(),
    }
}

fn circuit(input: &Value) -> Value {
    let config = &input["config"];
    let usual = CircuitSettings::default();
    let threshold = &config["failure_threshold"];
    let settings = CircuitSettings {
        failure_threshold: match threshold.as_i64() {
            _ if config["disabled"] == true => 0,
            None => usual.failure_threshold,
            Some(threshold) => u32::try_from(threshold.max(0)).unwrap_or(u32::MAX),
        },
        pause_s: number(&config["pause_s"]).unwrap_or(usual.pause_s),
    };
    let mut clock = number(&input["mono"]).unwrap_or_default();
    let mut circuit = Circuit::default();
    let mut steps = Vec::new();
    for step in input["steps"].as_array().into_iter().flatten() {
        let now = number(&step["now"]).unwrap_or(clock);
        let result = match step["op"].as_str() {
            Some("failure") => circuit.fail(&settings, now).into(),
            Some("is_open") => circuit.is_open(now).into(),
            Some("success") => {
                circuit.succeed();
                Value::Null
            }
            _ => {
                clock = number(&step["mono"]).unwrap_or(clock);
                clock += number(&step["advance"]).unwrap_or_default();
                continue;
            }
        };
        let stored = serde_json::to_string(&circuit).unwrap_or_default();
        let is_same = serde_json::from_str::<Circuit>(&stored).is_ok_and(|read| read == circuit);
        assert!(is_same, "it survives being stored: {stored}");
        let open_until = circuit
            .open_until()
            .map_or(Value::Null, |until| match until {
                Cooldown::Until(at) => at.into(),
                Cooldown::Endless => json!({"$float": "Infinity"}),
            });
        steps.push(json!({
            "result": result,
            "fail_streak": circuit.fail_streak(),
            "open_until": open_until,
        }));
    }
    json!({ "steps": steps })
}

fn keys(input: &Value) -> Value {
    let text = |name: &str| match &input[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (surface, product) = (text("surface"), text("product_id"));
    let (session, user) = (text("session_id"), text("user_bucket"));
    let key = |role, rest: &[&str]| identifier(&surface, &product, role, rest);
    let shared = json!({
        "circuit_open": key(Role::CircuitOpen, &[]),
        "fail_streak": key(Role::FailStreak, &[]),
        "min_interval": key(Role::MinInterval, &[&session]),
    });
    let mut all = shared.clone();
    let minute = text("window_start_epoch_min");
    let hour = text("hour_start_epoch");
    all["namespace"] = "v1".into();
    all["attempts_per_minute"] = key(Role::ProductMinute, &[&minute]).into();
    all["per_session_hour"] = key(Role::SessionHour, &[&session, &hour]).into();
    all["per_user_day"] = key(Role::UserDay, &[&user, &text("day_utc")]).into();
    all["suffixes"] = shared;
    all
}

fn outcome(name: &Value) -> Value {
    let mut outcomes = Outcome::ALL.into_iter();
    let found = outcomes.find(|outcome| *name == outcome.as_str());
    found.map_or_else(
        || error("ValueError"),
        |outcome| json!({"outcome": outcome.as_str(), "counts": outcome.is_failure()}),
    )
}

fn config(overrides: &Value) -> Value {
    let circuit = CircuitSettings::default();
    let limits = Limits::default();
    let mut config = json!({
        "surface_id": "intercom",
        "circuit": {
            "failure_threshold": circuit.failure_threshold,
            "pause_s": circuit.pause_s,
            "disabled": false,
        },
        "rates": {
            "min_interval_seconds": limits.min_interval_s,
            "max_attempts_per_product_per_minute": limits.per_product_minute,
            "max_per_session_per_hour": limits.per_session_hour,
            "max_per_user_per_day": limits.per_user_day,
        },
    });
    let known = config
        .as_object_mut()
        .is_some_and(|config| lay(config, overrides));
    if known { config } else { error("TypeError") }
}

/// Lays given values over the defaults; whether all of them have one.
fn lay(config: &mut Map<String, Value>, overrides: &Value) -> bool {
    let mut overrides = overrides.as_object().into_iter().flatten();
    overrides.all(|(name, given)| match config.get_mut(name) {
        None => false,
        Some(Value::Object(below)) => lay(below, given),
        Some(value) => {
            *value = given.clone();
            true
        }
    })
}
