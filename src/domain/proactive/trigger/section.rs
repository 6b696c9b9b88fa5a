//! In which part of a product the user has been.

use crate::domain::loose::trim;
use crate::domain::proactive::Seen;

/// Pages whose addresses begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionRule {
    /// How they begin; not necessarily a whole path segment.
    pub prefix: String,
    /// What the part of the product is called.
    pub section_id: String,
}

/// Consecutive actions in one section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit<'a> {
    /// Where.
    pub section_id: &'a str,
    /// How long its actions took together, seconds; what lies between them does not count.
    pub dwell_s: f64,
    /// When the earliest of them began, Unix seconds.
    pub first_at: f64,
    /// When the latest of them ended, Unix seconds.
    pub last_at: f64,
}

/// A section's visits together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally<'a> {
    /// Which section.
    pub section_id: &'a str,
    /// How long they took, seconds.
    pub dwell_s: f64,
    /// How many there were.
    pub visits: u64,
}

impl Tally<'_> {
    /// Whether the section comes before another: more time, then more visits, then the smaller name.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        if self.dwell_s != other.dwell_s {
            return self.dwell_s > other.dwell_s;
        }
        let visits = other.visits.cmp(&self.visits);
        visits.then(self.section_id.cmp(other.section_id)).is_lt()
    }
}

/// The section of a page; the first rule that fits decides.
pub fn section_of<'a>(url: &str, rules: &'a [SectionRule]) -> Option<&'a str> {
    let url = trim(url);
    let rule = rules.iter().find(|rule| url.starts_with(&rule.prefix))?;
    Some(&rule.section_id)
}

/// The visits that actions make, in their order. Pages without a rule are in the section `fallback`; without rules
/// there are no sections.
pub fn visits<'a>(
    actions: &'a [Seen<'a>],
    rules: &'a [SectionRule],
    fallback: &'a str,
) -> impl Iterator<Item = Visit<'a>> {
    let actions = if rules.is_empty() { &[][..] } else { actions };
    let section =
        move |action: &Seen<'_>| section_of(&action.canonical_url, rules).unwrap_or(fallback);
    let runs = actions.chunk_by(move |one, next| section(one) == section(next));
    runs.map(move |run| Visit {
        section_id: section(&run[0]),
        dwell_s: run
            .iter()
            .map(|action| (action.end - action.start).max(0.0))
            .sum(),
        first_at: run
            .iter()
            .map(|action| action.start)
            .fold(f64::INFINITY, f64::min),
        last_at: run
            .iter()
            .map(|action| action.end)
            .fold(f64::NEG_INFINITY, f64::max),
    })
}
