//! The accounts: what was acknowledged, what arrived, how long it took. Pure.
//!
//! An acknowledged action is owed to the feed once, and to its conversation once. What is missing is
//! lost, what is there twice is doubled, and a demonstration that shows either has failed.

use std::collections::BTreeMap;
use std::time::Duration;

/// The accounts of one demonstration.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    acknowledged: usize,
    fed: BTreeMap<(String, String), usize>,
    owed: BTreeMap<String, Vec<String>>,
    to_feed: Vec<Duration>,
    to_note: Vec<Duration>,
}

/// What the accounts come to. All zero but the first two is what is promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Actions that the feed told of, each counted once.
    pub actions: usize,
    /// Actions that stand in a note, each counted once.
    pub noted: usize,
    /// Acknowledged, and on no feed or in no note.
    pub lost: usize,
    /// On the feed or in a note more than once.
    pub doubled: usize,
}

impl Ledger {
    /// So many actions were acknowledged.
    pub fn acknowledge(&mut self, actions: usize) {
        self.acknowledged += actions;
    }

    /// The feed told of an action, `took` after it was posted, and `conversation` is owed it.
    pub fn fed(&mut self, conversation: &str, id: (String, String), text: &str, took: Duration) {
        *self.fed.entry(id).or_default() += 1;
        let owed = self.owed.entry(conversation.to_owned()).or_default();
        owed.push(text.to_owned());
        self.to_feed.push(took);
    }

    /// A note arrived, `took` after the event that it tells of.
    pub fn noted(&mut self, took: Duration) {
        self.to_note.push(took);
    }

    /// Whether `notes`, all that `conversation` has, tell everything it is owed.
    pub fn is_settled(&self, conversation: &str, notes: &[String]) -> bool {
        self.compare(conversation, notes).lost == 0
    }

    /// Everything, given the notes of each conversation.
    pub fn balance(&self, notes: impl Fn(&str) -> Vec<String>) -> Balance {
        let actions = self.fed.len();
        let mut sum = Balance {
            actions,
            lost: self.acknowledged.saturating_sub(actions),
            doubled: self.fed.values().map(|times| times - 1).sum(),
            ..Balance::default()
        };
        for conversation in self.owed.keys() {
            let one = self.compare(conversation, &notes(conversation));
            sum.noted += one.noted;
            sum.lost += one.lost;
            sum.doubled += one.doubled;
        }
        sum
    }

    /// How many actions were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// How long actions took to the feed.
    pub fn to_feed(&self) -> &[Duration] {
        &self.to_feed
    }

    /// How long notes took from the event.
    pub fn to_note(&self) -> &[Duration] {
        &self.to_note
    }

    fn compare(&self, conversation: &str, notes: &[String]) -> Balance {
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for line in notes.iter().flat_map(|note| note.lines()) {
            if let Some(action) = numbered(line) {
                *told.entry(action).or_default() += 1;
            }
        }
        let mut balance = Balance::default();
        for owed in self.owed.get(conversation).into_iter().flatten() {
            match told.get_mut(owed.as_str()) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    balance.noted += 1;
                }
                _ => balance.lost += 1,
            }
        }
        balance.doubled = told.values().sum();
        balance
    }
}

/// The text of a note's line `[3] text`.
fn numbered(line: &str) -> Option<&str> {
    let (number, text) = line.strip_prefix('[')?.split_once("] ")?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

/// The middle one of them, and the longest.
pub fn median_and_longest(durations: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some((*middle, *sorted.last()?))
}
