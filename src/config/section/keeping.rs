//! What is kept, and where.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;

use super::{COUNT, DISK_BYTES, KEPT_S, UP_TO_A_YEAR_S, WAIT_MS};
use crate::config::check;
use crate::config::reader::Reader;
use crate::config::value::{Backend, redacted};

section! {
    /// Where state is kept.
    Store = "store" {
        /// The kind of store.
        backend: Backend = parsed(Backend::Sqlite, check::backend),
        /// The `SQLite` file.
        path: PathBuf = parsed(PathBuf::new(), check::path),
        /// The largest size of that file; 0 for no limit.
        bytes_max: u64 = whole(DISK_BYTES),
        /// The most commits waiting for the writer.
        queue_max: usize = whole(COUNT),
        /// The most commits in one transaction, or in one run of a script.
        group_max: usize = whole(COUNT),
        /// Connections that read.
        readers: usize = whole(1..=64),
        /// Write-ahead log size at which it is folded back.
        checkpoint_pages: u32 = whole(1..=1_000_000),
        /// Whether a file is copied before its schema is changed.
        backup_before_upgrade: bool = flag(),
    }
}

section! {
    /// How long what is kept.
    Retention = "retention" {
        /// Age of log entries.
        log_s: f64 = seconds(KEPT_S),
        /// Size of all log entries.
        log_bytes_max: u64 = whole(DISK_BYTES),
        /// Age of untouched sessions.
        state_s: f64 = seconds(KEPT_S),
        /// Age of finished deliveries.
        outbox_s: f64 = seconds(KEPT_S),
        /// How long a clock that leaps forward is doubted.
        clock_doubt_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How often the old is deleted.
        interval_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// Redis as the store.
    Redis = "redis" {
        /// Its URL, or those of a cluster's nodes; empty when there is none.
        #[serde(serialize_with = "redacted")]
        url: SecretString = parsed(SecretString::default(), check::redis_url),
        /// Whether one URL is that of a cluster.
        cluster: bool = flag(),
        /// A file with the certificates that vouch for servers reached by TLS; empty for the machine's own.
        ca_path: PathBuf = parsed(PathBuf::new(), check::maybe_path),
        /// What all keys begin with.
        key_prefix: String = parsed(String::new(), check::key_prefix),
        /// Over how many hash tags tenants are spread.
        buckets: u16 = whole(1..=1024),
        /// Connections that share the commands.
        connections: usize = whole(1..=1024),
        /// How many replicas must have a commit before it is acknowledged.
        wait_replicas: u16 = whole(0..=16),
        /// How long a command may take.
        timeout_ms: u64 = whole(WAIT_MS),
        /// Whether states of sessions are copied to where clients of the published SDK read them.
        mirror: bool = flag(),
        /// The most sessions whose copies wait to be written.
        mirror_pending_max: usize = whole(COUNT),
    }
}

section! {
    /// Activity that waits for a store that is away.
    Spool = "spool" {
        /// The file; empty for none.
        path: PathBuf = parsed(PathBuf::new(), check::maybe_path),
        /// How much may wait.
        bytes_max: u64 = whole(DISK_BYTES),
        /// How long the store may take before a share is spooled.
        wait_ms: u64 = whole(WAIT_MS),
    }
}
