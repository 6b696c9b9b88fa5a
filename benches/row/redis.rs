//! The store in Redis: durable ingest beside what `redis-benchmark` appends of the same bytes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use event_connector::clock::Clock;
use tempfile::TempDir;

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::{pinned, say};
use crate::sample::{Turn, median};

/// Sessions that the load goes round.
const SESSIONS: u64 = 10_000;

/// Bytes of one appended entry: what a request's body has.
const ENTRY_BYTES: usize = 1_536;

/// How long a server may take to answer for the first time.
const START_MS: u64 = 10_000;

/// A server on the servers' core, with what it keeps; ends when dropped.
struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    async fn start(appendfsync: &str) -> anyhow::Result<Self> {
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
        while std::os::unix::net::UnixStream::connect(server.socket()).is_err() {
            let waited = clock.since(began).as_millis();
            ensure!(
                waited < u128::from(START_MS),
                "redis-server does not answer"
            );
            clock.sleep(std::time::Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Entries that `redis-benchmark` appends in a second, over sixteen connections.
fn appended(socket: &Path, entries: u64) -> anyhow::Result<f64> {
    let body = "x".repeat(ENTRY_BYTES);
    let done = Command::new("redis-benchmark")
        .arg("-s")
        .arg(socket)
        .args(["-c", "16", "-n", &entries.to_string(), "--csv"])
        .args([
            "XADD", "entries", "MAXLEN", "~", "50000", "*", "body", &body,
        ])
        .output()
        .context("redis-benchmark is needed (package redis-tools)")?;
    let told = String::from_utf8_lossy(&done.stdout);
    let rate = told.lines().last().and_then(|line| {
        let mut columns = line.rsplit("\",\"");
        columns.nth(6)?.parse().ok()
    });
    rate.with_context(|| format!("redis-benchmark says {told}"))
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for appendfsync in ["always", "everysec"] {
        figures.push(measure(arguments, appendfsync).await?);
    }
    Ok(figures)
}

async fn measure(arguments: &Arguments, appendfsync: &str) -> anyhow::Result<Figure> {
    let (own, bare) = (
        Server::start(appendfsync).await?,
        Server::start(appendfsync).await?,
    );
    let url = format!("unix://{}", own.socket().display());
    let settings = [
        ("CONNECTOR__STORE__BACKEND", "redis"),
        ("REDIS_URL", url.as_str()),
    ];
    let service = Service::start(&[Product::feed("acme")], &settings).await?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    service.send(&mut requests, 1_000).await?;
    let (mut turns, mut rates) = (Vec::new(), Vec::new());
    let mut entries = 20_000;
    for _ in 0..arguments.rounds {
        let sent = drive::closed(
            &service.process,
            &mut requests,
            arguments.connections,
            arguments.turn(),
        );
        let mut turn = sent.await?;
        let rate = appended(&bare.socket(), entries)?;
        // As long as ours, by what was seen so far.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of entries"
        )]
        {
            entries = (rate * arguments.seconds) as u64;
        }
        say(&format!(
            "  {appendfsync:<8} service {:>8.0} /s  {:>6.1} us of its core each  p50 {:>6.2} ms  p99 {:>6.2} ms{}   \
             appended {rate:>8.0} /s",
            turn.rate(),
            turn.cost_us(),
            turn.percentile_ms(0.5),
            turn.percentile_ms(0.99),
            others(&turn),
        ));
        turns.push(turn);
        rates.push(rate);
    }
    let ours = median(turns.iter().map(Turn::rate));
    let theirs = median(rates);
    Ok(Figure {
        name: format!("durable ingest on Redis, {appendfsync} / redis-benchmark XADD"),
        detail: format!("{ours:.0}/s; {theirs:.0}/s"),
        value: ours / theirs,
        unit: "",
        floor: 0.20,
        aim: 0.50,
    })
}
