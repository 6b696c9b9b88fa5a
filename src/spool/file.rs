//! The file: rows in the order in which they came.
//!
//! It keeps a rollback journal rather than a write-ahead log. A write that failed is then undone before
//! anything else is written, so that nothing acknowledged later rests on pages that never reached the disk.

use std::path::Path;

use rusqlite::{Connection, Transaction, params};

use super::queue::{Depth, Row};
use crate::store::Error;
use crate::store::file::{Lock, create, lock};

/// Says that a file is a spool: `spol`.
const APPLICATION_ID: i32 = 0x73_70_6f_6c;

/// The newest schema that is known.
const SCHEMA: i32 = 1;

/// An open spool.
pub(super) struct File {
    db: Connection,
    depth: Depth,
    bytes_max: u64,
    /// Held as long as the file is open.
    _lock: Lock,
}

/// What a transaction may do.
pub(super) struct Writing<'a> {
    transaction: Transaction<'a>,
    depth: Depth,
    bytes_max: u64,
}

impl File {
    /// Opens or creates the file.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Self, Error> {
        let told = |error: &dyn std::fmt::Display| {
            Error::Unavailable(format!("{}: {error}", path.display()).into())
        };
        let lock = lock(path, "spool.path").map_err(|error| told(&error))?;
        create(path).map_err(|error| told(&error))?;
        let db = connect(path).map_err(|error| told(&error))?;
        let depth = prepare(&db).map_err(|reason| told(&reason))?;
        Ok(Self {
            db,
            depth,
            bytes_max,
            _lock: lock,
        })
    }

    /// How much is in it.
    pub(super) fn depth(&self) -> Depth {
        self.depth
    }

    /// Does everything in one transaction: all of it is on the disk in the end, or nothing of it happened.
    pub(super) fn write<A>(
        &mut self,
        work: impl FnOnce(&mut Writing<'_>) -> rusqlite::Result<A>,
    ) -> Result<A, Error> {
        let attempt = || {
            let mut writing = Writing {
                transaction: self.db.transaction()?,
                depth: self.depth,
                bytes_max: self.bytes_max,
            };
            let answer = work(&mut writing)?;
            writing.transaction.commit()?;
            self.depth = writing.depth;
            Ok(answer)
        };
        attempt().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Error::Full,
            _ => Error::Backend(error.to_string().into()),
        })
    }
}

impl Writing<'_> {
    /// Puts a row at the end; `false` when there is no room for it.
    pub(super) fn append(&mut self, text: &str) -> rusqlite::Result<bool> {
        let bytes = self.depth.bytes.saturating_add(text.len() as u64);
        if bytes > self.bytes_max {
            return Ok(false);
        }
        let sql = "INSERT INTO spool (share) VALUES (?1)";
        self.transaction.prepare_cached(sql)?.execute([text])?;
        self.depth.bytes = bytes;
        self.depth.entries += 1;
        Ok(true)
    }

    /// The oldest rows.
    pub(super) fn oldest(&self, rows_max: usize) -> rusqlite::Result<Vec<Row>> {
        let sql = "SELECT id, share FROM spool WHERE flaw IS NULL ORDER BY id LIMIT ?1";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map(
            params![i64::try_from(rows_max).unwrap_or(i64::MAX)],
            |row| {
                Ok(Row {
                    id: row.get(0)?,
                    share: row.get(1)?,
                })
            },
        )?;
        rows.collect()
    }

    /// Leaves a row where it is and passes it over from now on.
    pub(super) fn set_aside(&mut self, id: i64, flaw: &str) -> rusqlite::Result<()> {
        let sql = "UPDATE spool SET flaw = ?2 WHERE id = ?1 AND flaw IS NULL";
        let changed = self
            .transaction
            .prepare_cached(sql)?
            .execute(params![id, flaw])?;
        self.depth.entries = self.depth.entries.saturating_sub(changed as u64);
        Ok(())
    }

    /// Removes rows.
    pub(super) fn remove(&mut self, ids: &[i64]) -> rusqlite::Result<()> {
        let sql = "DELETE FROM spool WHERE id = ?1 RETURNING octet_length(share)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        for id in ids {
            let mut removed = statement.query([id])?;
            while let Some(row) = removed.next()? {
                let bytes = row.get::<_, u32>(0)?.into();
                self.depth.bytes = self.depth.bytes.saturating_sub(bytes);
                self.depth.entries = self.depth.entries.saturating_sub(1);
            }
        }
        Ok(())
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "TRUNCATE")?;
    // With this journal it makes the end of a transaction durable too, not its rows alone.
    db.pragma_update(None, "synchronous", "FULL")?;
    // What is removed is about people, and is elsewhere by then.
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(db)
}

/// Makes the table if there is none, refuses what is no spool of ours, and counts what is in it.
fn prepare(db: &Connection) -> Result<Depth, String> {
    let told = |error: rusqlite::Error| error.to_string();
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let schema = number("user_version").map_err(told)?;
    let application = number("application_id").map_err(told)?;
    if schema == 0 && application == 0 {
        let sql = format!(
            "BEGIN;
             CREATE TABLE spool (
               id INTEGER PRIMARY KEY AUTOINCREMENT,
               share TEXT NOT NULL,
               flaw TEXT
             ) STRICT;
             PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {SCHEMA};
             COMMIT;"
        );
        db.execute_batch(&sql).map_err(told)?;
    } else if application != APPLICATION_ID {
        return Err("it is no spool; name another file (spool.path)".to_owned());
    } else if schema > SCHEMA {
        return Err(format!(
            "it has schema {schema}, and this program knows up to {SCHEMA}; use the newer program"
        ));
    }
    let sql = "SELECT count(*) FILTER (WHERE flaw IS NULL), ifnull(sum(octet_length(share)), 0) FROM spool";
    let counts = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (entries, bytes): (i64, i64) = counts.map_err(told)?;
    Ok(Depth {
        entries: entries.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
    })
}
