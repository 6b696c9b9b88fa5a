//! One line for each part of a product.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reader::{Reader, escaped};
use super::section::{SectionRule, Tally, Visit, visits};
use super::{Trigger, offer};
use crate::domain::proactive::text::body;
use crate::domain::proactive::{Context, Offer};

/// The section of pages that no rule knows.
const FALLBACK: &str = "other";

/// How many rules, and how many rows, a product may have.
const ROWS_MAX: usize = 256;

/// Fires wherever the user is in a section for which the product has written something down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionPlaybook {
    /// Which pages belong to which section.
    pub rules: Vec<SectionRule>,
    /// The section of the other pages.
    pub fallback_id: String,
    current_section_id: Option<String>,
    rows: BTreeMap<String, Row>,
}

/// What is said in one section; nothing if the body is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    body: String,
    reply_option_labels: Vec<String>,
}

impl SectionPlaybook {
    /// The name of the trigger.
    pub const ID: &'static str = "section_playbook_match";

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            rules: read_rules(reader),
            fallback_id: reader
                .word("section_url_fallback_id")
                .unwrap_or(FALLBACK)
                .to_owned(),
            current_section_id: reader.word("current_section_id").map(str::to_owned),
            rows: read_rows(reader),
        }
    }

    /// The section to speak of: the one that the product has fixed, else the one with most time, else where the
    /// user is. Only sections of the playbook count.
    pub fn choose<'a>(
        &self,
        tallies: impl IntoIterator<Item = Tally<'a>>,
        current: &str,
    ) -> Option<&str> {
        let known = |id: &str| self.rows.get_key_value(id).map(|(id, _)| id.as_str());
        let fixed = self.current_section_id.as_deref().and_then(known);
        let most = || {
            let tallies = tallies.into_iter();
            let known = tallies.filter(|tally| self.rows.contains_key(tally.section_id));
            known.reduce(|best, next| if next.is_before(&best) { next } else { best })
        };
        fixed
            .or_else(|| known(most()?.section_id))
            .or_else(|| known(current))
    }

    /// What is said in a section, if there is anything to say.
    pub fn offer(&self, section_id: &str) -> Option<Offer> {
        let row = self
            .rows
            .get(section_id)
            .filter(|row| !row.body.is_empty())?;
        let metadata = Map::from_iter([("section_id".to_owned(), json!(section_id))]);
        let mut offer = offer(Self::ID, row.body.clone(), metadata);
        offer
            .reply_option_labels
            .clone_from(&row.reply_option_labels);
        Some(offer)
    }

    /// Visits by section, as far as the playbook knows it.
    fn tallies<'a>(&self, visits: impl Iterator<Item = Visit<'a>>) -> Vec<Tally<'a>> {
        let mut tallies: Vec<Tally<'a>> = Vec::new();
        for visit in visits.filter(|visit| self.rows.contains_key(visit.section_id)) {
            let known = tallies
                .iter_mut()
                .find(|tally| tally.section_id == visit.section_id);
            match known {
                Some(tally) => {
                    tally.dwell_s += visit.dwell_s;
                    tally.visits += 1;
                }
                None => tallies.push(Tally {
                    section_id: visit.section_id,
                    dwell_s: visit.dwell_s,
                    visits: 1,
                }),
            }
        }
        tallies
    }
}

impl Trigger for SectionPlaybook {
    fn id(&self) -> &str {
        Self::ID
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        let visits = visits(context.actions(), &self.rules, &self.fallback_id);
        // Where the user is has been visited, so that it needs no look of its own.
        let section_id = self.choose(self.tallies(visits), "")?;
        self.offer(section_id)
    }

    fn labels(&self) -> Vec<&str> {
        let rows = self.rows.values().filter(|row| !row.body.is_empty());
        let labels = rows.flat_map(|row| &row.reply_option_labels);
        labels.map(String::as_str).collect()
    }
}

fn read_rules(reader: &mut Reader<'_>) -> Vec<SectionRule> {
    let key = "section_url_rules";
    let mut rules = Vec::new();
    for (index, rule) in reader.objects(key, ROWS_MAX) {
        let mut rule = reader.below(&format!("{key}/{index}"), rule);
        let (prefix, section_id) = (rule.required("prefix"), rule.required("section_id"));
        if let (Some(prefix), Some(section_id)) = (prefix, section_id) {
            rules.push(SectionRule {
                prefix: prefix.to_owned(),
                section_id: section_id.to_owned(),
            });
        }
    }
    rules
}

fn read_rows(reader: &mut Reader<'_>) -> BTreeMap<String, Row> {
    let key = "section_playbook";
    let Some(object) = reader.object(key) else {
        return BTreeMap::new();
    };
    if object.len() > ROWS_MAX {
        reader.flaw(key, format!("must have at most {ROWS_MAX} entries"));
    }
    let mut playbook = reader.below(key, object);
    let rows = object.iter().take(ROWS_MAX);
    rows.map(|(id, row)| (id.clone(), read_row(&mut playbook, id, row)))
        .collect()
}

/// A row that says nothing still is a row: the section is the one to speak of, and nothing is said.
fn read_row(playbook: &mut Reader<'_>, id: &str, row: &Value) -> Row {
    let row = match row {
        Value::String(text) => Row {
            body: body(text),
            reply_option_labels: Vec::new(),
        },
        Value::Object(object) => {
            let mut row = playbook.below(&escaped(id), object);
            let text = row.text("body").or_else(|| row.text("proactive_body"));
            let labels = row.value("reply_option_labels");
            let labels = match labels.filter(|labels| **labels != json!([])) {
                Some(_) => "reply_option_labels",
                None => "quick_reply_labels",
            };
            Row {
                body: text.map(body).unwrap_or_default(),
                reply_option_labels: row.texts(labels),
            }
        }
        _ => Row::default(),
    };
    if row.body.is_empty() {
        playbook.flaw(
            id,
            "must be text, or an object with a body; nothing is said here",
        );
    }
    row
}
