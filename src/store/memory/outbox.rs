//! Work on its way out, lane by lane.

use std::collections::VecDeque;
use std::sync::Arc;

use super::tables::{Delivery, Progress, Tables};
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, Key, PartId};
use crate::domain::log::{NewDelivery, OutboxChange};
use crate::store::{ATTEMPTS_MAX, DeliveryStatus, Retry};

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
            fence: 0,
            attempts: 0,
            calls: 0,
            history: VecDeque::new(),
            replay_of: None,
            revived: false,
            error: None,
            created_ms: now_ms,
            unsettled_ms: None,
            progress: Progress::Behind,
        };
        self.outbox.insert(number, delivery);
        self.advance(&new.lane, now_ms);
    }

    /// Changes work in the outbox. What is finished stays as it is.
    pub(super) fn change_outbox(&mut self, change: &OutboxChange, now_ms: u64) {
        let (id, status, part, reason) = match change {
            OutboxChange::Attempted { id, attempt } => {
                if let Some(delivery) = self.unfinished(id) {
                    delivery.record(attempt);
                }
                return;
            }
            OutboxChange::Delivered { id, part } => {
                (id, DeliveryStatus::Delivered, part.clone(), None)
            }
            OutboxChange::Dead { id, reason } => (id, DeliveryStatus::Dead, None, Some(reason)),
            OutboxChange::Withdrawn { id } => (id, DeliveryStatus::Withdrawn, None, None),
            OutboxChange::RetryNow { lane } => return self.hurry(lane, now_ms),
        };
        let Some(delivery) = self.unfinished(id) else {
            return;
        };
        delivery.progress = Progress::Finished {
            at_ms: now_ms,
            status,
            part,
        };
        delivery.error = reason.cloned().or_else(|| delivery.error.take());
        let lane = Arc::clone(&delivery.lane);
        self.advance(&lane, now_ms);
    }

    /// Whatever waits in front of a lane for a later attempt is due now.
    pub(super) fn hurry(&mut self, lane: &str, now_ms: u64) {
        for delivery in self.outbox.values_mut().filter(|d| *d.lane == *lane) {
            if let Progress::Waiting { due_ms } = &mut delivery.progress {
                *due_ms = now_ms.min(*due_ms);
            }
        }
    }

    /// Puts a leased delivery back, if `retry` comes from the newest lease.
    pub(super) fn retry(&mut self, retry: &Retry) {
        let Some(delivery) = self.unfinished(&retry.id) else {
            return;
        };
        let is_held = matches!(delivery.progress, Progress::Leased { .. });
        if is_held && delivery.fence == retry.fence {
            delivery.progress = Progress::Waiting {
                due_ms: retry.not_before_ms,
            };
            delivery.unsettled_ms = retry.unsettled_since_ms;
            delivery.attempts += u32::from(retry.counts);
            delivery.error = retry.error.clone().or_else(|| delivery.error.take());
            if let Some(attempt) = &retry.attempt {
                delivery.record(attempt);
            }
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

    /// Makes the oldest unfinished delivery of a lane due, unless the lane has a due time already.
    pub(super) fn advance(&mut self, lane: &str, now_ms: u64) {
        let mut open = self
            .outbox
            .values_mut()
            .filter(|d| *d.lane == *lane && !matches!(d.progress, Progress::Finished { .. }))
            .collect::<Vec<_>>();
        if open.iter().any(|d| d.progress != Progress::Behind) {
            return;
        }
        if let Some(oldest) = open.first_mut() {
            oldest.progress = Progress::Waiting { due_ms: now_ms };
        }
    }
}

impl Delivery {
    /// Writes a call down and forgets the oldest beyond [`ATTEMPTS_MAX`].
    pub(super) fn record(&mut self, attempt: &AttemptRecord) {
        self.calls += 1;
        self.history.push_back((self.calls, attempt.clone()));
        while self.history.len() > ATTEMPTS_MAX as usize {
            self.history.pop_front();
        }
    }
}
