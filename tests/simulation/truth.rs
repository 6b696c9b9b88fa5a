//! The one store behind all instances, which never fails by itself, and the record of what it did. On a disk or a
//! network it takes time, but none of the world's: see [`Rest`](super::world::Rest).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use event_connector::domain::id::{DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset, Space};
use event_connector::store::erasure::{Place, Subject, Trace};
use event_connector::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};

use super::mutant;
use super::offer_laws::{Broken, Offers, Told};
use super::record::Record;
use super::vendor::Vendor;
use super::world::{Work, Worker, World};

/// The store while it works.
struct AtWork {
    store: Arc<dyn Store>,
    _work: Worker,
}

impl std::ops::Deref for AtWork {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// The store with its record. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Truth {
    world: World,
    vendor: Vendor,
    store: Arc<dyn Store>,
    /// What changes the store is written down in the same turn.
    turn: Arc<tokio::sync::Mutex<()>>,
    work: Work,
    record: Arc<Mutex<Record>>,
    offers: Arc<Mutex<Offers>>,
}

impl Truth {
    pub(crate) fn new(
        world: &World,
        vendor: &Vendor,
        (store, work): (Arc<dyn Store>, Work),
    ) -> Self {
        Self {
            world: world.clone(),
            vendor: vendor.clone(),
            store,
            turn: Arc::default(),
            work,
            record: Arc::default(),
            offers: Arc::new(Mutex::new(Offers::new(world.shape.rules()))),
        }
    }

    /// The store, at work for as long as somebody holds this.
    fn store(&self) -> AtWork {
        let store = Arc::clone(&self.store);
        let _work = self.work.begin();
        AtWork { store, _work }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the product's log has aged away.
    pub(crate) async fn trimmed(&self, product: &ProductId) -> Offset {
        let page = self.store().feed(product, Offset::default(), 1).await;
        page.unwrap_or_default().trimmed
    }

    /// Writes the commit and takes note of it in the same step: meanwhile no time passes.
    pub(crate) async fn apply(&self, commit: Arc<Commit>) -> Outcome {
        let _turn = self.turn.lock().await;
        let outcome = self.store().commit(Arc::clone(&commit)).await;
        if matches!(outcome, Outcome::Committed) {
            let count = commit.effects.entries.len();
            let mut entries = match &commit.state {
                Some(new) if count > 0 => self.store().history(&new.key, count).await,
                _ => Ok(Vec::new()),
            }
            .unwrap_or_default();
            entries.reverse();
            for entry in &entries {
                let noted = self.note_offers(entry);
                self.world.hold(noted);
            }
            let mut record = self.record();
            record.note(&self.world, &self.vendor, &commit, entries);
        }
        outcome
    }

    /// Holds what was written to the laws of offers.
    fn note_offers(&self, entry: &Entry) -> Result<(), Broken> {
        let told = Told {
            key: &entry.key,
            r#type: &entry.r#type,
            at: entry.at,
            user: entry.user_id.as_deref(),
            body: &serde_json::from_str(&entry.body).unwrap_or_default(),
        };
        self.offers().note(&told)
    }
}

#[async_trait]
impl Store for Truth {
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        mutant::commit(&self.world, self, commit).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.store().load(key).await
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let mut rows = self.store().index(product, keys, now_ms).await?;
        mutant::rows(&self.world, keys, &mut rows);
        Ok(rows)
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        self.store().history(key, limit).await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let mut page = self.store().feed(product, after, limit).await?;
        mutant::page(&self.world, &mut page);
        Ok(page)
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        self.store().head(product).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        let _turn = self.turn.lock().await;
        let mut leases = self.store().lease(request).await?;
        mutant::leases(&self.world, &mut leases);
        let mut record = self.record();
        for lease in &leases {
            record.note_lease(&self.world, &self.vendor, lease);
        }
        drop(record);
        Ok(leases)
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (id, held) = (retry.id.clone(), self.record().note_retry(&retry));
        let is_late = held.is_some_and(|held| held != retry.fence);
        let before = self.store().delivery(&id).await?;
        let bent = mutant::retry(&self.world, retry, held);
        self.store().retry(bent).await?;
        if is_late && self.store().delivery(&id).await? != before {
            let text = format!("{id} was put back by somebody who no longer held it");
            self.world.trace.break_law("leases_are_fenced", text);
        }
        Ok(())
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        self.store().next_delivery_ms(closed).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        self.store().deliveries(query).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        self.store().delivery(id).await
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        let _turn = self.turn.lock().await;
        let sent = mutant::replay(&self.world, &*self.store(), id, copy, now_ms).await?;
        let mut record = self.record();
        record.note_replay(&self.world, &self.vendor, id, sent.as_ref());
        drop(record);
        Ok(sent)
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        self.store().recorded_parts(lane, parts).await
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.store().claim_overdue(now_ms, until_ms, limit).await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.store().claim_ahead(now_ms, until_ms, limit).await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        self.store().rewind(now_ms, by_ms, wait_ms_max).await
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        self.store().trace(subject, from).await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        self.store().erase(subject, trace, now_ms).await
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        self.store().listed(space).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.store().scrub().await
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        self.store().quarantine(key, reason).await
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        self.store().park(key, now_ms, reason, input).await
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        self.store().age(now_ms, keep).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.store().ready().await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        self.store().depth().await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        self.store().oldest_deliveries().await
    }

    async fn close(&self) {
        self.store().close().await;
    }
}
