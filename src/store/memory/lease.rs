//! Whose turn it is: products with something due, one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::tables::{Delivery, Progress, Tables};
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, ProductId};
use crate::store::{Lease, LeaseRequest};

impl Tables {
    /// Leases what is due, in turns.
    pub(super) fn lease(&mut self, request: &LeaseRequest) -> Vec<Lease> {
        let mut due = self.due_by_product(request.now_ms);
        let ahead = due.split_off(&(self.served + 1));
        let mut round: VecDeque<_> = ahead.into_iter().chain(due).collect();
        let mut quotas: Vec<usize> = request.quotas.iter().map(|quota| quota.max).collect();
        let mut own = BTreeMap::new();
        let mut leases = Vec::new();
        while leases.len() < request.limit
            && let Some((product, (name, mut waiting))) = round.pop_front()
        {
            let mut shared = request.quotas.iter().zip(&mut quotas);
            let places = match shared.find(|(quota, _)| quota.products.contains(&name)) {
                Some((_, places)) => places,
                None => own.entry(product).or_insert(request.product_max),
            };
            if *places == 0 {
                continue;
            }
            let Some(number) = waiting.pop_front() else {
                continue;
            };
            if let Some(delivery) = self.outbox.get_mut(&number) {
                leases.push(delivery.lease(request.now_ms, request.until_ms));
                *places -= 1;
                self.served = product;
            }
            round.push_back((product, (name, waiting)));
        }
        leases
    }

    /// Of each product, by its number, what is due, the longest due first.
    fn due_by_product(&self, now_ms: u64) -> BTreeMap<u64, (ProductId, VecDeque<u64>)> {
        let mut due: Vec<_> = self
            .outbox
            .iter()
            .filter_map(|(number, delivery)| {
                let due_ms = delivery.progress.due_ms()?;
                (due_ms <= now_ms).then_some((due_ms, *number, &delivery.key.product))
            })
            .collect();
        due.sort_unstable_by_key(|(due_ms, number, _)| (*due_ms, *number));
        let mut by_product = BTreeMap::new();
        for (_, number, name) in due {
            let product = self.products.get(name).map_or(0, |product| product.number);
            let (_, waiting) = by_product
                .entry(product)
                .or_insert_with(|| (name.clone(), VecDeque::new()));
            waiting.push_back(number);
        }
        by_product
    }

    /// The earliest time at which something of any other product may be leased: work that waits, or
    /// a lease's end.
    pub(super) fn next_delivery_ms(&self, closed: &[ProductId]) -> Option<u64> {
        let others = self.outbox.values();
        let others = others.filter(|delivery| !closed.contains(&delivery.key.product));
        others.filter_map(|d| d.progress.due_ms()).min()
    }
}

impl Delivery {
    fn lease(&mut self, now_ms: u64, until_ms: u64) -> Lease {
        if let Progress::Leased { started_ms, .. } = self.progress {
            // An attempt that ran out without a word has been an attempt.
            self.attempts += 1;
            self.unsettled_ms = self.unsettled_ms.into_iter().chain([started_ms]).min();
            self.record(&AttemptRecord::lost(started_ms));
        }
        self.fence += 1;
        self.progress = Progress::Leased {
            until_ms,
            started_ms: now_ms,
        };
        Lease {
            id: DeliveryId::from(&*self.id),
            fence: self.fence,
            key: self.key.clone(),
            lane: Arc::clone(&self.lane),
            body: Arc::clone(&self.body),
            attempt: self.attempts + 1,
            created_ms: self.created_ms,
            unsettled_since_ms: self.unsettled_ms,
            replayed: self.revived || self.replay_of.is_some(),
        }
    }
}

impl Progress {
    /// When it may be leased, if ever.
    pub(super) fn due_ms(&self) -> Option<u64> {
        match self {
            Self::Waiting { due_ms } => Some(*due_ms),
            Self::Leased { until_ms, .. } => Some(*until_ms),
            Self::Behind | Self::Finished { .. } => None,
        }
    }
}
