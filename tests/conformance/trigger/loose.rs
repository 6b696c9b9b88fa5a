//! Values as a published library takes them: nearly everything counts as something.

use serde_json::{Map, Value};

use crate::compare::{is_blank, is_falsy};

/// Text; what is falsy is empty.
pub(super) fn soft(value: &Value) -> Result<&str, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        value if is_falsy(value) => Ok(""),
        _ => Err("AttributeError"),
    }
}

/// Text without white space around it; what is falsy is empty.
pub(super) fn word(value: &Value) -> Result<&str, &'static str> {
    Ok(soft(value)?.trim_matches(is_blank))
}

/// Whatever it is, as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        value => value.to_string(),
    }
}

/// A number, or text that holds one; also those that JSON lacks, in the spelling of cases.
pub(super) fn float(value: &Value) -> Result<f64, &'static str> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => number.as_f64().ok_or("OverflowError"),
        Value::String(text) => text.trim().parse().map_err(|_| "ValueError"),
        Value::Object(object) => match object.get("$float") {
            Some(spelt) => float(spelt),
            None => Err("TypeError"),
        },
        Value::Null | Value::Array(_) => Err("TypeError"),
    }
}

/// The value with the numbers that JSON lacks as text, which reads alike.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.get("$float") {
            Some(spelt) => spelt.clone(),
            None => Value::Object(plain_entries(object)),
        },
        Value::Array(list) => list.iter().map(plain).collect(),
        value => value.clone(),
    }
}

fn plain_entries(object: &Map<String, Value>) -> Map<String, Value> {
    let entries = object.iter();
    entries
        .map(|(key, value)| (key.clone(), plain(value)))
        .collect()
}
