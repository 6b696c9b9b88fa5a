//! The one store behind all instances, which never fails by itself, and the record of what it did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use event_connector::domain::id::{DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset, Space};
use event_connector::store::erasure::{Place, Subject, Trace};
use event_connector::store::memory::Memory;
use event_connector::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};

use super::mutant;
use super::offers::Offers;
use super::record::Record;
use super::vendor::Vendor;
use super::world::World;

/// The store with its record. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Truth {
    world: World,
    vendor: Vendor,
    memory: Arc<Memory>,
    record: Arc<Mutex<Record>>,
    offers: Arc<Mutex<Offers>>,
}

impl Truth {
    pub(crate) fn new(world: &World, vendor: &Vendor) -> Self {
        Self {
            world: world.clone(),
            vendor: vendor.clone(),
            memory: Arc::default(),
            record: Arc::default(),
            offers: Arc::default(),
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the product's log has aged away.
    pub(crate) async fn trimmed(&self, product: &ProductId) -> Offset {
        let page = self.memory.feed(product, Offset::default(), 1).await;
        page.unwrap_or_default().trimmed
    }

    /// Writes the commit and takes note of it in the same step: the memory never waits.
    pub(crate) async fn apply(&self, commit: Arc<Commit>) -> Outcome {
        let outcome = self.memory.commit(Arc::clone(&commit)).await;
        if matches!(outcome, Outcome::Committed) {
            let count = commit.effects.entries.len();
            let mut entries = match &commit.state {
                Some(new) if count > 0 => self.memory.history(&new.key, count).await,
                _ => Ok(Vec::new()),
            }
            .unwrap_or_default();
            entries.reverse();
            let mut offers = self.offers();
            for entry in &entries {
                offers.note(&self.world, entry);
            }
            drop(offers);
            let mut record = self.record();
            record.note(&self.world, &self.vendor, &commit, entries);
        }
        outcome
    }
}

#[async_trait]
impl Store for Truth {
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        mutant::commit(&self.world, self, commit).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.memory.load(key).await
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let mut rows = self.memory.index(product, keys, now_ms).await?;
        mutant::rows(&self.world, keys, &mut rows);
        Ok(rows)
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        self.memory.history(key, limit).await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let mut page = self.memory.feed(product, after, limit).await?;
        mutant::page(&self.world, &mut page);
        Ok(page)
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        self.memory.head(product).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        let mut leases = self.memory.lease(request).await?;
        mutant::leases(&self.world, &mut leases);
        let mut record = self.record();
        for lease in &leases {
            record.note_lease(&self.world, &self.vendor, lease);
        }
        drop(record);
        Ok(leases)
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        let (id, held) = (retry.id.clone(), self.record().note_retry(&retry));
        let is_late = held.is_some_and(|held| held != retry.fence);
        let before = self.memory.delivery(&id).await?;
        let bent = mutant::retry(&self.world, retry, held);
        self.memory.retry(bent).await?;
        if is_late && self.memory.delivery(&id).await? != before {
            let text = format!("{id} was put back by somebody who no longer held it");
            self.world.trace.break_law("leases_are_fenced", text);
        }
        Ok(())
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        self.memory.next_delivery_ms(closed).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        self.memory.deliveries(query).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        self.memory.delivery(id).await
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        let sent = mutant::replay(&self.world, &self.memory, id, copy, now_ms).await?;
        let mut record = self.record();
        record.note_replay(&self.world, &self.vendor, id, sent.as_ref());
        drop(record);
        Ok(sent)
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        self.memory.recorded_parts(lane, parts).await
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.memory.claim_overdue(now_ms, until_ms, limit).await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.memory.claim_ahead(now_ms, until_ms, limit).await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        self.memory.rewind(now_ms, by_ms, wait_ms_max).await
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        self.memory.trace(subject, from).await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        self.memory.erase(subject, trace, now_ms).await
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        self.memory.listed(space).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.memory.scrub().await
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        self.memory.quarantine(key, reason).await
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        self.memory.park(key, now_ms, reason, input).await
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        self.memory.age(now_ms, keep).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.memory.ready().await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        self.memory.depth().await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        self.memory.oldest_deliveries().await
    }

    async fn close(&self) {
        self.memory.close().await;
    }
}
