//! What operators ask: which deliveries there are, and to send one again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::tables::{Delivery, Progress, Tables};
use crate::domain::id::DeliveryId;
use crate::store::{
    DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus, LISTED_MAX,
};

impl Tables {
    /// A page of deliveries.
    pub(super) fn deliveries(&self, query: &DeliveryQuery) -> DeliveryPage {
        let mut page = DeliveryPage::default();
        let older = self.outbox.range(..query.after.unwrap_or(u64::MAX)).rev();
        for (looked_at, (number, delivery)) in (1..).zip(older) {
            let record = delivery.describe();
            if query.admits(&record) {
                page.deliveries.push(record);
            }
            if page.deliveries.len() >= query.limit || looked_at >= LISTED_MAX {
                page.next = Some(*number);
                break;
            }
        }
        page
    }

    /// One delivery and its calls.
    pub(super) fn delivery(&self, id: &DeliveryId) -> Option<DeliveryHistory> {
        let delivery = self.outbox.values().find(|d| *d.id == *id.as_str())?;
        Some(DeliveryHistory {
            delivery: delivery.describe(),
            attempts: delivery.history.iter().cloned().collect(),
        })
    }

    /// Has a delivery sent again; answers which one that will be.
    pub(super) fn replay(
        &mut self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Option<DeliveryId> {
        let found = self.outbox.values_mut().find(|d| *d.id == *id.as_str())?;
        let lane = Arc::clone(&found.lane);
        match found.status() {
            DeliveryStatus::Leased => {}
            DeliveryStatus::Waiting => self.hurry(&lane, now_ms),
            DeliveryStatus::Dead => {
                found.progress = Progress::Behind;
                found.attempts = 0;
                found.revived = true;
                // Whoever waits in front of the lane steps back.
                for other in self.outbox.values_mut().filter(|d| d.lane == lane) {
                    if matches!(other.progress, Progress::Waiting { .. }) {
                        other.progress = Progress::Behind;
                    }
                }
                self.advance(&lane, now_ms);
            }
            DeliveryStatus::Delivered | DeliveryStatus::Withdrawn => {
                let again = Delivery {
                    id: copy.as_str().into(),
                    key: found.key.clone(),
                    lane: Arc::clone(&lane),
                    body: Arc::clone(&found.body),
                    fence: 0,
                    attempts: 0,
                    calls: 0,
                    history: VecDeque::new(),
                    replay_of: Some(id.clone()),
                    revived: false,
                    error: None,
                    created_ms: now_ms,
                    unsettled_ms: None,
                    progress: Progress::Behind,
                };
                let number = self.number();
                self.outbox.insert(number, again);
                self.advance(&lane, now_ms);
                return Some(copy);
            }
        }
        Some(id.clone())
    }
}

impl Delivery {
    fn status(&self) -> DeliveryStatus {
        match &self.progress {
            Progress::Behind | Progress::Waiting { .. } => DeliveryStatus::Waiting,
            Progress::Leased { .. } => DeliveryStatus::Leased,
            Progress::Finished { status, .. } => *status,
        }
    }

    fn describe(&self) -> DeliveryRecord {
        let (finished_ms, part) = match &self.progress {
            Progress::Finished { at_ms, part, .. } => (Some(*at_ms), part.clone()),
            _ => (None, None),
        };
        DeliveryRecord {
            id: DeliveryId::from(&*self.id),
            key: self.key.clone(),
            lane: Arc::clone(&self.lane),
            status: self.status(),
            calls: self.calls,
            created_ms: self.created_ms,
            due_ms: self.progress.due_ms(),
            finished_ms,
            part,
            error: self.error.clone(),
            http_status: self.history.back().and_then(|(_, last)| last.http_status),
            replay_of: self.replay_of.clone(),
            body: Arc::clone(&self.body),
        }
    }
}
