//! Everything the store holds, and the simple questions about it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::fault::Plan;
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::lane::parse_lane;
use crate::domain::log::{IndexKey, Offset};
use crate::store::{CommitId, DeliveryStatus, Depth, Entry, FeedPage, Stored};

/// All tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) keys: BTreeMap<Key, Row>,
    pub(super) products: HashMap<ProductId, Product>,
    /// In commit order over all tenants.
    pub(super) log: Vec<Logged>,
    pub(super) index: BTreeMap<(ProductId, IndexKey), Fact>,
    /// In the order of their commits.
    pub(super) outbox: BTreeMap<u64, Delivery>,
    /// When each input was parked.
    pub(super) parked: Vec<u64>,
    pub(super) quarantined: u64,
    pub(super) numbers: u64,
    /// The number of the tenant that leased last; the next one has the next turn.
    pub(super) served: u64,
    pub(super) faults: Plan,
    pub(super) closed: bool,
}

/// A key with or without a state.
#[derive(Debug)]
pub(super) struct Row {
    /// Tells which of two keys is older.
    pub(super) number: u64,
    pub(super) sequence: u64,
    pub(super) due_ms: Option<u64>,
    pub(super) state: Option<State>,
}

/// A state as it was last written.
#[derive(Debug)]
pub(super) struct State {
    pub(super) version: u64,
    pub(super) written_ms: u64,
    pub(super) commits: Vec<CommitId>,
    pub(super) bytes: Arc<[u8]>,
    pub(super) settled: Arc<[u8]>,
}

/// How far a tenant's log goes.
#[derive(Debug, Default)]
pub(super) struct Product {
    /// Counts the tenants, from 1.
    pub(super) number: u64,
    pub(super) last: Offset,
    pub(super) trimmed: Offset,
}

/// A log entry with what subscribers may see of it.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) entry: Entry,
    pub(super) visible: bool,
}

/// The value of an index row.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) value: Arc<str>,
    pub(super) expires_ms: u64,
}

/// One piece of work.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) id: Arc<str>,
    pub(super) key: Key,
    pub(super) lane: Arc<str>,
    pub(super) body: Arc<str>,
    pub(super) fence: u64,
    pub(super) attempts: u32,
    pub(super) calls: u32,
    pub(super) history: VecDeque<(u32, AttemptRecord)>,
    pub(super) replay_of: Option<DeliveryId>,
    pub(super) revived: bool,
    pub(super) error: Option<Arc<str>>,
    pub(super) created_ms: u64,
    pub(super) unsettled_ms: Option<u64>,
    pub(super) progress: Progress,
}

/// How far a piece of work is.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// Another one of the lane goes first.
    Behind,
    /// It may be leased from then on.
    Waiting { due_ms: u64 },
    /// Somebody attempts it.
    Leased { until_ms: u64, started_ms: u64 },
    /// It is over.
    Finished {
        at_ms: u64,
        status: DeliveryStatus,
        part: Option<PartId>,
    },
}

impl Tables {
    /// Gives the tenant a number if it has none.
    pub(super) fn number_product(&mut self, id: &ProductId) {
        let number = u64::try_from(self.products.len()).unwrap_or(u64::MAX) + 1;
        self.products.entry(id.clone()).or_insert_with(|| Product {
            number,
            ..Product::default()
        });
    }

    /// A number larger than all before.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The snapshot under a key.
    pub(super) fn snapshot(&self, key: &Key) -> Option<Stored> {
        let row = self.keys.get(key)?;
        let state = row.state.as_ref()?;
        Some(Stored {
            version: state.version,
            sequence: row.sequence,
            commits: state.commits.clone(),
            written_ms: state.written_ms,
            state: Arc::clone(&state.bytes),
            settled: Arc::clone(&state.settled),
            news: Vec::new(),
        })
    }

    /// The value of an index row that has not expired.
    pub(super) fn fact(
        &self,
        product: &ProductId,
        key: &IndexKey,
        now_ms: u64,
    ) -> Option<Arc<str>> {
        let fact = self.index.get(&(product.clone(), key.clone()))?;
        (fact.expires_ms >= now_ms).then(|| Arc::clone(&fact.value))
    }

    /// The newest entries of a key, newest first.
    pub(super) fn history(&self, key: &Key, limit: usize) -> Vec<Entry> {
        let newest_first = self.log.iter().rev();
        newest_first
            .filter(|logged| logged.entry.key == *key)
            .take(limit)
            .map(|logged| logged.entry.clone())
            .collect()
    }

    /// The tenant's visible entries after `after`.
    pub(super) fn feed(&self, product: &ProductId, after: Offset, limit: usize) -> FeedPage {
        let Some(bounds) = self.products.get(product) else {
            return FeedPage {
                scanned: after,
                ..FeedPage::default()
            };
        };
        let entries: Vec<Entry> = self
            .log
            .iter()
            .filter(|logged| logged.visible && logged.entry.key.product == *product)
            .filter(|logged| logged.entry.offset > after)
            .take(limit)
            .map(|logged| logged.entry.clone())
            .collect();
        let newest = entries.last().map_or(after, |entry| entry.offset);
        let scanned = if entries.len() < limit {
            after.max(bounds.last)
        } else {
            newest
        };
        FeedPage {
            entries,
            scanned,
            trimmed: bounds.trimmed,
        }
    }

    /// Sets a state aside; its key becomes absent.
    pub(super) fn quarantine(&mut self, key: &Key) {
        let Some(row) = self.keys.get_mut(key) else {
            return;
        };
        if row.state.take().is_some() {
            self.quarantined += 1;
        }
        row.due_ms = None;
        self.drop_if_bare(key);
    }

    /// Forgets a key that has neither state nor log left.
    pub(super) fn drop_if_bare(&mut self, key: &Key) {
        let bare = self.keys.get(key).is_some_and(|row| row.state.is_none());
        if bare && !self.log.iter().any(|logged| logged.entry.key == *key) {
            self.keys.remove(key);
        }
    }

    /// Hands out overdue keys and moves their deadlines to the end of the claim.
    pub(super) fn claim_overdue(&mut self, now_ms: u64, until_ms: u64, limit: usize) -> Vec<Key> {
        self.claim(until_ms, limit, |_, due_ms| due_ms <= now_ms)
    }

    /// The same for keys that were written when the clock was ahead, due beyond the claim.
    pub(super) fn claim_ahead(&mut self, now_ms: u64, until_ms: u64, limit: usize) -> Vec<Key> {
        self.claim(until_ms, limit, |row, due_ms| {
            let written_ms = row.state.as_ref().map_or(0, |state| state.written_ms);
            due_ms > until_ms && written_ms > now_ms
        })
    }

    fn claim(
        &mut self,
        until_ms: u64,
        limit: usize,
        is_wanted: impl Fn(&Row, u64) -> bool,
    ) -> Vec<Key> {
        let mut wanted: Vec<_> = self
            .keys
            .iter_mut()
            .filter(|(_, row)| row.due_ms.is_some_and(|due_ms| is_wanted(row, due_ms)))
            .collect();
        wanted.sort_by_key(|(_, row)| (row.due_ms, row.number));
        wanted
            .into_iter()
            .take(limit)
            .map(|(key, row)| {
                row.due_ms = Some(until_ms);
                key.clone()
            })
            .collect()
    }

    /// Bytes of all log bodies.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log.iter().map(Logged::bytes).sum()
    }

    /// When the oldest open delivery was queued, by platform.
    pub(super) fn oldest_deliveries(&self) -> Vec<(Arc<str>, u64)> {
        let mut oldest = BTreeMap::new();
        for delivery in self.outbox.values() {
            let is_over = matches!(delivery.progress, Progress::Finished { .. });
            let lane = parse_lane(&delivery.key.product, &delivery.lane);
            let Some((platform, _)) = lane.filter(|_| !is_over) else {
                continue;
            };
            let queued = oldest.entry(platform).or_insert(u64::MAX);
            *queued = delivery.created_ms.min(*queued);
        }
        let named = oldest.into_iter().map(|(name, ms)| (name.into(), ms));
        named.collect()
    }

    /// Sizes for metrics.
    pub(super) fn depth(&self) -> Depth {
        let count = |wanted: fn(&Progress) -> bool| {
            let found = self.outbox.values().filter(|d| wanted(&d.progress));
            u64::try_from(found.count()).unwrap_or(u64::MAX)
        };
        Depth {
            outbox: count(|progress| !matches!(progress, Progress::Finished { .. })),
            dead_letters: count(|progress| {
                matches!(
                    progress,
                    Progress::Finished {
                        status: DeliveryStatus::Dead,
                        ..
                    }
                )
            }),
            log_bytes: self.log_bytes(),
            quarantined: self.quarantined,
            newest_ms: self
                .products
                .values()
                .map(|product| product.last.ms)
                .max()
                .unwrap_or(0),
        }
    }
}

impl Logged {
    /// Bytes of its body.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.entry.body.len()).unwrap_or(u64::MAX)
    }
}
