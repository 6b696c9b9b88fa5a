//! Going back and forth between pages.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{Trigger, offer};
use crate::domain::loose::trim;
use crate::domain::proactive::message::DEFAULT_BODY;
use crate::domain::proactive::{Context, Offer, Seen};

/// Fires when the user goes to another page and back, or looks at several pages and comes back to one of them.
///
/// Looks at the canonical URLs that are not blank, one per action; fewer than three of them never fire. A cycle is any
/// three in a row of which the first and the third are the same page and the second is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingPong {
    /// How many cycles it takes; cycles may overlap.
    pub min_cycles: usize,
    /// Only cycles of which one page contains this count; empty for all.
    pub leg_must_contain: String,
    /// Whether hesitation fires as well.
    pub broaden_with_hesitation: bool,
    /// How many different pages make hesitation.
    pub hesitation_min_distinct: usize,
    /// How many of them have to be seen more than once.
    pub hesitation_min_repeats: usize,
    /// One page must contain this for anything to count, and hesitation looks at such pages only; empty for all.
    pub url_must_contain: Option<String>,
}

impl Default for PingPong {
    fn default() -> Self {
        Self {
            min_cycles: 1,
            leg_must_contain: String::new(),
            broaden_with_hesitation: true,
            hesitation_min_distinct: 3,
            hesitation_min_repeats: 1,
            url_must_contain: None,
        }
    }
}

/// What has been found.
#[derive(Clone, Copy)]
struct Found {
    cycles: bool,
    hesitation: bool,
}

impl PingPong {
    /// The name of the trigger.
    pub const ID: &'static str = "canonical_url_ping_pong";

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        let mut count = |key, default| reader.count(key).unwrap_or(default);
        let min_cycles = count("min_cycles", default.min_cycles);
        let distinct = count("hesitation_min_distinct", default.hesitation_min_distinct);
        let repeats = count("hesitation_min_repeats", default.hesitation_min_repeats);
        let mut word = |key| reader.word(key).map(str::to_owned);
        Self {
            min_cycles,
            leg_must_contain: word("leg_must_contain").unwrap_or_default(),
            url_must_contain: word("url_must_contain"),
            broaden_with_hesitation: reader
                .flag("broaden_with_hesitation")
                .unwrap_or(default.broaden_with_hesitation),
            hesitation_min_distinct: distinct,
            hesitation_min_repeats: repeats,
        }
    }

    /// Whether it would fire.
    pub fn fires(&self, context: &Context<'_>) -> bool {
        self.look(context.actions()).is_some()
    }

    fn look(&self, actions: &[Seen<'_>]) -> Option<Found> {
        let scope = self.url_must_contain.as_deref().unwrap_or_default();
        if !touches(actions, scope) {
            return None;
        }
        let urls = urls(actions);
        let scoped = urls.clone().filter(|url| url.contains(scope));
        let found = Found {
            cycles: self.cycles(urls),
            hesitation: self.broaden_with_hesitation && self.hesitates(scoped),
        };
        (found.cycles || found.hesitation).then_some(found)
    }

    fn cycles<'a>(&self, urls: impl Iterator<Item = &'a str>) -> bool {
        let (mut first, mut second) = ("", "");
        let mut cycles = 0;
        for (index, third) in urls.enumerate() {
            if index >= 2 {
                let is_cycle = first == third && second != third;
                let leg = self.leg_must_contain.as_str();
                if is_cycle && (first.contains(leg) || second.contains(leg)) {
                    cycles += 1;
                }
                if cycles >= self.min_cycles {
                    return true;
                }
            }
            (first, second) = (second, third);
        }
        false
    }

    fn hesitates<'a>(&self, urls: impl Iterator<Item = &'a str> + Clone) -> bool {
        let (mut distinct, mut repeats) = (0, 0);
        for (index, url) in urls.clone().enumerate() {
            let earlier = urls.clone().take(index).filter(|earlier| *earlier == url);
            match earlier.take(2).count() {
                0 => distinct += 1,
                1 => repeats += 1,
                _ => {}
            }
            if index >= 2
                && distinct >= self.hesitation_min_distinct
                && repeats >= self.hesitation_min_repeats
            {
                return true;
            }
        }
        false
    }

    fn metadata(&self, found: Found) -> Map<String, Value> {
        let names = [
            (found.cycles, "strict_ping_pong"),
            (found.hesitation, "hesitation_distinct_with_revisit"),
        ];
        let names = names.iter().filter(|(is_found, _)| *is_found);
        let matched: Vec<&str> = names.map(|(_, name)| *name).collect();
        let mut metadata = Map::new();
        metadata.insert("matched".to_owned(), json!(matched));
        metadata.insert("min_cycles".to_owned(), json!(self.min_cycles));
        let distinct = json!(self.hesitation_min_distinct);
        metadata.insert("hesitation_min_distinct".to_owned(), distinct);
        if let Some(scope) = &self.url_must_contain {
            metadata.insert("scoped_canonical_url_contains".to_owned(), json!(scope));
        }
        metadata
    }
}

impl Trigger for PingPong {
    fn id(&self) -> &str {
        Self::ID
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        let found = self.look(context.actions())?;
        let metadata = self.metadata(found);
        Some(offer(Self::ID, DEFAULT_BODY.to_owned(), metadata))
    }
}

/// Whether one of the pages contains `scope`; an empty scope is touched by everything, and by nothing at all.
pub fn touches(actions: &[Seen<'_>], scope: &str) -> bool {
    scope.is_empty() || urls(actions).any(|url| url.contains(scope))
}

fn urls<'a>(actions: &'a [Seen<'a>]) -> impl Iterator<Item = &'a str> + Clone {
    let urls = actions.iter().map(|action| trim(&action.canonical_url));
    urls.filter(|url| !url.is_empty())
}
