//! The store in Redis: durable ingest beside what `redis-benchmark` appends of the same bytes.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::fleet::Server;
use super::ingest::others;
use super::service::Product;
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{Turn, median};

/// Sessions that the load goes round.
const SESSIONS: u64 = 10_000;

/// Bytes of one appended entry: what a request's body has.
const ENTRY_BYTES: usize = 1_536;

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
    let service = own.instance(&[Product::feed("acme")]).await?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    service.send(&mut requests, SESSIONS).await?;
    let (mut turns, mut rates) = (Vec::new(), Vec::new());
    let mut entries = 20_000;
    for _ in 0..arguments.rounds {
        bare.rest().await?;
        let sent = drive::closed(
            &service.process,
            &mut requests,
            arguments.connections,
            arguments.turn(),
        );
        let mut turn = sent.await?;
        own.rest().await?;
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
