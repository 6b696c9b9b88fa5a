//! The handle, and its methods in the order of the trait.

use std::sync::Arc;
use std::sync::mpsc::channel;

use async_trait::async_trait;
use rusqlite::params;
use tokio::sync::{Mutex, mpsc};

use super::ledger::{Failure, Ledger};
use super::open::{Opened, open};
use super::options::Options;
use super::reader::Readers;
use super::row::{failure, signed};
use super::writer::Writer;
use super::{
    age, checkpoint, commit, deliveries, erase, index, keys, lease, log, outbox, quarantine,
    reader, writer,
};
use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::log::{IndexKey, Offset, Space};
use crate::store::erasure::{Place, Subject, Trace};
use crate::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};

/// What one of the store's threads runs.
pub type Work = Box<dyn FnOnce() + Send>;

/// An open database.
///
/// Dropping it without [`Store::close`] loses nothing: its threads finish what was accepted and
/// then let go of the file.
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Sqlite {
    /// Opens the database and starts its threads through `spawn`, which receives a name and what
    /// to run.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the file cannot be opened or migrated, is in use already, or
    /// was written by a newer program.
    pub fn open(options: Options, spawn: &dyn Fn(&str, Work)) -> Result<Self, Error> {
        let Opened {
            writer: mut db,
            checkpointer,
            readers: connections,
            lock,
        } = open(&options)?;
        let (writer, orders) = Writer::new(options.queue_max);
        let (readers, reads) = Readers::new(options.queue_max);
        let (gauge, nudges) = checkpoint::gauge(&mut db, options.checkpoint_pages)
            .map_err(|error| failure(&error))?;
        let (busy, others) = channel::<()>();
        let (alive, ended) = mpsc::channel(1);

        for (number, db) in connections.into_iter().enumerate() {
            let (reads, busy) = (Arc::clone(&reads), busy.clone());
            let work = move || {
                reader::run(&db, &reads);
                drop((db, busy));
            };
            spawn(&format!("store-read-{number}"), Box::new(work));
        }
        let work = move || {
            checkpoint::run(&checkpointer, &nudges);
            drop((checkpointer, busy));
        };
        spawn("store-checkpoint", Box::new(work));
        let work = move || {
            let mut ledger = Ledger::new(db);
            writer::run(&mut ledger, &orders, options.group_max, gauge);
            // Nobody sends: this waits until the other threads have closed their connections.
            let _ = others.recv();
            checkpoint::truncate(&ledger.db);
            drop(ledger);
            drop((lock, alive));
        };
        spawn("store-write", Box::new(work));
        Ok(Self {
            writer,
            readers,
            ended: Mutex::new(ended),
        })
    }

    /// Sets log entries aside that a read found unreadable.
    async fn set_aside(&self, flawed: Vec<log::Flawed>) {
        if flawed.is_empty() {
            return;
        }
        let done = self
            .writer
            .write(move |ledger| {
                flawed
                    .iter()
                    .try_for_each(|entry| quarantine::entry(ledger, entry))
            })
            .await;
        warn_unless_done(done);
    }
}

/// Setting aside can wait for the next read of the same row.
fn warn_unless_done(done: Result<(), Failure>) {
    if let Err(Failure { error, .. }) = done {
        tracing::warn!(%error, "unreadable rows could not be set aside yet");
    }
}

fn error(failure: Failure) -> Error {
    failure.error
}

#[async_trait]
impl Store for Sqlite {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let asked = key.clone();
        let id = match self.readers.read(move |db| keys::load(db, &asked)).await? {
            keys::Found::Nothing => return Ok(None),
            keys::Found::State(stored) => return Ok(Some(stored)),
            keys::Found::Flawed(id) => id,
        };
        // The writer looks again, for somebody may have been faster and written a good state.
        let done = self
            .writer
            .write(move |ledger| keys::newest(&ledger.db, id))
            .await;
        warn_unless_done(done.map(|_| ()));
        Err(Error::Unreadable {
            what: "state",
            key: key.to_string().into(),
        })
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        let written = self
            .writer
            .write(move |ledger| commit::apply(ledger, &commit))
            .await;
        match written {
            Ok(outcome) => outcome,
            Err(failure) if failure.unknown => Outcome::Unknown(failure.error),
            Err(failure) => Outcome::NotWritten(failure.error),
        }
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let (product, keys) = (product.clone(), keys.to_vec());
        let rows = self
            .readers
            .read(move |db| index::read_all(db, &product, &keys, now_ms))
            .await?;
        if !rows.flawed.is_empty() {
            // The writer sets aside what it cannot read either.
            let flawed = rows.flawed;
            let done = self
                .writer
                .write(move |ledger| {
                    flawed.iter().try_for_each(|(product, key)| {
                        index::read(&ledger.db, *product, key, now_ms).map(|_| ())
                    })
                })
                .await;
            warn_unless_done(done);
        }
        Ok(rows.values)
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        let key = key.clone();
        let (entries, flawed) = self
            .readers
            .read(move |db| log::history(db, &key, limit))
            .await?;
        self.set_aside(flawed).await;
        Ok(entries)
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let product = product.clone();
        let (page, flawed) = self
            .readers
            .read(move |db| log::feed(db, &product, after, limit))
            .await?;
        self.set_aside(flawed).await;
        Ok(page)
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        let product = product.clone();
        self.readers.read(move |db| log::head(db, &product)).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        self.writer
            .write(move |ledger| lease::lease(ledger, &request))
            .await
            .map_err(error)
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        self.writer
            .write(move |ledger| outbox::retry(&ledger.db, &retry))
            .await
            .map_err(error)
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        let closed = closed.to_vec();
        self.readers
            .read(move |db| lease::next_ms(db, &closed))
            .await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        let query = query.clone();
        self.readers
            .read(move |db| deliveries::list(db, &query))
            .await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        let id = id.clone();
        self.readers.read(move |db| deliveries::show(db, &id)).await
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        let id = id.clone();
        self.writer
            .write(move |ledger| deliveries::replay(&ledger.db, &id, &copy, now_ms))
            .await
            .map_err(error)
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        let (lane, parts) = (lane.to_owned(), parts.to_vec());
        self.readers
            .read(move |db| outbox::recorded_parts(db, &lane, &parts))
            .await
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.writer
            .write(move |ledger| keys::claim_overdue(ledger, now_ms, until_ms, limit))
            .await
            .map_err(error)
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        self.writer
            .write(move |ledger| keys::claim_ahead(ledger, now_ms, until_ms, limit))
            .await
            .map_err(error)
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        self.writer
            .write(move |ledger| outbox::rewind(&ledger.db, now_ms, by_ms, wait_ms_max))
            .await
            .map_err(error)
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        let (key, reason) = (key.clone(), reason.to_owned());
        self.writer
            .write(move |ledger| {
                let Some(product) = ledger.product_if_known(&key.product)? else {
                    return Ok(());
                };
                match keys::number(&ledger.db, product, &key)? {
                    Some(id) => quarantine::state(&ledger.db, id, &reason),
                    None => Ok(()),
                }
            })
            .await
            .map_err(error)
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        let (key, reason, input) = (key.to_string(), reason.to_owned(), input.to_owned());
        self.writer
            .write(move |ledger| {
                ledger
                    .db
                    .prepare_cached(
                        "INSERT INTO parked (key, ms, reason, input) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![key, signed(now_ms), reason, input])
            })
            .await
            .map(|_| ())
            .map_err(error)
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        self.writer
            .write(move |ledger| age::age(ledger, now_ms, keep))
            .await
            .map_err(error)
    }

    async fn ready(&self) -> Result<(), Error> {
        let trouble = self
            .writer
            .write(|ledger| Ok(ledger.health.trouble().cloned()))
            .await
            .map_err(error)?;
        trouble.map_or(Ok(()), Err)
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        self.readers
            .read(move |db| erase::trace(db, &*subject, from))
            .await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        self.writer
            .write(move |ledger| erase::erase(ledger, &*subject, &trace, now_ms))
            .await
            .map_err(error)
    }

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        self.readers.read(move |db| index::listed(db, space)).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.writer.empty_log().await.map_err(error)
    }

    async fn depth(&self) -> Result<Depth, Error> {
        self.readers.read(age::depth).await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        self.readers.read(outbox::oldest).await
    }

    async fn close(&self) {
        self.writer.close();
        self.readers.close();
        // Nobody sends: the channel ends with the last thread.
        let _ = self.ended.lock().await.recv().await;
    }
}
