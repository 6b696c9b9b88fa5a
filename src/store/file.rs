//! Files that one process has to itself, and nobody but their owner may read: they hold personal data.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Nobody but the owner may read what people did.
const MODE: u32 = 0o600;

/// The right to a database. It ends when this is dropped, and with the process, however that ends.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing the file would not do: a child process that another thread is just starting has it open too.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Takes the lock beside a database, whose path is configured under `key`; its directory is created when missing.
pub(crate) fn lock(path: &Path, key: &str) -> io::Result<Lock> {
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    // One database has one lock, by whichever link it is reached.
    let mut beside = fs::canonicalize(path)
        .unwrap_or_else(|_| path.to_owned())
        .into_os_string();
    beside.push(".lock");
    let file = private().open(PathBuf::from(beside))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "it is in use already, and one process at a time is all that a file can serve; give this \
                 one a file of its own ({key})"
            ),
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether [`lock`] failed because somebody holds the lock.
pub(crate) fn lock_is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// Creates the file before the database does, because its other files take their permissions from
/// this one.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    private()
        .open(path)?
        .set_permissions(Permissions::from_mode(MODE))
}

/// Opens or creates a file for its owner only.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(MODE);
    options
}
