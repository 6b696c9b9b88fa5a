//! Work on its way out, lane by lane.

use std::sync::Arc;

use super::tables::{Delivery, Progress, Tables};
use crate::domain::id::{DeliveryId, Key, PartId};
use crate::domain::log::{NewDelivery, OutboxChange};
use crate::store::{Lease, Retry};

impl Tables {
    /// Puts new work at the end of its lane. Work that is there already stays as it is.
    pub(super) fn insert_delivery(&mut self, key: &Key, new: &NewDelivery, now_ms: u64) {
        if self.outbox.values().any(|d| *d.id == *new.id.as_str()) {
            return;
        }
        let number = self.number();
        let delivery = Delivery {
            id: new.id.as_str().into(),
            key: key.clone(),
            lane: Arc::clone(&new.lane),
            body: Arc::clone(&new.body),
            attempts: 0,
            created_ms: now_ms,
            unsettled_ms: None,
            progress: Progress::Behind,
        };
        self.outbox.insert(number, delivery);
        self.hand_on(&new.lane, now_ms);
    }

    /// Changes work in the outbox. What is finished stays as it is.
    pub(super) fn change_outbox(&mut self, change: &OutboxChange, now_ms: u64) {
        let (id, part, dead) = match change {
            OutboxChange::Delivered { id, part } => (id, part.clone(), false),
            OutboxChange::Dead { id, .. } => (id, None, true),
            OutboxChange::Withdrawn { id } => (id, None, false),
            OutboxChange::RetryNow { lane } => {
                for delivery in self.outbox.values_mut().filter(|d| d.lane == *lane) {
                    if let Progress::Waiting { due_ms } = &mut delivery.progress {
                        *due_ms = now_ms.min(*due_ms);
                    }
                }
                return;
            }
        };
        let Some(delivery) = self.unfinished(id) else {
            return;
        };
        delivery.progress = Progress::Finished {
            at_ms: now_ms,
            part,
            dead,
        };
        let lane = Arc::clone(&delivery.lane);
        self.hand_on(&lane, now_ms);
    }

    /// Leases what is due, the longest due first.
    pub(super) fn lease(&mut self, now_ms: u64, until_ms: u64, limit: usize) -> Vec<Lease> {
        let mut due: Vec<_> = self
            .outbox
            .iter_mut()
            .filter_map(|(number, delivery)| {
                let due_ms = delivery.progress.due_ms()?;
                (due_ms <= now_ms).then_some(((due_ms, *number), delivery))
            })
            .collect();
        due.sort_by_key(|(order, _)| *order);
        due.into_iter()
            .take(limit)
            .map(|(_, delivery)| delivery.lease(now_ms, until_ms))
            .collect()
    }

    /// Puts a leased delivery back. What is not leased stays as it is.
    pub(super) fn retry(&mut self, retry: &Retry) {
        let Some(delivery) = self.unfinished(&retry.id) else {
            return;
        };
        if matches!(delivery.progress, Progress::Leased { .. }) {
            delivery.progress = Progress::Waiting {
                due_ms: retry.not_before_ms,
            };
            delivery.unsettled_ms = retry.unsettled_since_ms;
            delivery.attempts += u32::from(retry.counts);
        }
    }

    /// Adapts all work to a clock that was set back.
    pub(super) fn rewind(&mut self, now_ms: u64, by_ms: u64, wait_ms_max: u64) {
        let latest_ms = now_ms.saturating_add(wait_ms_max);
        for delivery in self.outbox.values_mut() {
            if let Progress::Leased { started_ms, .. } = &mut delivery.progress {
                *started_ms = now_ms.min(*started_ms);
            }
            if !matches!(delivery.progress, Progress::Finished { .. }) {
                delivery.unsettled_ms = delivery.unsettled_ms.map(|ms| ms.min(now_ms));
            }
            if let Progress::Waiting { due_ms: at_ms }
            | Progress::Leased {
                until_ms: at_ms, ..
            } = &mut delivery.progress
                && *at_ms > now_ms
            {
                *at_ms = at_ms.saturating_sub(by_ms).clamp(now_ms, latest_ms);
            }
        }
    }

    /// The earliest time at which something may be leased: work that waits, or a lease's end.
    pub(super) fn next_delivery_ms(&self) -> Option<u64> {
        let due = self.outbox.values().map(|d| d.progress.due_ms());
        due.flatten().min()
    }

    /// Which of `parts` a delivery of the lane has recorded, in the order asked.
    pub(super) fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Vec<PartId> {
        let recorded = |wanted: &&PartId| {
            self.outbox.values().any(|delivery| {
                let Progress::Finished { part, .. } = &delivery.progress else {
                    return false;
                };
                *delivery.lane == *lane && part.as_ref() == Some(wanted)
            })
        };
        parts.iter().filter(recorded).cloned().collect()
    }

    fn unfinished(&mut self, id: &DeliveryId) -> Option<&mut Delivery> {
        let found = self.outbox.values_mut().find(|d| *d.id == *id.as_str());
        found.filter(|d| !matches!(d.progress, Progress::Finished { .. }))
    }

    /// Makes the oldest unfinished delivery of a lane due, unless it carries a time already.
    pub(super) fn hand_on(&mut self, lane: &str, now_ms: u64) {
        let oldest = self
            .outbox
            .values_mut()
            .find(|d| *d.lane == *lane && !matches!(d.progress, Progress::Finished { .. }));
        if let Some(delivery) = oldest
            && delivery.progress == Progress::Behind
        {
            delivery.progress = Progress::Waiting { due_ms: now_ms };
        }
    }
}

impl Delivery {
    fn lease(&mut self, now_ms: u64, until_ms: u64) -> Lease {
        if let Progress::Leased { started_ms, .. } = self.progress {
            // An attempt that ran out without a word has been an attempt.
            self.attempts += 1;
            self.unsettled_ms = self.unsettled_ms.into_iter().chain([started_ms]).min();
        }
        self.progress = Progress::Leased {
            until_ms,
            started_ms: now_ms,
        };
        Lease {
            id: DeliveryId::from(&*self.id),
            key: self.key.clone(),
            lane: Arc::clone(&self.lane),
            body: Arc::clone(&self.body),
            attempt: self.attempts + 1,
            created_ms: self.created_ms,
            unsettled_since_ms: self.unsettled_ms,
        }
    }
}

impl Progress {
    fn due_ms(&self) -> Option<u64> {
        match self {
            Self::Waiting { due_ms } => Some(*due_ms),
            Self::Leased { until_ms, .. } => Some(*until_ms),
            Self::Behind | Self::Finished { .. } => None,
        }
    }
}
