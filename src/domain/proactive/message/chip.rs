//! The answers that a product offers as buttons.

use serde_json::{Map, Value};

use crate::domain::loose::{is_truthy, trim};
use crate::domain::proactive::text::as_text;

/// One answer to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Its name; `msg_<position>` where none is configured.
    pub id: String,
    /// What it says; never blank.
    pub label: String,
    /// Whether a tour belongs to it.
    pub user_tour_exists: bool,
    /// Which one, by the tour vendor's identifier; `None` is the product's default tour.
    pub user_tour_id: Option<String>,
}

impl Chip {
    /// The tour that choosing it asks for: its own, or else `default_flow_id`, trimmed and perhaps empty; `None` when
    /// no tour belongs to it.
    pub fn flow_id<'a>(&'a self, default_flow_id: &'a str) -> Option<&'a str> {
        let own = self.user_tour_id.as_deref().map(trim);
        let named = own.filter(|id| !id.is_empty());
        self.user_tour_exists
            .then(|| named.unwrap_or_else(|| trim(default_flow_id)))
    }
}

/// All answers of a product's `proactive_intercom`, in order: those of every entry of the list, or of the one object
/// that it was before 0.7.0. Entries need not be complete otherwise.
pub fn chips(integration_config: &Map<String, Value>) -> Vec<Chip> {
    match integration_config.get("proactive_intercom") {
        Some(Value::Array(entries)) => entries.iter().flat_map(chips_of).collect(),
        Some(entry) => chips_of(entry),
        None => Vec::new(),
    }
}

fn chips_of(entry: &Value) -> Vec<Chip> {
    let messages = entry.get("messages").and_then(Value::as_array);
    messages.map_or_else(Vec::new, |messages| rows(messages))
}

/// The answers of one entry's messages; what has no label is left out.
pub(in crate::domain::proactive) fn rows(messages: &[Value]) -> Vec<Chip> {
    let numbered = messages.iter().enumerate();
    numbered
        .filter_map(|(position, message)| row(position, message.as_object()?))
        .collect()
}

fn row(position: usize, message: &Map<String, Value>) -> Option<Chip> {
    let text = |value: Option<&Value>| {
        let set = value.filter(|value| is_truthy(value));
        set.and_then(as_text).map(String::from)
    };
    // A new name wins over the old one as soon as it is there, even with null.
    let renamed = |new: &str, old: &str| message.get(new).or_else(|| message.get(old));
    let tour_id = renamed("user_tour_id", "flow_id");
    Some(Chip {
        label: text(message.get("label"))?,
        id: text(message.get("id")).unwrap_or_else(|| format!("msg_{position}")),
        user_tour_exists: renamed("user_tour_exists", "offers_tour").is_some_and(is_truthy),
        user_tour_id: tour_id.and_then(as_text).map(String::from),
    })
}
