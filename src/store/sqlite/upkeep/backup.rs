//! A copy of a database that may be in use meanwhile.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::inventory::{Inventory, inspect};
use super::{UpkeepError, beside, sync_directory};
use crate::store::file::private;

/// How long to wait for a moment in which the database can be opened; recovery after a crash takes
/// such moments.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a backup lies while it is being written: its size tells how far it has come.
pub fn partial_path(to: &Path) -> PathBuf {
    beside(to, ".partial")
}

/// Copies the database at `path` to `to`, checks the copy, and says what is in it.
///
/// The copy is one moment of the database, however long it takes: everything that was committed
/// before the call is in it. Commits go on meanwhile; the write-ahead log cannot be folded back
/// completely until the copy is done, and grows. The file at `to` appears complete and synced or
/// not at all, readable by its owner only; what a broken-off backup left is cleaned up.
///
/// # Errors
///
/// [`UpkeepError::Exists`] when something is at `to` and `replaces` is false; [`UpkeepError::Itself`]
/// when that is the database; otherwise what failed.
pub fn backup(path: &Path, to: &Path, replaces: bool) -> Result<Inventory, UpkeepError> {
    if !path.exists() {
        return Err(UpkeepError::Missing(path.to_owned()));
    }
    if is_same(path, to) {
        return Err(UpkeepError::Itself(to.to_owned()));
    }
    if !replaces && to.exists() {
        return Err(UpkeepError::Exists(to.to_owned()));
    }
    // Never created, and never written: but a log that a crash left must be recovered to be read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(UpkeepError::database(path))?;
    db.busy_timeout(PATIENCE)
        .map_err(UpkeepError::database(path))?;
    copy(&db, to, replaces)
}

/// Whether two names lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    file(one)
        .ok()
        .is_some_and(|one| file(other).ok() == Some(one))
}

/// Copies an open database.
pub(super) fn copy(db: &Connection, to: &Path, replaces: bool) -> Result<Inventory, UpkeepError> {
    let partial = partial_path(to);
    let file = begin(&partial)?;
    let copied = fill(db, &file, &partial).and_then(|inventory| {
        publish(&partial, to, replaces)?;
        Ok(inventory)
    });
    if copied.is_err() {
        // Whatever went wrong is what matters to the caller.
        let _ = fs::remove_file(&partial);
    }
    copied
}

/// An empty, private file that nobody else writes to.
fn begin(partial: &Path) -> Result<File, UpkeepError> {
    let in_use = || {
        io::Error::other("another backup is being written there; wait for it or name another file")
    };
    let open = || {
        let file = private().open(partial)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        Ok(file)
    };
    open().map_err(UpkeepError::file(partial))
}

fn fill(db: &Connection, file: &File, partial: &Path) -> Result<Inventory, UpkeepError> {
    let Some(name) = partial.to_str() else {
        let error = io::Error::other("the name of a backup must be UTF-8");
        return Err(UpkeepError::file(partial)(error));
    };
    db.execute("VACUUM INTO ?1", [name])
        .map_err(UpkeepError::database(partial))?;
    let inventory = inspect(partial)?;
    file.sync_all().map_err(UpkeepError::file(partial))?;
    Ok(inventory)
}

/// Gives a finished copy its name.
fn publish(partial: &Path, to: &Path, replaces: bool) -> Result<(), UpkeepError> {
    if replaces {
        fs::rename(partial, to).map_err(UpkeepError::file(to))?;
    } else {
        // A second name fails where a rename would replace what somebody put there meanwhile.
        fs::hard_link(partial, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => UpkeepError::Exists(to.to_owned()),
            _ => UpkeepError::file(to)(error),
        })?;
        fs::remove_file(partial).map_err(UpkeepError::file(partial))?;
    }
    sync_directory(to)
}
