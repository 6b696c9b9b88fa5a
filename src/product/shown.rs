//! What of a row may be shown: everything that is not, and does not look like, a secret.

use serde_json::{Map, Value};

/// Stands where something is kept and not shown.
const REDACTED: &str = "[redacted]";

/// Parts of the names of keys whose values are secrets.
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "token",
    "password",
    "key",
    "credential",
    "authorization",
    "signature",
];

/// An `integration_config` without secrets. Keys that nobody here knows keep their names only.
pub(super) fn config(config: &Map<String, Value>, unknown: &[&str]) -> Value {
    let shown = config.iter().map(|(key, value)| {
        let is_known = !unknown.contains(&key.as_str());
        (key.clone(), shown(key, value, is_known))
    });
    Value::Object(shown.collect())
}

fn shown(key: &str, value: &Value, is_known: bool) -> Value {
    let name = key.to_lowercase();
    let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word));
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) if text.is_empty() => value.clone(),
        _ if is_secret || !is_known => REDACTED.into(),
        // Whoever receives calls at an address may know the caller by its path.
        Value::String(text) if name.ends_with("url") => origin(text).into(),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(key, value)| (key.clone(), shown(key, value, true)));
            Value::Object(members.collect())
        }
        Value::Array(values) => values.iter().map(|value| shown(key, value, true)).collect(),
        _ => value.clone(),
    }
}

/// Scheme and host of an address.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return REDACTED.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/…")
}
