//! What a topic is, and how its cases are counted.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::case::{Case, guarded};
use crate::{compare, difference};

/// How many failures of a topic are printed.
const FAILURES_SHOWN: usize = 20;

/// One file of cases and the code that answers them.
pub(crate) struct Topic {
    /// The file's name without its ending.
    pub name: &'static str,
    /// From a case's input to what our code makes of it, in the shape of `expected`.
    pub answer: fn(&Value) -> Value,
    /// Judges the answer to an unflagged case; nearly always [`exactly`].
    pub compare: fn(&Case<'_>, &Value) -> Result<(), String>,
    /// Judges the answer to a flagged case by what we guarantee.
    pub judge: fn(&Case<'_>, &Value) -> Result<(), String>,
    /// For an input whose function arrives later, or is answered elsewhere: that function, and what it waits for.
    pub later: fn(&Value) -> Option<(&'static str, &'static str)>,
}

/// The counts of one topic or fixture.
#[derive(Default)]
pub(crate) struct Tally {
    /// Cases that ended well.
    pub passed: usize,
    /// Cases that ran.
    pub total: usize,
    /// Cases of `total` that were judged by our guarantees.
    pub flagged: usize,
    /// Cases that did not run, and why not; one line for each reason.
    pub later: usize,
    /// `function waits for: …`, once each.
    pub waiting: BTreeSet<String>,
    /// What went wrong, one line each.
    pub failures: Vec<String>,
}

impl Topic {
    /// Runs every case of a document.
    pub(crate) fn run(&self, document: &Value) -> Tally {
        let Some(cases) = document.get("cases").and_then(Value::as_array) else {
            return Tally::failure("the document has no list of cases".to_owned());
        };
        let mut tally = Tally::default();
        for case in cases.iter().map(Case::of) {
            if let Some((function, what)) = (self.later)(case.input) {
                tally.later += 1;
                let line = format!("{}.{function} waits for: {what}", self.name);
                tally.waiting.insert(line);
                continue;
            }
            let deliberate = difference::of(self.name, case.input);
            let result = guarded(|| {
                let answer = (self.answer)(case.input);
                match deliberate {
                    Some(difference) => difference.judge(case.input, &answer),
                    None if case.flags.is_empty() => (self.compare)(&case, &answer),
                    None => (self.judge)(&case, &answer),
                }
            });
            tally.total += 1;
            tally.flagged += usize::from(deliberate.is_some() || !case.flags.is_empty());
            match result.and_then(|verdict| verdict) {
                Ok(()) => tally.passed += 1,
                Err(failure) => tally.failures.push(format!("{}: {failure}", case.name)),
            }
        }
        tally
    }
}

impl From<(usize, usize, usize, Vec<String>)> for Tally {
    /// From passed, total, flagged and the failures.
    fn from((passed, total, flagged, failures): (usize, usize, usize, Vec<String>)) -> Self {
        Self {
            passed,
            total,
            flagged,
            failures,
            ..Self::default()
        }
    }
}

impl Tally {
    /// One failure and nothing else.
    pub(crate) fn failure(what: String) -> Self {
        Self {
            total: 1,
            failures: vec![what],
            ..Self::default()
        }
    }

    /// The printed form: counts first, then what went wrong and what waits.
    pub(crate) fn describe(&self, name: &str) -> String {
        let mut text = format!(
            "{name}: {}/{} (flagged {}, later {})\n",
            self.passed, self.total, self.flagged, self.later
        );
        for line in &self.waiting {
            let _ = writeln!(text, "{line}");
        }
        for line in self.failures.iter().take(FAILURES_SHOWN) {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(more) = self.failures.len().checked_sub(FAILURES_SHOWN + 1) {
            let _ = writeln!(text, "  … and {} more", more + 1);
        }
        text
    }
}

/// For topics whose answers match to the letter.
pub(crate) fn exactly(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    compare::exactly(case.expected, answer)
}

/// For topics of which nothing arrives later.
pub(crate) fn nothing_later(_: &Value) -> Option<(&'static str, &'static str)> {
    None
}
