//! A store with something in front of its commits.

use std::sync::Arc;

use async_trait::async_trait;
use event_connector::domain::id::{DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset, Space};
use event_connector::store::erasure::{Place, Subject, Trace};
use event_connector::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};
use futures_util::future::BoxFuture;

/// What happens to a commit on its way to the store behind.
type Detour = Box<dyn Fn(Arc<dyn Store>, Arc<Commit>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// Passes everything on, and commits by way of a detour.
pub(crate) struct Around {
    store: Arc<dyn Store>,
    detour: Detour,
}

impl Around {
    pub(crate) fn new<F>(
        store: Arc<dyn Store>,
        detour: impl Fn(Arc<dyn Store>, Arc<Commit>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            store,
            detour: Box::new(move |store, commit| Box::pin(detour(store, commit))),
        }
    }
}

#[async_trait]
impl Store for Around {
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        (self.detour)(Arc::clone(&self.store), commit).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.store.load(key).await
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        self.store.index(product, keys, now_ms).await
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        self.store.history(key, limit).await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        self.store.feed(product, after, limit).await
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        self.store.head(product).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        self.store.lease(request).await
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        self.store.retry(retry).await
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        self.store.next_delivery_ms(closed).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        self.store.deliveries(query).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        self.store.delivery(id).await
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        self.store.replay(id, copy, now_ms).await
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        self.store.recorded_parts(lane, parts).await
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.store.claim_overdue(now_ms, until_ms, limit).await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.store.claim_ahead(now_ms, until_ms, limit).await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        self.store.rewind(now_ms, by_ms, wait_ms_max).await
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        self.store.quarantine(key, reason).await
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        self.store.park(key, now_ms, reason, input).await
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        self.store.age(now_ms, keep).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.store.ready().await
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        self.store.trace(subject, from).await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        self.store.erase(subject, trace, now_ms).await
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        self.store.listed(space).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.store.scrub().await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        self.store.depth().await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        self.store.oldest_deliveries().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
