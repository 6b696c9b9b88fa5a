//! Rows about a person. A page is a whole table, and what is removed is found once more.

use std::collections::BTreeSet;

use super::tables::Tables;
use crate::domain::id::Key;
use crate::domain::log::Space;
use crate::store::Listed;
use crate::store::erasure::{Place, Row, Rows, Subject, Table, Trace};

impl Tables {
    /// What a table holds about a person. Parked inputs and rows set aside are not kept here.
    pub(super) fn trace(&self, subject: &dyn Subject, from: Place) -> Trace {
        let mut trace = Trace {
            place: from,
            next: Place::after_table(from.table),
            ..Trace::default()
        };
        let mut deliveries = 0;
        match from.table {
            Table::States => trace.keys = self.states_about(subject),
            Table::Log => {
                let entries = self.log.iter().map(|logged| &logged.entry);
                let about = entries.filter(|entry| is_entry_about(subject, entry));
                trace.keys = about.map(|entry| entry.key.clone()).collect();
            }
            Table::Index => {
                let facts = self.index.iter();
                let about = facts.filter(|(row, fact)| {
                    row.0 == *subject.product() && is_fact_about(subject, &row.1, &fact.value)
                });
                trace.values = about.map(|(_, fact)| fact.value.clone()).collect();
            }
            Table::Outbox => deliveries = self.deliveries_about(subject).len(),
            Table::Parked | Table::Quarantine => {}
        }
        let found = deliveries + trace.keys.len() + trace.values.len();
        trace.rows = Rows::Numbered((0..u64::try_from(found).unwrap_or(u64::MAX)).collect());
        trace
    }

    /// Removes what a table holds about a person; answers how many rows.
    pub(super) fn erase(&mut self, subject: &dyn Subject, table: Table, now_ms: u64) -> u64 {
        let erased = match table {
            Table::States => {
                let keys = self.states_about(subject);
                for key in &keys {
                    if let Some(row) = self.keys.get_mut(key) {
                        (row.state, row.due_ms) = (None, None);
                    }
                    self.drop_if_bare(key);
                }
                keys.len()
            }
            Table::Log => {
                let mut touched = BTreeSet::new();
                let before = self.log.len();
                self.log.retain(|logged| {
                    let is_about = is_entry_about(subject, &logged.entry);
                    if is_about {
                        touched.insert(logged.entry.key.clone());
                    }
                    !is_about
                });
                for key in &touched {
                    self.drop_if_bare(key);
                }
                before - self.log.len()
            }
            Table::Index => {
                let before = self.index.len();
                self.index.retain(|row, fact| {
                    row.0 != *subject.product() || !is_fact_about(subject, &row.1, &fact.value)
                });
                before - self.index.len()
            }
            Table::Outbox => {
                let numbers = self.deliveries_about(subject);
                for number in &numbers {
                    if let Some(delivery) = self.outbox.remove(number) {
                        self.advance(&delivery.lane, now_ms);
                    }
                }
                numbers.len()
            }
            Table::Parked | Table::Quarantine => 0,
        };
        u64::try_from(erased).unwrap_or(u64::MAX)
    }

    /// The rows of a space that is listed.
    pub(super) fn listed(&self, space: Space) -> Vec<Listed> {
        let rows = self.index.iter();
        let listed = rows.filter(|((_, key), _)| key.space == space && space.is_listed());
        listed
            .map(|((product, key), fact)| Listed {
                product: product.clone(),
                id: key.id.clone(),
                value: fact.value.clone(),
            })
            .collect()
    }

    fn states_about(&self, subject: &dyn Subject) -> Vec<Key> {
        let rows = self.keys.iter();
        let states = rows.filter_map(|(key, row)| Some((key, row.state.as_ref()?)));
        let about = states.filter(|(key, state)| {
            let row = Row::State {
                kind: key.kind.as_str(),
                id: &key.id,
                state: &String::from_utf8_lossy(&state.bytes),
            };
            key.product == *subject.product() && subject.is_about(&row)
        });
        about.map(|(key, _)| key.clone()).collect()
    }

    fn deliveries_about(&self, subject: &dyn Subject) -> Vec<u64> {
        let about = self.outbox.iter().filter(|(_, delivery)| {
            let row = Row::Delivery {
                kind: delivery.key.kind.as_str(),
                id: &delivery.key.id,
                body: &delivery.body,
            };
            delivery.key.product == *subject.product() && subject.is_about(&row)
        });
        about.map(|(number, _)| *number).collect()
    }
}

fn is_entry_about(subject: &dyn Subject, entry: &crate::store::Entry) -> bool {
    let row = Row::Entry {
        kind: entry.key.kind.as_str(),
        id: &entry.key.id,
        user_id: entry.user_id.as_deref().unwrap_or_default(),
        body: &entry.body,
    };
    entry.key.product == *subject.product() && subject.is_about(&row)
}

fn is_fact_about(subject: &dyn Subject, key: &crate::domain::log::IndexKey, value: &str) -> bool {
    subject.is_about(&Row::Fact {
        space: key.space.as_str(),
        id: &key.id,
        value,
    })
}
