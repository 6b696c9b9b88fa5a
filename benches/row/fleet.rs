//! A Redis, and instances of the service that share it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use event_connector::clock::Clock;
use tempfile::TempDir;

use super::service::{Product, Service};
use crate::process::pinned;

/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(10);

/// How long a server may take to write its append-only file anew.
const REST: Duration = Duration::from_secs(60);

/// A server on the servers' core, with what it keeps; ends when dropped.
pub(super) struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts one with an append-only file.
    pub(super) async fn start(appendfsync: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let child = pinned("redis-server")
            .current_dir(directory.path())
            .args(["--port", "0", "--unixsocket", "socket", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", appendfsync])
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is needed (package redis-server)")?;
        let server = Self { child, directory };
        let clock = Clock::system();
        let began = clock.monotonic();
        while UnixStream::connect(server.socket()).is_err() {
            ensure!(clock.since(began) < START, "redis-server does not answer");
            clock.sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// One more instance of the service on it.
    pub(super) async fn instance(&self, list: &[Product]) -> anyhow::Result<Service> {
        let url = self.url();
        let settings = [
            ("CONNECTOR__STORE__BACKEND", "redis"),
            ("REDIS_URL", url.as_str()),
        ];
        Service::start(list, &settings).await
    }

    /// A connection to ask it about itself.
    pub(super) fn connect(&self) -> anyhow::Result<redis::Connection> {
        Ok(redis::Client::open(self.url())?.get_connection()?)
    }

    /// Waits until it does nothing by itself any more: whoever writes its append-only file anew has the same core.
    pub(super) async fn rest(&self) -> anyhow::Result<()> {
        let mut connection = self.connect()?;
        let clock = Clock::system();
        let began = clock.monotonic();
        for work in [
            "rewrite_scheduled",
            "rewrite_in_progress",
            "pending_bio_fsync",
        ] {
            while info(&mut connection, "persistence", &format!("aof_{work}:"))? > 0.0 {
                ensure!(clock.since(began) < REST, "redis-server does not rest");
                clock.sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind `name` in a section of what a server says of itself.
pub(super) fn info(
    connection: &mut redis::Connection,
    section: &str,
    name: &str,
) -> anyhow::Result<f64> {
    let told: String = redis::cmd("INFO").arg(section).query(connection)?;
    let found = told.lines().find_map(|line| line.strip_prefix(name));
    let found = found.with_context(|| format!("INFO {section} has no {name}"))?;
    let digits = found.split(|c: char| !c.is_ascii_digit()).next();
    Ok(digits.unwrap_or_default().parse()?)
}
