//! What the writer remembers between commits, and the transaction everything happens in.

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::health::Health;
use super::row::{failure, offset, signed};
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::store::Error;

/// How much a probe writes: more than an ordinary commit, so that a store it fits into has room.
const PROBE_BYTES: u32 = 16 << 10;

/// The writer's connection with the numbers that would be slow to read again for every commit.
///
/// Remembered numbers are written at the end of each transaction and forgotten when it fails.
pub(super) struct Ledger {
    /// The only connection that writes rows.
    pub(super) db: Connection,
    /// How the disk behind it fares.
    pub(super) health: Health,
    /// The tenant that leased last; the next one has the next turn.
    pub(super) served: i64,
    products: HashMap<ProductId, Product>,
    log_bytes: i64,
    /// The row of the newest log entry, once it was asked for.
    entry: Option<i64>,
}

/// A tenant's number and the newest offset of its log.
#[derive(Clone, Copy)]
struct Product {
    id: i64,
    last: Offset,
    advanced: bool,
}

/// Why a transaction did not happen, as far as anybody knows.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What the database said.
    pub(super) error: Error,
    /// Whether it may have happened nevertheless.
    pub(super) unknown: bool,
}

impl Failure {
    /// A failure that certainly left no trace.
    pub(super) fn clean(error: Error) -> Self {
        Self {
            error,
            unknown: false,
        }
    }
}

impl Ledger {
    /// A ledger that remembers nothing yet.
    pub(super) fn new(db: Connection) -> Self {
        Self {
            db,
            health: Health::new(),
            served: 0,
            products: HashMap::new(),
            log_bytes: 0,
            entry: None,
        }
    }

    /// Runs `work` in one transaction: all of it is durable afterwards, or none of it. Refused while
    /// the log is suspect.
    pub(super) fn transaction(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<()>,
    ) -> Result<(), Failure> {
        if self.health.is_suspect() {
            return Err(Failure::clean(self.refusal()));
        }
        let written = self
            .execute("BEGIN IMMEDIATE")
            .and_then(|()| work(self))
            .and_then(|()| self.flush());
        if let Err(error) = written {
            self.roll_back();
            self.health.failed(&error);
            return Err(Failure::clean(failure(&error)));
        }
        self.execute("COMMIT").map_err(|error| {
            self.roll_back();
            self.health.failed(&error);
            let unknown = !is_clean(&error);
            if unknown {
                self.health.doubt();
            }
            Failure {
                error: failure(&error),
                unknown,
            }
        })
    }

    /// Writes about as much as a commit does and takes it away again: whether that succeeds is
    /// whether commits do.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
        self.transaction(|ledger| {
            ledger
                .db
                .prepare_cached(
                    "INSERT INTO parked (key, ms, reason, input)
                     VALUES ('probe', 0, 'probe', hex(zeroblob(?1)))",
                )?
                .execute([PROBE_BYTES / 2])?;
            ledger
                .db
                .prepare_cached("DELETE FROM parked WHERE id = ?1")?
                .execute([ledger.db.last_insert_rowid()])
                .map(|_| ())
        })
    }

    /// What is answered instead of appending to a log that must start over first.
    fn refusal(&self) -> Error {
        let unsettled = || Error::Unavailable("its write-ahead log has not started over".into());
        self.health.trouble().cloned().unwrap_or_else(unsettled)
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(statement)?.execute([]).map(|_| ())
    }

    /// The number of a tenant, if it has one.
    pub(super) fn product_if_known(&mut self, name: &ProductId) -> rusqlite::Result<Option<i64>> {
        if let Some(product) = self.products.get(name) {
            return Ok(Some(product.id));
        }
        let found = self
            .db
            .prepare_cached("SELECT id, last_ms, last_n FROM products WHERE name = ?1")?
            .query_row([name.as_str()], |row| {
                Ok(Product {
                    id: row.get(0)?,
                    last: offset(row, 1)?,
                    advanced: false,
                })
            })
            .optional()?;
        if let Some(product) = found {
            self.products.insert(name.clone(), product);
        }
        Ok(found.map(|product| product.id))
    }

    /// The number of a tenant, which gets one if it has none.
    pub(super) fn product(&mut self, name: &ProductId) -> rusqlite::Result<i64> {
        if let Some(id) = self.product_if_known(name)? {
            return Ok(id);
        }
        self.db
            .prepare_cached("INSERT INTO products (name) VALUES (?1)")?
            .execute([name.as_str()])?;
        let product = Product {
            id: self.db.last_insert_rowid(),
            last: Offset::default(),
            advanced: false,
        };
        self.products.insert(name.clone(), product);
        Ok(product.id)
    }

    /// The offset of the tenant's next log entry when the clock reads `now_ms`.
    pub(super) fn next_offset(
        &mut self,
        name: &ProductId,
        now_ms: u64,
    ) -> rusqlite::Result<Offset> {
        self.product(name)?;
        let product = self
            .products
            .get_mut(name)
            .ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        product.last = product.last.next(now_ms);
        product.advanced = true;
        Ok(product.last)
    }

    /// The row that the next log entry gets.
    pub(super) fn next_entry(&self) -> rusqlite::Result<i64> {
        let newest = match self.entry {
            Some(newest) => newest,
            None => self
                .db
                .prepare_cached("SELECT coalesce(max(id), 0) FROM log")?
                .query_row([], |row| row.get(0))?,
        };
        Ok(newest + 1)
    }

    /// Notes that the log has an entry in row `id`, and none behind it.
    pub(super) fn appended(&mut self, id: i64) {
        self.entry = Some(id);
    }

    /// Notes that the log's bodies grew, or shrank, by so many bytes.
    pub(super) fn count_log_bytes(&mut self, bytes: i64) {
        self.log_bytes += bytes;
    }

    /// The bytes of all log bodies, this transaction included.
    pub(super) fn log_bytes(&self) -> rusqlite::Result<i64> {
        let stored: i64 = self
            .db
            .prepare_cached("SELECT value FROM sums WHERE name = 'log_bytes'")?
            .query_row([], |row| row.get(0))?;
        Ok(stored + self.log_bytes)
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        for product in self.products.values_mut().filter(|p| p.advanced) {
            self.db
                .prepare_cached("UPDATE products SET last_ms = ?2, last_n = ?3 WHERE id = ?1")?
                .execute(params![
                    product.id,
                    signed(product.last.ms),
                    signed(product.last.n)
                ])?;
            product.advanced = false;
        }
        if self.log_bytes != 0 {
            self.db
                .prepare_cached("UPDATE sums SET value = value + ?1 WHERE name = 'log_bytes'")?
                .execute([self.log_bytes])?;
            self.log_bytes = 0;
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        self.products.clear();
        self.log_bytes = 0;
        self.entry = None;
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

/// Whether a failed COMMIT certainly left no trace. A failed write or sync may have left a complete
/// transaction in the write-ahead log, which a restart would find.
fn is_clean(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::ConstraintViolation
        )
    )
}
