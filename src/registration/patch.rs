//! A registration's row, changed member by member.

use serde_json::{Map, Value};

use super::decision::{Refused, checked};
use super::record::Registration;
use crate::fields::Fault;

/// What may be changed of a row; the rest has a request of its own.
pub(super) const CHANGEABLE: [&str; 5] = [
    "contact_email",
    "forward_secret",
    "forward_url",
    "integration_config",
    "integration_type",
];

/// Changes a row by a merge patch (RFC 7396); a member that is `null` is removed.
///
/// # Errors
///
/// [`Refused::Faults`] for members that are not changed here, and for everything that is wrong with the result.
pub(super) fn change(
    registration: &mut Registration,
    patch: &Value,
    now_ms: u64,
) -> Result<(), Refused> {
    let fault = |pointer: String, text: &str| Fault {
        pointer,
        text: text.to_owned(),
    };
    let Some(patch) = patch.as_object() else {
        return Err(Refused::Faults(vec![fault(
            String::new(),
            "must be an object",
        )]));
    };
    let mut faults = Vec::new();
    for (key, value) in patch {
        let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        match key.as_str() {
            "name" => match value {
                Value::Null => registration.record.name = None,
                Value::String(name) if name.chars().count() <= 256 => {
                    registration.record.name = Some(name.trim().to_owned());
                }
                _ => faults.push(fault(pointer, "must be text of at most 256 characters")),
            },
            key if CHANGEABLE.contains(&key) => {}
            "webhook_secret" | "ingest_secret" => {
                faults.push(fault(pointer, "is replaced by POST /products/{product_id}/rotate"));
            }
            _ => faults.push(fault(pointer, "is not changed here; there are name, contact_email, integration_type, integration_config, forward_url and forward_secret")),
        }
    }
    let row = &mut registration.sealed.row;
    for key in CHANGEABLE {
        if let Some(value) = patch.get(key) {
            merge(row, key, value);
        }
    }
    if let Err(Refused::Faults(more)) = checked(registration) {
        faults.extend(more);
    }
    if !faults.is_empty() {
        return Err(Refused::Faults(faults));
    }
    registration.record.updated_ms = now_ms;
    Ok(())
}

fn merge(object: &mut Map<String, Value>, key: &str, patch: &Value) {
    match patch {
        Value::Null => {
            object.remove(key);
        }
        Value::Object(members) => {
            let place = object.entry(key).or_insert(Value::Null);
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(place) = place {
                for (key, patch) in members {
                    merge(place, key, patch);
                }
            }
        }
        _ => {
            object.insert(key.to_owned(), patch.clone());
        }
    }
}
