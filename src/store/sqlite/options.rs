//! What can be chosen when a database is opened.

use std::path::PathBuf;

use super::schema::{STEPS, Step};

/// How a database is opened. The defaults suit a service that must not lose an answer it gave.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; it and its directory are created when missing. Two more files with the
    /// suffixes `-wal` and `-shm`, and one with `.lock`, appear beside it.
    pub path: PathBuf,
    /// When a commit counts as durable.
    pub synchronous: Synchronous,
    /// How many writes, and how many reads, may wait; more are answered
    /// [`crate::store::Error::Overloaded`].
    pub queue_max: usize,
    /// How many writes share one transaction at most.
    pub group_max: usize,
    /// The size the database file may reach; `None` leaves it to the disk. Rounded down to pages.
    pub bytes_max: Option<u64>,
    /// How many threads read.
    pub readers: usize,
    /// How many pages of write-ahead log gather before they are moved into the database.
    pub checkpoint_pages: u32,
    /// The page cache of the writer; each reader has a quarter of it.
    pub cache_bytes: u64,
    /// Whether a file of an older schema is copied to `<path>.v<N>.bak` before it is changed, N being
    /// the schema it has. The copy stays until the next such change.
    pub backup_before_upgrade: bool,
    /// The schemas that are known, and the ways between them.
    pub steps: &'static [Step],
}

impl Options {
    /// The defaults for a database at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: PathBuf::from("event-connector.db"),
            synchronous: Synchronous::Full,
            queue_max: 4_096,
            group_max: 512,
            bytes_max: None,
            readers: 2,
            checkpoint_pages: 4_000,
            cache_bytes: 32 << 20,
            backup_before_upgrade: true,
            steps: STEPS,
        }
    }
}

/// When a commit counts as durable. Grouped commits make [`Synchronous::Full`] as fast as the
/// others on ordinary disks, so this is for measurements, not for configuration files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Once the disk says so: survives power loss.
    #[default]
    Full,
    /// Once the operating system has it: survives a crash of the process.
    Normal,
    /// As [`Synchronous::Normal`], and a power loss may destroy the whole file.
    Off,
}

impl Synchronous {
    /// The word of the database's setting.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}
