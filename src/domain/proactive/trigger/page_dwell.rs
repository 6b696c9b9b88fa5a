//! Staying on one page.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{Trigger, offer};
use crate::domain::loose::trim;
use crate::domain::proactive::text::{body, cut};
use crate::domain::proactive::{Context, Offer, Seen};
use crate::domain::time::later;

/// What is said unless the product says something else.
const BODY: &str = "Still on this page — want a quick tip?";

/// How much of the page's address an offer tells, in characters.
const URL_CHARS_MAX: usize = 512;

/// Fires when the user has stayed on one page for long and has done little there.
///
/// What counts is the run of the newest actions that are on the page of the newest one. It is measured until the
/// present: a batch of one event ends when it begins, so that whoever clicks twice and then hesitates would otherwise
/// never be noticed. A run can only be as long as the context looks back.
#[derive(Clone, Debug, PartialEq)]
pub struct PageDwell {
    /// How long it takes, seconds; 0 or less never fires.
    pub threshold_s: f64,
    /// More actions than this in a row are work, and need no help.
    pub max_actions: usize,
    /// What is said.
    pub body: String,
    /// Whether a run is measured as the published triggers do: from its begin to the end of its newest action, and
    /// until the present only when it is a single action that takes no time.
    pub strict: bool,
}

impl Default for PageDwell {
    fn default() -> Self {
        Self {
            threshold_s: 60.0,
            max_actions: 5,
            body: BODY.to_owned(),
            strict: false,
        }
    }
}

/// The newest actions on one page; never empty.
struct Run<'a> {
    actions: &'a [Seen<'a>],
    first: &'a Seen<'a>,
    last: &'a Seen<'a>,
}

impl PageDwell {
    /// The name of the trigger.
    pub const ID: &'static str = "user_page_dwell";

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            threshold_s: reader
                .seconds("dwell_threshold_seconds")
                .unwrap_or(default.threshold_s),
            max_actions: reader
                .count("user_page_dwell_max_actions")
                .unwrap_or(default.max_actions),
            body: reader
                .word("dwell_proactive_body")
                .map_or(default.body, body),
            strict: reader.flag("dwell_strict").unwrap_or(default.strict),
        }
    }

    /// Whether it would fire.
    pub fn fires(&self, context: &Context<'_>) -> bool {
        self.look(context).is_some()
    }

    /// From when on it would fire if the user does nothing more, Unix seconds.
    pub fn holds_from(&self, context: &Context<'_>) -> Option<f64> {
        let run = self.run(context.actions())?;
        self.is_on_the_clock(&run).then(|| self.due(&run))
    }

    /// The run and how long it has lasted, if that is long enough.
    fn look<'a>(&self, context: &'a Context<'_>) -> Option<(Run<'a>, f64)> {
        let run = self.run(context.actions())?;
        if self.is_on_the_clock(&run) {
            let is_due = context.now >= self.due(&run);
            return is_due.then(|| {
                let dwell_s = context.now - run.first.start;
                (run, dwell_s)
            });
        }
        let dwell_s = run.span();
        (dwell_s >= self.threshold_s).then_some((run, dwell_s))
    }

    fn run<'a>(&self, actions: &'a [Seen<'a>]) -> Option<Run<'a>> {
        if self.threshold_s <= 0.0 {
            return None;
        }
        let last = actions.last()?;
        let page = trim(&last.canonical_url);
        if page.is_empty() {
            return None;
        }
        let newest = actions.iter().rev();
        let newest = newest.take_while(|action| trim(&action.canonical_url) == page);
        let count = newest.take(self.max_actions.saturating_add(1)).count();
        let actions = &actions[actions.len() - count..];
        let first = actions.first().filter(|_| count <= self.max_actions)?;
        Some(Run {
            actions,
            first,
            last,
        })
    }

    /// Whether the run grows by itself.
    fn is_on_the_clock(&self, run: &Run<'_>) -> bool {
        !self.strict || (run.actions.len() == 1 && run.span() <= 0.0)
    }

    /// When a run that grows by itself is long enough. Compared with the present rather than as a difference, so that
    /// an evaluation at the deadline finds what the deadline was set for.
    fn due(&self, run: &Run<'_>) -> f64 {
        later(run.first.start, self.threshold_s)
    }

    fn metadata(&self, run: &Run<'_>, dwell_s: f64) -> Map<String, Value> {
        let url = cut(&run.last.canonical_url, URL_CHARS_MAX);
        [
            ("user_page_dwell_seconds", json!(thousandths(dwell_s))),
            ("user_page_dwell_action_count", json!(run.actions.len())),
            ("user_page_dwell_max_actions", json!(self.max_actions)),
            ("dwell_threshold_seconds", json!(self.threshold_s)),
            ("user_page_dwell_canonical_url", json!(url)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
    }
}

impl Run<'_> {
    /// From the begin to the end of the newest action, seconds.
    fn span(&self) -> f64 {
        self.last.end - self.first.start
    }
}

impl Trigger for PageDwell {
    fn id(&self) -> &str {
        Self::ID
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        let (run, dwell_s) = self.look(context)?;
        let metadata = self.metadata(&run, dwell_s);
        Some(offer(Self::ID, self.body.clone(), metadata))
    }

    fn deadline(&self, context: &Context<'_>, before: f64) -> Option<f64> {
        let due = self.holds_from(context);
        due.filter(|due| *due > context.now && *due < before)
    }
}

/// The exact value of `seconds` to three decimals, ties to even.
fn thousandths(seconds: f64) -> f64 {
    format!("{seconds:.3}").parse().unwrap_or(seconds)
}
