//! One instance's way to the store: slow, lossy, and closed while the instance stands still.
//!
//! Requests travel by themselves: one that is under way arrives even if its sender has died.

use std::sync::Arc;

use async_trait::async_trait;
use event_connector::domain::id::{DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset, Space};
use event_connector::store::erasure::{Place, Subject, Trace};
use event_connector::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};
use tokio::sync::oneshot;

use super::desk::Desk;
use super::world::{Gate, World};

/// The store as one instance sees it.
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) world: World,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gate: Gate,
    pub(crate) desk: Arc<Desk>,
}

/// What becomes of a call.
enum Fate {
    Told,
    /// Nothing happened, and the caller hears so.
    Failed,
    /// It happened, and the caller hears of a failure.
    Lost,
}

impl Port {
    /// Carries out `work` at the store, some way off. `None` when the world has ended.
    async fn carry<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (there_ms, back_ms) = (self.travel_ms(), self.travel_ms());
        let (answer, answered) = oneshot::channel();
        let world = self.world.clone();
        self.world.tasks.spawn("wire", async move {
            world.wait_ms(there_ms).await;
            let result = work.await;
            world.wait_ms(back_ms).await;
            let _ = answer.send(result);
        });
        let result = answered.await.ok();
        self.gate.pass().await;
        result
    }

    fn travel_ms(&self) -> u64 {
        let faults = &self.world.shape.faults;
        let is_slow = self.world.is_foul() && self.world.wire.permille(100);
        let most = if is_slow { faults.slow_ms } else { 3 };
        self.world.wire.among(1..=most)
    }

    fn strikes(&self, share: u64) -> bool {
        self.world.is_foul() && self.world.wire.permille(share)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.gate.pass().await;
        if self.strikes(self.world.shape.faults.bad_reads) {
            self.carry(async {}).await;
            return Err(lost());
        }
        self.carry(work).await.unwrap_or_else(|| Err(lost()))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.gate.pass().await;
        let faults = &self.world.shape.faults;
        let fate = if self.strikes(faults.refused) {
            Fate::Failed
        } else if self.strikes(faults.lost) {
            Fate::Lost
        } else {
            Fate::Told
        };
        let done = match fate {
            Fate::Failed => self.carry(async { Err(lost()) }).await,
            Fate::Told => self.carry(work).await,
            Fate::Lost => self.carry(work).await.map(|_| Err(lost())),
        };
        done.unwrap_or_else(|| Err(lost()))
    }

    /// A commit whose answer is lost, and which may itself be lost, or late.
    async fn lose(&self, commit: Arc<Commit>) -> Outcome {
        let store = Arc::clone(&self.store);
        match self.world.wire.among(0..=2) {
            0 => drop(self.carry(async {}).await),
            1 => match self.carry(async move { store.commit(commit).await }).await {
                Some(Outcome::Committed) | None => {}
                Some(told) => return told,
            },
            _ => {
                let (world, late_ms) = (self.world.clone(), self.world.wire.among(50..=5000));
                self.world.tasks.spawn("late commit", async move {
                    world.wait_ms(late_ms).await;
                    store.commit(commit).await;
                });
            }
        }
        Outcome::Unknown(lost())
    }

    async fn send(&self, commit: Arc<Commit>) -> Outcome {
        let faults = &self.world.shape.faults;
        if self.strikes(faults.refused) {
            let error = match self.world.wire.among(0..=1) {
                0 => Error::Full,
                _ => Error::Overloaded,
            };
            self.carry(async {}).await;
            return Outcome::NotWritten(error);
        }
        if self.strikes(faults.conflicts) {
            let key = commit.state.as_ref().map(|new| new.key.clone());
            let store = Arc::clone(&self.store);
            let newest = self.carry(async move {
                match key {
                    Some(key) => store.load(&key).await.ok().flatten(),
                    None => None,
                }
            });
            return Outcome::Conflict(newest.await.flatten());
        }
        if self.strikes(faults.lost) {
            return self.lose(commit).await;
        }
        let store = Arc::clone(&self.store);
        let told = self.carry(async move { store.commit(commit).await }).await;
        told.unwrap_or_else(|| Outcome::Unknown(lost()))
    }
}

fn lost() -> Error {
    Error::Backend("the connection was lost".into())
}

#[async_trait]
impl Store for Port {
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        self.gate.pass().await;
        let outcome = self.send(Arc::clone(&commit)).await;
        let key = commit.state.as_ref().map(|new| &new.key);
        let key = key.map_or_else(|| "(index)".to_owned(), ToString::to_string);
        let short = match &outcome {
            Outcome::Committed => "committed",
            Outcome::Conflict(_) => "conflict",
            Outcome::NotWritten(_) => "not written",
            Outcome::Unknown(_) => "unknown",
        };
        self.world
            .trace
            .tell(&self.name, format_args!("commit {key}: {short}"));
        outcome
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        self.read(async move { store.load(&key).await }).await
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let (store, product, keys) = (Arc::clone(&self.store), product.clone(), keys.to_vec());
        self.read(async move { store.index(&product, &keys, now_ms).await })
            .await
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        self.read(async move { store.history(&key, limit).await })
            .await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let (store, product) = (Arc::clone(&self.store), product.clone());
        self.read(async move { store.feed(&product, after, limit).await })
            .await
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        let (store, product) = (Arc::clone(&self.store), product.clone());
        self.read(async move { store.head(&product).await }).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        let store = Arc::clone(&self.store);
        let stalls = self.gate.stalls();
        let leases = self.write(async move { store.lease(request).await }).await;
        for lease in leases.iter().flatten() {
            let doubt = lease.unsettled_since_ms.map_or("", |_| ", in doubt");
            self.world.trace.tell(
                &self.name,
                format_args!("leases {} attempt {}{doubt}", lease.id, lease.attempt),
            );
            self.desk.leased(lease, stalls);
        }
        leases
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        self.world.trace.tell(
            &self.name,
            format_args!("puts {} back: {:?}", retry.id, retry.error),
        );
        let store = Arc::clone(&self.store);
        self.write(async move { store.retry(retry).await }).await
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        let (store, closed) = (Arc::clone(&self.store), closed.to_vec());
        self.read(async move { store.next_delivery_ms(&closed).await })
            .await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        let (store, query) = (Arc::clone(&self.store), query.clone());
        self.read(async move { store.deliveries(&query).await })
            .await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        let (store, id) = (Arc::clone(&self.store), id.clone());
        self.read(async move { store.delivery(&id).await }).await
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        let (store, id) = (Arc::clone(&self.store), id.clone());
        self.write(async move { store.replay(&id, copy, now_ms).await })
            .await
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        let (store, lane, parts) = (Arc::clone(&self.store), lane.to_owned(), parts.to_vec());
        self.read(async move { store.recorded_parts(&lane, &parts).await })
            .await
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.claim_overdue(now_ms, until_ms, limit).await })
            .await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.claim_ahead(now_ms, until_ms, limit).await })
            .await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.rewind(now_ms, by_ms, wait_ms_max).await })
            .await
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        let store = Arc::clone(&self.store);
        self.read(async move { store.trace(subject, from).await })
            .await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.erase(subject, trace, now_ms).await })
            .await
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        let store = Arc::clone(&self.store);
        self.read(async move { store.listed(space).await }).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.scrub().await }).await
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        let (store, key, reason) = (Arc::clone(&self.store), key.clone(), reason.to_owned());
        self.write(async move { store.quarantine(&key, &reason).await })
            .await
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        let (reason, input) = (reason.to_owned(), input.to_owned());
        self.write(async move { store.park(&key, now_ms, &reason, &input).await })
            .await
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        let store = Arc::clone(&self.store);
        self.write(async move { store.age(now_ms, keep).await })
            .await
    }

    async fn ready(&self) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        self.read(async move { store.ready().await }).await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let store = Arc::clone(&self.store);
        self.read(async move { store.depth().await }).await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        let store = Arc::clone(&self.store);
        self.read(async move { store.oldest_deliveries().await })
            .await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
