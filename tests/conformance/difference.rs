//! Where we differ from the reference on purpose. Each difference is told from the input alone and
//! says what we do instead; `tests/it/difference.rs` proves that it catches what it describes and
//! nothing else.

use serde_json::Value;

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
