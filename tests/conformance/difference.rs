//! Where we differ from the reference on purpose. Each difference is told from the input alone and
//! says what we do instead; `tests/it/difference.rs` proves that it catches what it describes and
//! nothing else.

use serde_json::{Value, json};

/// One deliberate difference.
pub(crate) struct Difference {
    /// The topic it belongs to.
    pub topic: &'static str,
    /// The functions of that topic.
    pub functions: &'static [&'static str],
    /// Why we differ.
    pub reason: &'static str,
    applies: fn(&Value) -> bool,
    holds: fn(&Value, &Value) -> bool,
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        topic: "push_webhook",
        functions: &["verify"],
        reason: "a header with other than ASCII characters is a mismatch, not an accident",
        applies: |input| {
            let is_ascii = input["header"].as_str().is_none_or(str::is_ascii);
            !is_ascii && input["secret"] != ""
        },
        holds: |_, answer| answer["accepted"] == false,
    },
    Difference {
        topic: "push_webhook",
        functions: &["parse", "handle", "handle_sync"],
        reason: "JSON has no NaN and no infinities, so a body with them is not JSON",
        applies: |input| input["body"].as_str().is_some_and(is_json_but_for_numbers),
        holds: |_, answer| answer["payload"].is_null() && answer["returned"].is_null(),
    },
    Difference {
        topic: "note_format",
        functions: &["format_note"],
        reason: "a note is always rendered; where its first time has no date it is dated now",
        applies: |input| first_time(input).is_some_and(|at| !CALENDAR_S.contains(&at)),
        holds: |input, answer| {
            let text = answer["text"].as_str().unwrap_or_default();
            let lines = input["actions"].as_array().into_iter().flatten();
            lines
                .filter_map(|action| action["description"].as_str())
                .all(|description| text.contains(description))
                && text.contains(" UTC\n\n")
        },
    },
    Difference {
        topic: "registration",
        functions: &["redact"],
        reason: "what begins like JSON and cannot be read may hold a secret, so it is not repeated",
        applies: |input| json_of(input).is_none() && begins_like_json(text_of(input)),
        holds: |input, answer| {
            let chars = text_of(input).chars().count();
            answer["text"] == format!("<non-JSON response omitted ({chars} chars)>")
        },
    },
    Difference {
        topic: "registration",
        functions: &["redact"],
        reason: "whole numbers of more than 64 bits are read as doubles; what is shown of them is no secret",
        applies: |input| json_of(input).is_some() && has_wide_number(text_of(input)),
        holds: |input, answer| {
            let shown = answer["text"].as_str().map(serde_json::from_str);
            let masked = shown.and_then(Result::ok);
            json_of(input)
                .zip(masked)
                .is_some_and(|(sent, shown)| is_alike(&sent, &shown))
        },
    },
    Difference {
        topic: "intercom_payloads",
        functions: &["reactive_snippet"],
        reason: "a product's id is one text of the script, so it can neither end the script nor become code",
        applies: |input| {
            product_of(input).contains(|c: char| c == '<' || c == '\\' || c.is_control())
        },
        holds: |input, answer| {
            let product = product_of(input);
            let is_found = |name: &str| {
                let mut probes = answer[name].as_object().into_iter().flatten();
                probes.all(|(probe, found)| *found == true || probe.contains(product))
            };
            answer["script_tags"] == json!([1, 1])
                && is_found("contains_all")
                && is_found("contains_none")
        },
    },
    Difference {
        topic: "builtin_catalog",
        functions: &["resolve_specs", "registry_from_specs"],
        reason: "a length of time is a finite number; others can neither be compared nor stored",
        applies: |input| {
            let rows = input["specs"].as_array().into_iter().flatten();
            let keys = ["interaction_timeout_s", "cooldown_s"];
            let mut times = rows.flat_map(|row| keys.map(|key| &row[key]));
            times.any(is_endless)
        },
        holds: |_, answer| answer["error"].is_string(),
    },
    Difference {
        topic: "builtin_catalog",
        functions: &["registry_from_specs"],
        reason: "an empty list of triggers stands for the default, and the product is told so (contract X-21)",
        applies: |input| input["specs"].is_null() || input["specs"] == json!([]),
        holds: |_, answer| {
            let triggers = answer["triggers"].as_array();
            triggers.is_some_and(|triggers| {
                triggers.len() == 1 && triggers[0]["trigger_id"] == "canonical_url_ping_pong"
            })
        },
    },
    Difference {
        topic: "trigger_page_dwell",
        functions: &["evaluate"],
        reason: "a length of time is a finite number; others can neither be compared nor stored",
        applies: |input| is_endless(&input["context_extra"]["dwell_threshold_seconds"]),
        holds: |_, answer| answer["error"].is_string(),
    },
    Difference {
        topic: "trigger_registry",
        functions: &["evaluate", "evaluate_first_only"],
        reason: "a trigger that fails is skipped, and never silences the others",
        applies: |input| predicates(input).any(|(_, op)| op == "raise"),
        holds: |input, answer| {
            let firing = predicates(input).find(|(_, op)| *op == "always");
            firing.is_some_and(|(id, _)| answer["first"]["trigger_id"] == id)
        },
    },
];

impl Difference {
    /// Whether the answer is what we promise instead.
    pub(crate) fn judge(&self, input: &Value, answer: &Value) -> Result<(), String> {
        if (self.holds)(input, answer) {
            return Ok(());
        }
        Err(format!("not as promised ({}): {answer}", self.reason))
    }
}

/// The difference that an input falls under.
pub(crate) fn of(topic: &str, input: &Value) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| {
        difference.topic == topic
            && difference.functions.iter().any(|name| input["fn"] == *name)
            && (difference.applies)(input)
    })
}

/// The seconds of the years 1 to 9999.
const CALENDAR_S: std::ops::Range<f64> = -62_135_596_800.0..253_402_300_800.0;

fn is_json_but_for_numbers(body: &str) -> bool {
    let strict = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let mended = ["-Infinity", "Infinity", "NaN"]
        .iter()
        .fold(body.to_owned(), |text, token| text.replace(token, "null"));
    !strict(body) && strict(&mended)
}

/// The time that dates a note: its smallest, where a falsy one counts as 0 if it sorts first.
fn first_time(input: &Value) -> Option<f64> {
    let times = input["actions"].as_array()?.iter();
    times
        .map(|action| action["timestamp_start"].as_f64().unwrap_or(0.0))
        .min_by(f64::total_cmp)
}

fn text_of(input: &Value) -> &str {
    input["text"].as_str().unwrap_or_default().trim()
}

fn json_of(input: &Value) -> Option<Value> {
    serde_json::from_str(text_of(input)).ok()
}

fn begins_like_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && text.contains('"')
}

/// Whether a whole number outside of texts has more digits than 64 bits hold.
fn has_wide_number(json: &str) -> bool {
    let json = json.replace("\\\\", "").replace("\\\"", "");
    let outside = json.split('"').step_by(2);
    let mut numbers = outside.flat_map(|part| part.split([',', ':', '[', ']', '{', '}']));
    numbers.any(|number| {
        let number = number.trim();
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
    })
}

/// Whether the two are the same but for what is masked.
fn is_alike(sent: &Value, shown: &Value) -> bool {
    match (sent, shown) {
        (_, Value::String(text)) if text == "[REDACTED]" => true,
        (Value::Array(sent), Value::Array(shown)) => {
            let mut pairs = sent.iter().zip(shown);
            sent.len() == shown.len() && pairs.all(|(sent, shown)| is_alike(sent, shown))
        }
        (Value::Object(sent), Value::Object(shown)) => {
            let mut names = sent.iter().zip(shown);
            sent.len() == shown.len()
                && names.all(|(sent, shown)| sent.0 == shown.0 && is_alike(sent.1, shown.1))
        }
        _ => sent == shown,
    }
}

fn product_of(input: &Value) -> &str {
    input["product_id"].as_str().unwrap_or_default()
}

/// Whether a number, or text that is read as one, is none of those that JSON has.
fn is_endless(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default().trim();
    let number = text.parse::<f64>();
    value.get("$float").is_some() || number.is_ok_and(|number| !number.is_finite())
}

/// The predicates of a list of triggers: name and operator.
fn predicates(input: &Value) -> impl Iterator<Item = (&str, &str)> {
    let triggers = input["triggers"].as_array().into_iter().flatten();
    triggers.filter_map(|trigger| {
        let op = trigger["predicate"]["op"].as_str()?;
        Some((trigger["trigger_id"].as_str()?, op))
    })
}
