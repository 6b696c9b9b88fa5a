//! What a database holds, once it has been found whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::UpkeepError;
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::store::sqlite::row::{offset, unsigned};
use crate::store::sqlite::schema;

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The size of the file.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: u32,
    /// States.
    pub states: u64,
    /// Log entries.
    pub entries: u64,
    /// Deliveries, finished ones included.
    pub deliveries: u64,
    /// How far each product's log had come, by name.
    pub heads: Vec<(ProductId, Offset)>,
}

/// Opens a file that nobody writes and takes its inventory.
pub(super) fn inspect(path: &Path) -> Result<Inventory, UpkeepError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(UpkeepError::database(path))?;
    take(&db, path)
}

/// Checks every page, then counts.
pub(super) fn take(db: &Connection, path: &Path) -> Result<Inventory, UpkeepError> {
    let version = schema::version(db).map_err(|error| not_readable(path, &error))?;
    if version == 0 {
        return Err(UpkeepError::NoStore(path.to_owned()));
    }
    let found: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| not_readable(path, &error))?;
    if found != "ok" {
        return Err(UpkeepError::Damaged {
            path: path.to_owned(),
            reason: found,
        });
    }
    let counted = count(db, version).map_err(UpkeepError::database(path))?;
    let bytes = std::fs::metadata(path)
        .map_err(UpkeepError::file(path))?
        .len();
    Ok(Inventory { bytes, ..counted })
}

fn not_readable(path: &Path, error: &rusqlite::Error) -> UpkeepError {
    UpkeepError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn count(db: &Connection, schema: u32) -> rusqlite::Result<Inventory> {
    let mut select = db.prepare("SELECT name, last_ms, last_n FROM products ORDER BY name")?;
    let heads = select.query_map([], |row| {
        let name: String = row.get(0)?;
        Ok((ProductId::from(name), offset(row, 1)?))
    })?;
    let heads = heads.collect::<Result<_, _>>()?;
    db.query_row(
        "SELECT (SELECT count(*) FROM keys WHERE state IS NOT NULL),
         (SELECT count(*) FROM log), (SELECT count(*) FROM outbox)",
        [],
        |row| {
            Ok(Inventory {
                bytes: 0,
                schema,
                states: unsigned(row, 0)?,
                entries: unsigned(row, 1)?,
                deliveries: unsigned(row, 2)?,
                heads,
            })
        },
    )
}
