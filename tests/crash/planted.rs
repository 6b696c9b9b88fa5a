//! A story of offers as it should be, and every way to spoil it: each must be noticed by the law it breaks.

use serde_json::{Value, json};

use super::pages::{Log, hold, key, rules, settings};

/// A lawful story, and what its page was told.
struct Story {
    entries: Vec<Value>,
    told: Vec<&'static str>,
}

/// A seed of pages that are held to quotas.
const QUOTAS: u64 = 0;

/// The law that is broken, and how.
type Plant = (&'static str, fn(&mut Story));

const PLANTS: [Plant; 14] = [
    ("conversations_time_out", |story| {
        story.entries[4]["body"]["to"] = "reactive_assistance".into();
    }),
    ("conversations_time_out", |story| {
        story.entries[4]["at"] = 100.02.into()
    }),
    ("offers_interrupt_nothing", |story| {
        drop(story.entries.remove(5))
    }),
    ("offers_interrupt_nothing", |story| {
        // Neither the first offer nor its page has come to an end.
        story.entries.drain(2..4);
    }),
    ("offers_end_with_their_page", |story| {
        drop(story.entries.remove(2))
    }),
    // Within the pause of the machine, the least interval, and the pause of the trigger.
    ("offers_keep_their_distance", |story| story.shift(100.1)),
    ("offers_keep_their_distance", |story| story.shift(100.14)),
    ("offers_keep_their_distance", |story| story.shift(100.24)),
    ("quotas_hold", |story| {
        story.repeat(101.0);
    }),
    ("offers_end_once", |story| drop(story.entries.remove(7))),
    ("offers_end_once", |story| {
        story.entries.push(story.entries[7].clone());
    }),
    ("offers_end_once", |story| {
        story.entries[7]["body"]["outcome"] = "lost".into()
    }),
    ("offers_are_told_once", |story| story.told.push("never")),
    ("offers_are_told_once", |story| story.told.push("first")),
];

/// Passes if the story as it is passes and none of those that are spoilt does.
pub(crate) fn all_are_noticed() -> Result<String, String> {
    let lawful = broken_law(&Story::new());
    if let Some(law) = lawful {
        return Err(format!("what is right is said to break {law}"));
    }
    for (number, (law, spoil)) in PLANTS.iter().enumerate() {
        let mut story = Story::new();
        spoil(&mut story);
        let found = broken_law(&story);
        if found != Some(law) {
            return Err(format!(
                "plant {number} should break {law}, and breaks {found:?}"
            ));
        }
    }
    Ok(format!("{} broken stories", PLANTS.len()))
}

fn broken_law(story: &Story) -> Option<&'static str> {
    let logs: [Log; 1] = [(key("p0"), Some("user-p0".to_owned()), story.entries.clone())];
    let told = story.told.iter().map(|id| (key("p0"), (*id).to_owned()));
    let held = hold(&rules(&settings(QUOTAS)), &logs, &told.collect::<Vec<_>>());
    let ended = held.and_then(|offers| offers.check_ended());
    ended.err().map(|broken| broken.law)
}

impl Story {
    /// An offer that is declined, and another one, as soon as may be, that nobody answers.
    fn new() -> Self {
        let (thinking, proactive) = ("thinking", "proactive_assistance");
        let mut page = moved(100.01, proactive, "conservative_assistance");
        page["body"]["machine"] = "page".into();
        let mut entries = vec![
            moved(100.0, thinking, proactive),
            offered(100.0, "first"),
            ended(100.01, "first", "dismissed"),
            page,
            moved(100.031, proactive, thinking),
        ];
        entries.extend(silence(100.25, "second"));
        Self {
            entries,
            told: vec!["first", "second"],
        }
    }

    /// Has the second offer be made at another time.
    fn shift(&mut self, at: f64) {
        self.entries.truncate(5);
        self.entries.extend(silence(at, "second"));
    }

    /// Makes one more offer.
    fn repeat(&mut self, at: f64) {
        self.entries.extend(silence(at, &at.to_string()));
    }
}

/// An offer that nobody answers.
fn silence(at: f64, id: &str) -> [Value; 4] {
    [
        moved(at, "thinking", "proactive_assistance"),
        offered(at, id),
        ended(at + 0.01, id, "timed_out"),
        moved(at + 0.031, "proactive_assistance", "thinking"),
    ]
}

fn moved(at: f64, from: &str, to: &str) -> Value {
    json!({"type": "state_changed", "at": at, "body": {"from": from, "to": to}})
}

fn offered(at: f64, id: &str) -> Value {
    let body = json!({"verdict": "offered", "trigger_id": "often", "offer_id": id});
    json!({"type": "decided", "at": at, "body": body})
}

fn ended(at: f64, id: &str, outcome: &str) -> Value {
    json!({"type": "offer_ended", "at": at, "body": {"offer_id": id, "outcome": outcome}})
}
