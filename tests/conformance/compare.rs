//! Comparing what was expected with what came out.

use serde_json::{Map, Number, Value};

/// Errors by which the reference refuses on purpose; the class is part of the contract. Any other
/// class means that it tripped over its input, and any refusal will do.
const DELIBERATE: &[&str] = &[
    "ConnectorRegistrationHttpError",
    "InvalidSnapshotError",
    "InvalidTransitionError",
    "ProductAlreadyRegisteredError",
    "RuntimeError",
    "SdkConfigError",
    "UnkeyOnboardingError",
    "ValueError",
];

/// How much of a value is shown.
const CHARS_SHOWN: usize = 100;

/// Whether the two are the same; else the first path at which they part.
pub(crate) fn exactly(expected: &Value, got: &Value) -> Result<(), String> {
    same(expected, got, "")
}

/// A refusal of the given class, as cases spell it.
pub(crate) fn error(class: &str) -> Value {
    serde_json::json!({ "error": class })
}

/// Whether the answer is a refusal.
pub(crate) fn is_error(answer: &Value) -> bool {
    answer.get("error").is_some_and(Value::is_string)
}

/// Whether the reference tripped over its input.
pub(crate) fn is_accident(expected: &Value) -> bool {
    let class = expected["error"].as_str();
    class.is_some_and(|class| !DELIBERATE.contains(&class))
}

fn same(expected: &Value, got: &Value, path: &str) -> Result<(), String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => same_entries(expected, got, path),
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => (0..)
            .zip(expected.iter().zip(got))
            .try_for_each(|(index, (expected, got))| {
                same(expected, got, &format!("{path}[{index}]"))
            }),
        (Value::Number(expected), Value::Number(got)) if equal(expected, got) => Ok(()),
        (expected, got) if expected == got => Ok(()),
        (expected, got) => Err(format!(
            "at {}: expected {}, got {}",
            if path.is_empty() { "the root" } else { path },
            short(expected),
            short(got)
        )),
    }
}

fn same_entries(
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
    path: &str,
) -> Result<(), String> {
    for (key, wanted) in expected {
        let path = format!("{path}.{key}");
        let Some(found) = got.get(key) else {
            return Err(format!(
                "at {path}: expected {}, got nothing",
                short(wanted)
            ));
        };
        let class = wanted.as_str().filter(|_| key == "error");
        let tripped = class.is_some_and(|class| !DELIBERATE.contains(&class));
        if !(tripped && found.is_string()) {
            same(wanted, found, &path)?;
        }
    }
    match got.iter().find(|(key, _)| !expected.contains_key(*key)) {
        Some((key, found)) => Err(format!(
            "at {path}.{key}: expected nothing, got {}",
            short(found)
        )),
        None => Ok(()),
    }
}

/// Numeric equality without losing digits of large integers.
fn equal(one: &Number, other: &Number) -> bool {
    let integer = |number: &Number| {
        let unsigned = number.as_u64().map(i128::from);
        unsigned.or_else(|| number.as_i64().map(i128::from))
    };
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.as_f64() == other.as_f64(),
        (Some(whole), None) => is_whole(other, whole),
        (None, Some(whole)) => is_whole(one, whole),
    }
}

fn is_whole(float: &Number, whole: i128) -> bool {
    float
        .as_f64()
        .is_some_and(|float| float.fract() == 0.0 && format!("{float:.0}") == whole.to_string())
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What the reference takes for a no: what is missing, or as good as that.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// What the reference takes for white space: the four separators of ASCII as well.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
