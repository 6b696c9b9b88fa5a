//! Removes what is past its time, a bounded amount per call.

use std::collections::BTreeSet;

use super::tables::{Progress, Tables};
use crate::domain::id::Key;
use crate::store::{Aged, Retention};

/// How many rows one call removes from each table, and how many it passes by.
const CHUNK: usize = 1_000;

impl Tables {
    /// One round over all tables.
    pub(super) fn age(&mut self, now_ms: u64, keep: Retention) -> Aged {
        let mut aged = Aged::default();
        self.age_log(now_ms, keep, &mut aged);
        self.age_states(now_ms, keep, &mut aged);
        self.age_index(now_ms, &mut aged);
        self.age_outbox(now_ms, keep, &mut aged);
        aged
    }

    fn age_log(&mut self, now_ms: u64, keep: Retention, aged: &mut Aged) {
        let before_ms = now_ms.saturating_sub(keep.log_ms);
        let mut bytes = self.log_bytes();
        let mut touched = BTreeSet::new();
        let (mut removed, mut passed_by) = (0, 0);
        let mut kept = Vec::with_capacity(self.log.len());
        for logged in self.log.drain(..) {
            let looks = removed < CHUNK && passed_by < CHUNK;
            let old = logged.entry.offset.ms < before_ms || bytes > keep.log_bytes_max;
            if looks && old {
                removed += 1;
                bytes -= logged.bytes();
                touched.insert(logged.entry.key.clone());
                if let Some(product) = self.products.get_mut(&logged.entry.key.product) {
                    product.trimmed = logged.entry.offset;
                }
            } else {
                passed_by += usize::from(looks);
                kept.push(logged);
            }
        }
        self.log = kept;
        for key in &touched {
            self.drop_if_bare(key);
        }
        count(removed, &mut aged.entries, &mut aged.more);
    }

    fn age_states(&mut self, now_ms: u64, keep: Retention, aged: &mut Aged) {
        let before_ms = now_ms.saturating_sub(keep.state_ms);
        let mut idle: Vec<(u64, Key)> = self
            .keys
            .iter()
            .filter(|(_, row)| row.due_ms.is_none())
            .filter_map(|(key, row)| Some((row.state.as_ref()?.written_ms, key.clone())))
            .filter(|(written_ms, _)| *written_ms < before_ms)
            .collect();
        idle.sort();
        idle.truncate(CHUNK);
        for (_, key) in &idle {
            if let Some(row) = self.keys.get_mut(key) {
                row.state = None;
            }
            self.drop_if_bare(key);
        }
        count(idle.len(), &mut aged.states, &mut aged.more);
    }

    fn age_index(&mut self, now_ms: u64, aged: &mut Aged) {
        let mut expired: Vec<_> = self
            .index
            .iter()
            .filter(|(_, fact)| fact.expires_ms < now_ms)
            .map(|(row, fact)| (fact.expires_ms, row.clone()))
            .collect();
        expired.sort();
        expired.truncate(CHUNK);
        for (_, row) in &expired {
            self.index.remove(row);
            aged.pending_links += u64::from(row.1.space.is_pending());
        }
        aged.more |= expired.len() == CHUNK;
    }

    fn age_outbox(&mut self, now_ms: u64, keep: Retention, aged: &mut Aged) {
        let before_ms = now_ms.saturating_sub(keep.outbox_ms);
        let mut finished: Vec<(u64, u64)> = self
            .outbox
            .iter()
            .filter_map(|(number, delivery)| match delivery.progress {
                Progress::Finished { at_ms, .. } if at_ms < before_ms => Some((at_ms, *number)),
                _ => None,
            })
            .collect();
        finished.sort_unstable();
        finished.truncate(CHUNK);
        for (_, number) in &finished {
            self.outbox.remove(number);
        }
        count(finished.len(), &mut aged.deliveries, &mut aged.more);
        self.parked.retain(|parked_ms| *parked_ms >= before_ms);
    }
}

fn count(removed: usize, into: &mut u64, more: &mut bool) {
    *into += u64::try_from(removed).unwrap_or(u64::MAX);
    *more |= removed == CHUNK;
}
