//! A backup in the place of a database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::inventory::{Inventory, inspect};
use super::{UpkeepError, beside, sync_directory, take_lock};
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::store::file::private;
use crate::store::sqlite::options::Options;
use crate::store::sqlite::row::signed;
use crate::store::sqlite::schema::{self, Step};

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What is in the database now.
    pub inventory: Inventory,
    /// Where the database that was there before lies now; `None` when there was none.
    pub replaced: Option<PathBuf>,
    /// Notes that will be looked for in their conversations before they are posted, because the
    /// backup does not know whether they were.
    pub unsettled: u64,
    /// Whether the next start will upgrade the schema.
    pub upgrades: bool,
}

/// Puts the backup `from` in the place of the database, which is moved aside and kept. `now_ms` makes
/// its new name.
///
/// The copy is changed in two ways before it is put in place. Each product's log goes on behind the
/// offset that the replaced database had reached, as far as that can be read: an offset that some
/// reader of the feed has seen never comes to mean something else. And every delivery that was not
/// finished is marked as one whose outcome nobody knows, so that a note which was posted after the
/// backup is found in its conversation instead of being posted again.
///
/// # Errors
///
/// The database is in use, or `from` is missing, damaged, no backup, or newer than this program;
/// nothing was changed.
pub fn restore(options: &Options, from: &Path, now_ms: u64) -> Result<Restored, UpkeepError> {
    // A link stays a link: what it points to is exchanged.
    let path = fs::canonicalize(&options.path).unwrap_or_else(|_| options.path.clone());
    let path = path.as_path();
    if !from.exists() {
        return Err(UpkeepError::Missing(from.to_owned()));
    }
    let log = beside(from, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(UpkeepError::Live(from.to_owned()));
    }
    let _lock = take_lock(path)?;
    let prepared = beside(path, ".restoring");
    let restored = prepare(options.steps, from, &prepared, path).and_then(|mut restored| {
        restored.replaced = exchange(path, &prepared, now_ms)?;
        Ok(restored)
    });
    if restored.is_err() {
        // Whatever went wrong is what matters to the caller.
        let _ = fs::remove_file(&prepared);
    }
    restored
}

/// A checked copy of the backup beside the database, ready to take its place.
fn prepare(
    steps: &[Step],
    from: &Path,
    to: &Path,
    instead_of: &Path,
) -> Result<Restored, UpkeepError> {
    let mut source = fs::File::open(from).map_err(UpkeepError::file(from))?;
    let mut target = private().open(to).map_err(UpkeepError::file(to))?;
    target
        .set_len(0)
        .and_then(|()| io::copy(&mut source, &mut target))
        .map_err(UpkeepError::file(to))?;
    let inventory = inspect(to).map_err(|error| named(error, from))?;
    let known = schema::newest(steps);
    if inventory.schema > known {
        let found = inventory.schema;
        return Err(UpkeepError::schema(from)(schema::SchemaError::Newer {
            found,
            known,
        }));
    }
    let reached = heads_of(instead_of);
    let unsettled = adapt(to, &reached).map_err(UpkeepError::database(to))?;
    target.sync_all().map_err(UpkeepError::file(to))?;
    Ok(Restored {
        upgrades: inventory.schema < known,
        inventory,
        replaced: None,
        unsettled,
    })
}

/// Whoever restores wants to read the name that they gave.
fn named(error: UpkeepError, from: &Path) -> UpkeepError {
    let path = from.to_owned();
    match error {
        UpkeepError::NoStore(_) => UpkeepError::NoStore(path),
        UpkeepError::Damaged { reason, .. } => UpkeepError::Damaged { path, reason },
        other => other,
    }
}

/// How far the database that is to be replaced had come; nothing when it cannot be read, which may
/// be the reason for a restore.
fn heads_of(path: &Path) -> Vec<(ProductId, Offset)> {
    if !path.exists() {
        return Vec::new();
    }
    inspect_live(path).map_or_else(|_| Vec::new(), |inventory| inventory.heads)
}

/// The inventory of a database that may have a write-ahead log, which is folded back on the way.
fn inspect_live(path: &Path) -> Result<Inventory, UpkeepError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(UpkeepError::database(path))?;
    super::inventory::take(&db, path)
}

/// Makes a copy of the past fit for the present; answers how many deliveries are unsettled.
fn adapt(path: &Path, reached: &[(ProductId, Offset)]) -> rusqlite::Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    let change = db.transaction()?;
    for (product, last) in reached {
        change.execute(
            "INSERT INTO products (name, last_ms, last_n) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET last_ms = excluded.last_ms, last_n = excluded.last_n
             WHERE (excluded.last_ms, excluded.last_n) > (last_ms, last_n)",
            params![product.as_str(), signed(last.ms), signed(last.n)],
        )?;
    }
    let unsettled = change.execute(
        "UPDATE outbox SET unsettled_ms = coalesce(unsettled_ms, started_ms, created_ms)
         WHERE finished_ms IS NULL",
        [],
    )?;
    change.commit()?;
    Ok(u64::try_from(unsettled).unwrap_or(u64::MAX))
}

/// Moves the database aside and the prepared file into its place.
///
/// The name that is served is never without a whole database: what is there gets a second name, and
/// the new file replaces the first one in one step. A write-ahead log that could not be folded back
/// goes with its database, because it would spoil any other.
fn exchange(path: &Path, prepared: &Path, now_ms: u64) -> Result<Option<PathBuf>, UpkeepError> {
    let aside = beside(path, &format!(".replaced-{now_ms}"));
    let replaced = path.exists();
    if replaced {
        fs::hard_link(path, &aside).map_err(UpkeepError::file(&aside))?;
        for suffix in ["-wal", "-shm"] {
            let own = beside(path, suffix);
            if own.exists() {
                fs::rename(&own, beside(&aside, suffix)).map_err(UpkeepError::file(&own))?;
            }
        }
        sync_directory(path)?;
    }
    fs::rename(prepared, path).map_err(UpkeepError::file(path))?;
    sync_directory(path)?;
    Ok(replaced.then_some(aside))
}
