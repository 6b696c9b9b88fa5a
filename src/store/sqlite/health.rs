//! What the writer knows about its disk.

use rusqlite::ErrorCode;

use super::row::failure;
use crate::store::Error;

/// Whether commits succeed, and whether the write-ahead log may be built upon.
pub(super) struct Health {
    trouble: Option<Error>,
    is_suspect: bool,
}

impl Health {
    /// At the start nothing has failed yet, but the log is suspect: it may hold what a process before
    /// this one could not sync.
    pub(super) fn new() -> Self {
        Self {
            trouble: None,
            is_suspect: true,
        }
    }

    /// Why commits fail; `None` while they succeed.
    pub(super) fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// Whether the log must start over before anything is appended to it.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// Learns from a failure. One that a job brought upon itself says nothing about the disk, and
    /// neither does a damaged page, which concerns only the rows it holds.
    pub(super) fn failed(&mut self, error: &rusqlite::Error) {
        let code = error.sqlite_error_code();
        if code == Some(ErrorCode::SystemIoFailure) {
            self.is_suspect = true;
        }
        let is_of_disk = matches!(
            code,
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::OutOfMemory
            )
        );
        if is_of_disk {
            self.troubled(failure(error));
        }
    }

    /// Commits fail. Said once, however many fail until they succeed again.
    pub(super) fn troubled(&mut self, error: Error) {
        if self.trouble.is_none() {
            tracing::error!(%error, "commits fail; what needs one is refused until they succeed again");
        }
        self.trouble = Some(error);
    }

    /// Whether an earlier write reached the disk can no longer be known.
    pub(super) fn doubt(&mut self) {
        self.is_suspect = true;
    }

    /// The log has started over from nothing.
    pub(super) fn started_over(&mut self) {
        self.is_suspect = false;
    }

    /// A commit succeeded.
    pub(super) fn recovered(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("commits succeed again");
        }
    }
}
