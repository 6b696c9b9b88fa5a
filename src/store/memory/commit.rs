//! One commit: check first, then write.

use std::sync::Arc;

use super::tables::{Fact, Logged, Row, State, Tables};
use crate::domain::id::Key;
use crate::domain::log::SCHEMA_VERSION;
use crate::store::commit::remember;
use crate::store::{Commit, Entry, Guard, Outcome, StateWrite};

impl Tables {
    /// Writes a commit, or finds that it must not be written.
    pub(super) fn apply(&mut self, commit: &Commit) -> Outcome {
        if let Some(flaw) = commit.flaw() {
            return Outcome::NotWritten(flaw);
        }
        let Some(new) = &commit.state else {
            if !self.guards_hold(commit) {
                return Outcome::Conflict(None);
            }
            self.number_product(&commit.product);
            self.write_rows(commit);
            return Outcome::Committed;
        };
        let newest = self.snapshot(&new.key);
        let version = newest.as_ref().map_or(0, |stored| stored.version);
        if !new.follows(version) || !self.guards_hold(commit) {
            return Outcome::Conflict(newest);
        }
        self.number_product(&commit.product);
        let sequence = self.write_state(commit, new);
        self.append(commit, &new.key, sequence);
        for delivery in &commit.effects.deliveries {
            self.insert_delivery(&new.key, delivery, commit.now_ms);
        }
        self.write_rows(commit);
        Outcome::Committed
    }

    fn guards_hold(&self, commit: &Commit) -> bool {
        commit.guards.iter().all(|guard| match guard {
            Guard::Index { key, value } => self.fact(&commit.product, key, commit.now_ms) == *value,
            Guard::NoState { key } => self.snapshot(key).is_none(),
        })
    }

    /// Writes the snapshot and answers the sequence its log had before.
    fn write_state(&mut self, commit: &Commit, new: &StateWrite) -> u64 {
        let number = self.number();
        let row = self.keys.entry(new.key.clone()).or_insert(Row {
            number,
            sequence: 0,
            due_ms: None,
            state: None,
        });
        let (commits, settled) = match row.state.take() {
            Some(before) => (before.commits, before.settled),
            None => (Vec::new(), Arc::default()),
        };
        row.state = Some(State {
            version: new.base + 1,
            written_ms: new.as_of_ms,
            commits: remember(&commits, commit.id),
            bytes: Arc::clone(&new.state),
            settled: match &new.settled {
                Some(new) => new.onto(&settled),
                None => settled,
            },
        });
        row.due_ms = new.due_ms;
        let before = row.sequence;
        row.sequence += u64::try_from(commit.effects.entries.len()).unwrap_or(u64::MAX);
        before
    }

    fn append(&mut self, commit: &Commit, key: &Key, mut sequence: u64) {
        let product = self.products.entry(commit.product.clone()).or_default();
        for new in &commit.effects.entries {
            sequence += 1;
            product.last = product.last.next(commit.now_ms);
            self.log.push(Logged {
                entry: Entry {
                    offset: product.last,
                    key: key.clone(),
                    sequence,
                    schema_version: SCHEMA_VERSION,
                    r#type: new.r#type.as_str().into(),
                    at: new.at,
                    source: new.source.into(),
                    correlation_id: Arc::clone(&new.correlation_id),
                    user_id: new.user_id.clone(),
                    body: Arc::clone(&new.body),
                },
                visible: new.r#type.on_feed(),
            });
        }
    }

    fn write_rows(&mut self, commit: &Commit) {
        for change in &commit.effects.outbox {
            self.change_outbox(change, commit.now_ms);
        }
        for write in &commit.effects.index {
            let row = (commit.product.clone(), write.key.clone());
            if let Some(value) = &write.value {
                let fact = Fact {
                    value: Arc::clone(value),
                    expires_ms: write.expires_ms,
                };
                self.index.insert(row, fact);
            } else {
                self.index.remove(&row);
            }
        }
    }
}
