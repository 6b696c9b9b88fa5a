//! Where things are written down: in memory, in a file, or in a real Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event_connector::store::Store;
use event_connector::store::memory::Memory;
use event_connector::store::sqlite::{Options, Sqlite, Synchronous};
use event_connector::tasks::Tasks;
use tempfile::TempDir;

use super::redis::Servers;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
    Redis,
}

pub(crate) const ALL: [Backend; 3] = [Backend::Memory, Backend::Sqlite, Backend::Redis];

/// An open store with whatever it needs to live.
pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    /// Vanishes with the house.
    _directory: Option<TempDir>,
}

impl Backend {
    /// Opens an empty store for a run.
    pub(crate) fn open(self) -> House {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let mut kept = None;
        let store: Arc<dyn Store> = match self {
            Self::Memory => Arc::new(Memory::new()),
            Self::Sqlite => {
                let directory = tempfile::tempdir().expect("a directory");
                let options = Options {
                    // Nobody pulls the plug.
                    synchronous: Synchronous::Off,
                    ..Options::new(directory.path().join("store.db"))
                };
                kept = Some(directory);
                Arc::new(Sqlite::open(options, &Tasks::thread).expect("a new database"))
            }
            Self::Redis => {
                let run = OPENED.fetch_add(1, Ordering::Relaxed);
                Arc::new(Servers::one().store(&format!("run-{run}")))
            }
        };
        House {
            store,
            _directory: kept,
        }
    }
}
