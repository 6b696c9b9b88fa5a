//! Reading conditions.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::leaf::Leaf;
use super::params::{Params, count, seconds, text};
use super::part::TITLE_CHARS_MAX;
use super::property::PropertyTest;
use super::reader::{Reader, Refusal};
use crate::domain::action::ActionType;

/// The most memory of a compiled expression, and of what searching with it keeps.
const REGEX_BYTES_MAX: usize = 256 << 10;

/// What makes a condition of its parameters; `None` when it has noted why it cannot.
type Read = fn(&mut Params<'_>) -> Option<Leaf>;

/// Conditions with parameters.
const KINDS: [(&str, Read); 9] = [
    ("url_contains", |params| {
        let value = params.required("value", text)?;
        Some(Leaf::UrlContains(params.parts().of_urls(value)))
    }),
    ("url_matches", |params| {
        let regex = params.required("regex", regex)?;
        Some(Leaf::UrlMatches(regex))
    }),
    ("url_change", |params| {
        let [from, to] = ["from", "to"].map(|name| {
            let part = params.optional(name, text)?;
            Some(params.parts().of_urls(part))
        });
        Some(Leaf::UrlChange { from, to })
    }),
    ("user_property", user_property),
    ("recent_action", recent_action),
    ("action_count", |params| {
        let min = params.required("min", count);
        let within_s = params.optional("within_s", seconds);
        let within_s = within_s.unwrap_or(f64::INFINITY);
        min.map(|min| Leaf::ActionCount { min, within_s })
    }),
    ("rage_click", |params| {
        let min = params.required("min", count);
        let within_s = params.required("within_s", seconds);
        let (min, within_s) = min.zip(within_s)?;
        Some(Leaf::RageClick { min, within_s })
    }),
    ("dwell", |params| {
        let min_s = params.required("min_s", seconds)?;
        Some(Leaf::Dwell { min_s })
    }),
    ("idle", |params| {
        let min_s = params.required("min_s", seconds)?;
        Some(Leaf::Idle { min_s })
    }),
];

/// Built-in triggers, which need none.
fn builtin(name: &str) -> Option<Leaf> {
    match name {
        "canonical_url_ping_pong" => Some(Leaf::PingPong(Box::default())),
        "user_page_dwell" => Some(Leaf::PageDwell(Box::default())),
        _ => None,
    }
}

/// Reads the leaf at `pointer`. What cannot be used is noted and never matches.
pub(super) fn read(
    r#type: &Value,
    params: Option<&Value>,
    pointer: &str,
    reader: &mut Reader,
) -> Leaf {
    let name = r#type.as_str().unwrap_or_default();
    if let Some(leaf) = builtin(name) {
        return leaf;
    }
    let Some((_, of)) = KINDS.iter().find(|(known, _)| *known == name) else {
        let known = KINDS.map(|(known, _)| known).join(", ");
        let text = format!(
            "must be one of {known}, canonical_url_ping_pong, user_page_dwell; as it is the condition never matches"
        );
        reader.tolerate(format!("{pointer}/type"), text);
        return Leaf::Never;
    };
    let pointer = format!("{pointer}/params");
    let Some(fields) = params.and_then(Value::as_object) else {
        reader.tolerate(
            pointer,
            "must be an object, even an empty one; without it the condition never matches",
        );
        return Leaf::Never;
    };
    let mut params = Params::new(fields, pointer, reader);
    let read = of(&mut params);
    params.end(read).unwrap_or(Leaf::Never)
}

fn user_property(params: &mut Params<'_>) -> Option<Leaf> {
    let key = params.required("key", text);
    let op = params.required("op", text);
    let value = params.value("value");
    let (key, op) = key.zip(op)?;
    let test = PropertyTest::new(key, op, value);
    test.map(|test| Leaf::UserProperty(test.into()))
        .map_err(|(name, why)| params.spoil(name, why))
        .ok()
}

fn recent_action(params: &mut Params<'_>) -> Option<Leaf> {
    let title = params.optional("title_contains", title);
    let title = title.map(|title| params.parts().of_titles(title));
    let r#type = params.optional("type", action_type);
    let within_s = params.optional("within_s", seconds);
    if params
        .value("title_contains")
        .or(params.value("type"))
        .is_none()
    {
        params.spoil("title_contains", "must be there, or type");
    }
    Some(Leaf::RecentAction {
        title,
        r#type,
        within_s: within_s.unwrap_or(f64::INFINITY),
    })
}

fn title(value: &Value) -> Result<&str, Refusal> {
    let title = text(value)?;
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err("must have at most 256 characters");
    }
    Ok(title)
}

fn action_type(value: &Value) -> Result<ActionType, Refusal> {
    ActionType::deserialize(value)
        .map_err(|_| "must be pageview, click, submit, type, focus, blur or custom")
}

fn regex(value: &Value) -> Result<Regex, Refusal> {
    let built = RegexBuilder::new(text(value)?)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "must be smaller once compiled; repeat less",
        _ => "must be a regular expression without look-around and back-references",
    })
}
