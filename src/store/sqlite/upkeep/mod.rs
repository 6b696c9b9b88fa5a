//! What is done to a database besides serving it: migrating it by hand, backing it up, restoring it.
//!
//! The cast: [`plan`] and [`migrate`] change the schema; [`backup`] copies a database that may be in
//! use meanwhile; [`restore`] puts such a copy in its place.
//!
//! Guaranteed:
//!
//! * A migration and a restore take the lock that serving takes: they are refused while anybody
//!   serves the file, and nobody can begin to serve it meanwhile.
//! * A backup is one consistent moment of the database, holds nothing that was deleted, and does not
//!   make commits wait.
//! * Nothing is in its final place before it was checked and synced, and what was there before is
//!   replaced in one step or moved aside, so that a crash leaves the one or the other.
//!
//! Everything here waits for the disk: call it from a thread that may.

mod backup;
mod inventory;
mod migrate;
mod restore;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub use backup::{backup, partial_path};
pub use inventory::Inventory;
pub use migrate::{copy_path, migrate, plan};
pub use restore::{Restored, restore};

pub(super) use migrate::upgrade;

use super::open::KEY;
use super::schema::SchemaError;
use crate::store::file::{Lock, lock, lock_is_taken};

/// Why a database was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// There is no such file.
    #[error("there is no file {0}")]
    Missing(PathBuf),
    /// Somebody serves the database.
    #[error("{0} is in use: stop the service that has it open, and try again")]
    InUse(PathBuf),
    /// Something is there already.
    #[error("{0} exists already; --force replaces it")]
    Exists(PathBuf),
    /// The backup would replace what it is a backup of.
    #[error("{0} is the store itself; name another file")]
    Itself(PathBuf),
    /// The file is a database whose newest changes are in a write-ahead log beside it.
    #[error(
        "{0} is no backup: a write-ahead log lies beside it, without which it is incomplete; take a \
         backup with `event-connector backup`"
    )]
    Live(PathBuf),
    /// The file holds no store.
    #[error("{0} holds no store of event-connector")]
    NoStore(PathBuf),
    /// The file is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first thing found.
        reason: String,
    },
    /// The schema stands in the way.
    #[error("{path}: {source}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// How.
        source: SchemaError,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database could not be read or written.
    #[error("{path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: rusqlite::Error,
    },
}

impl UpkeepError {
    /// A failure of a file, by its name.
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// A failure of a database, by its name.
    fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Database { path, source }
    }

    /// A schema that stands in the way, by the name of its file.
    fn schema(path: &Path) -> impl FnOnce(SchemaError) -> Self {
        let path = path.to_owned();
        move |source| Self::Schema { path, source }
    }
}

/// Takes the lock that serving takes.
fn take_lock(path: &Path) -> Result<Lock, UpkeepError> {
    lock(path, KEY).map_err(|error| match lock_is_taken(&error) {
        true => UpkeepError::InUse(path.to_owned()),
        false => UpkeepError::file(path)(error),
    })
}

/// The path with more text behind it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory a file lies in.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// Makes new names in a directory durable.
fn sync_directory(path: &Path) -> Result<(), UpkeepError> {
    let directory = directory(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(UpkeepError::file(directory))
}
