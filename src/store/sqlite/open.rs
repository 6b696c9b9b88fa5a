//! From a path to connections: directory, lock, permissions, schema.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::checkpoint;
use super::examine::examine;
use super::options::Options;
use super::upkeep;
use crate::store::Error;
use crate::store::file::{Lock, create, lock};

/// The configuration key that names the file.
pub(super) const KEY: &str = "store.path";

/// How long one connection waits for another of this process to let go of the file.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// A database ready for its threads.
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) writer: Connection,
    /// The connection that checkpoints.
    pub(super) checkpointer: Connection,
    /// The connections that read, at least one.
    pub(super) readers: Vec<Connection>,
    /// Held as long as any of them is open.
    pub(super) lock: Lock,
}

/// Opens, creates or migrates the database.
pub(super) fn open(options: &Options) -> Result<Opened, Error> {
    let path = options.path.as_path();
    let unavailable = |error: &dyn std::fmt::Display| {
        Error::Unavailable(format!("{}: {error}", path.display()).into())
    };
    let of_file = |error: io::Error| unavailable(&with_advice_on_file(&error));
    let lock = lock(path, KEY).map_err(of_file)?;
    examine(path).map_err(of_file)?;
    create(path).map_err(of_file)?;
    let mut writer = connect_writer(options).map_err(|error| unavailable(&with_advice(&error)))?;
    let plan = upkeep::upgrade(&mut writer, options)
        .map_err(|error| Error::Unavailable(error.to_string().into()))?;
    if plan.from > 0 && plan.from != plan.to {
        tracing::info!(
            from = plan.from,
            to = plan.to,
            "the store's schema was upgraded"
        );
    }
    end_leases(&writer).map_err(|error| unavailable(&error))?;
    // A crash may have left there what an erasure had just removed.
    checkpoint::truncate(&writer);
    let checkpointer = connect(
        options,
        OpenFlags::SQLITE_OPEN_READ_WRITE,
        options.cache_bytes,
    )
    .map_err(|error| unavailable(&error))?;
    let readers = (0..options.readers.max(1))
        .map(|_| {
            connect(
                options,
                OpenFlags::SQLITE_OPEN_READ_ONLY,
                options.cache_bytes / 4,
            )
        })
        .collect::<Result<_, _>>()
        .map_err(|error| unavailable(&error))?;
    Ok(Opened {
        writer,
        checkpointer,
        readers,
        lock,
    })
}

/// What a person can do about a file that cannot be opened.
fn with_advice_on_file(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!(
            "{error}; the file, those beside it and their directory must be writable by this user"
        ),
        ErrorKind::IsADirectory => "it is a directory; name a file in it".to_owned(),
        _ => error.to_string(),
    }
}

/// What a person can do about a file that the database does not accept.
fn with_advice(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            format!("{error}; restore it from a backup")
        }
        _ => error.to_string(),
    }
}

/// A connection that may write.
pub(super) fn connect_writer(options: &Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = connect(options, flags, options.cache_bytes)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // What is removed may be about a person who wished to be forgotten.
    db.pragma_update(None, "secure_delete", true)?;
    if let Some(bytes_max) = options.bytes_max {
        let page_bytes: u64 = db
            .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?
            .into();
        let pages = u32::try_from(bytes_max / page_bytes).unwrap_or(u32::MAX - 1);
        db.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    Ok(db)
}

fn connect(options: &Options, flags: OpenFlags, cache_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&options.path, flags)?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(64);
    // A plan depends on its statement alone. Else those that touch a partial index are planned again each
    // time a value is bound.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "synchronous", options.synchronous.as_str())?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A negative number counts kibibytes instead of pages.
    let cache_kib = i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX);
    db.pragma_update(None, "cache_size", -cache_kib)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(db)
}

/// Whoever held a lease is gone, since the lock is ours now: nobody has to wait for its end. What was
/// under way is unsettled, as after any lease that ran out.
fn end_leases(db: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE outbox SET due_ms = started_ms WHERE status = 'leased'",
        [],
    )?;
    Ok(())
}
