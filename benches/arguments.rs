//! What can be asked of the benchmarks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Ratios of the service to the best there is, measured side by side.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --")]
pub(crate) struct Arguments {
    /// Rows to measure: ingest, latency, disk, feed, memory, isolation, overload, push, triggers,
    /// storm, redis, instances, crossing, takeover, footprint, start; all unless named.
    pub(crate) rows: Vec<String>,
    /// How often each contender has its turn; the median counts.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// How long a turn lasts, seconds.
    #[arg(long, default_value_t = 4.0)]
    pub(crate) seconds: f64,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Run as a reference program instead.
    #[arg(long, value_enum, hide = true)]
    pub(crate) role: Option<Role>,
    /// Where a reference program listens.
    #[arg(long, hide = true, default_value = "127.0.0.1:0")]
    pub(crate) bind: SocketAddr,
    /// Where a reference program keeps its files.
    #[arg(long, hide = true, default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Events in one write of the raw feed.
    #[arg(long, hide = true, default_value_t = 1)]
    pub(crate) coalesce: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The programs that this binary can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// axum, a handler that reads the body and answers.
    Noop,
    /// axum, signature and parsing, an append-only file with one fdatasync per batch.
    Log,
    /// The service on a store that forgets at once.
    Null,
    /// A loop over sockets that writes events.
    Feed,
}

impl Arguments {
    /// Whether the row is to be measured.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }

    /// The length of a turn.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
