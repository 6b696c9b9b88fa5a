//! The handle, and its methods in the order of the trait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::fault::Fault;
use super::tables::Tables;
use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::log::{IndexKey, Offset, Space};
use crate::store::erasure::{Place, Subject, Trace};
use crate::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};

/// A store in memory. Every method is one step under one lock, so nothing ever waits.
#[derive(Debug, Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

impl Memory {
    /// An empty store in which nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets something go wrong, after what was injected before.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// How many inputs are parked.
    pub fn parked(&self) -> usize {
        self.lock().parked.len()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Tables>, Error> {
        let tables = self.lock();
        if tables.closed {
            return Err(Error::Unavailable("it is closed".into()));
        }
        Ok(tables)
    }

    fn read(&self) -> Result<MutexGuard<'_, Tables>, Error> {
        let mut tables = self.open()?;
        tables.faults.for_read()?;
        Ok(tables)
    }
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let mut tables = self.read()?;
        let found = tables.snapshot(key);
        if found.is_some() && tables.faults.spoils_row() {
            tables.quarantine(key);
            return Err(Error::Unreadable {
                what: "state",
                key: key.to_string().into(),
            });
        }
        Ok(found)
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        let mut tables = match self.open() {
            Ok(tables) => tables,
            Err(error) => return Outcome::NotWritten(error),
        };
        let lost = Error::Backend("the connection was lost".into());
        match tables.faults.for_commit() {
            Some(Fault::Conflict) => {
                let key = commit.state.as_ref().map(|new| &new.key);
                Outcome::Conflict(key.and_then(|key| tables.snapshot(key)))
            }
            Some(Fault::LostReply) => match tables.apply(&commit) {
                Outcome::Committed => Outcome::Unknown(lost),
                told => told,
            },
            Some(Fault::LostRequest) => Outcome::Unknown(lost),
            Some(Fault::NotWritten(error)) => Outcome::NotWritten(error),
            _ => tables.apply(&commit),
        }
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let tables = self.read()?;
        let values = keys.iter().map(|key| tables.fact(product, key, now_ms));
        Ok(values.collect())
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        Ok(self.read()?.history(key, limit))
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        Ok(self.read()?.feed(product, after, limit))
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        let tables = self.read()?;
        let product = tables.products.get(product);
        Ok(product.map_or_else(Offset::default, |product| product.last))
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        Ok(self.open()?.lease(&request))
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        self.open()?.retry(&retry);
        Ok(())
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        Ok(self.read()?.next_delivery_ms(closed))
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        Ok(self.read()?.deliveries(query))
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        Ok(self.read()?.delivery(id))
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        Ok(self.open()?.replay(id, copy, now_ms))
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        Ok(self.read()?.recorded_parts(lane, parts))
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        Ok(self.open()?.claim_overdue(now_ms, until_ms, limit))
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        Ok(self.open()?.claim_ahead(now_ms, until_ms, limit))
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        self.open()?.rewind(now_ms, by_ms, wait_ms_max);
        Ok(())
    }

    async fn quarantine(&self, key: &Key, _reason: &str) -> Result<(), Error> {
        self.open()?.quarantine(key);
        Ok(())
    }

    async fn park(
        &self,
        _key: &Key,
        now_ms: u64,
        _reason: &str,
        _input: &str,
    ) -> Result<(), Error> {
        self.open()?.parked.push(now_ms);
        Ok(())
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        Ok(self.open()?.age(now_ms, keep))
    }

    async fn ready(&self) -> Result<(), Error> {
        self.open().map(|_| ())
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        Ok(self.read()?.trace(&*subject, from))
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        Ok(self.open()?.erase(&*subject, trace.place.table, now_ms))
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        Ok(self.read()?.listed(space))
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.open().map(|_| true)
    }

    async fn depth(&self) -> Result<Depth, Error> {
        Ok(self.open()?.depth())
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        Ok(self.open()?.oldest_deliveries())
    }

    async fn close(&self) {
        self.lock().closed = true;
    }
}
