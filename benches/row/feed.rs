//! The feed: how many events a second reach 1,000 subscribers, one per frame and with a backlog.

use std::time::Duration;

use event_connector::clock::Clock;
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::service::{Product, Service};
use crate::arguments::{Arguments, Role};
use crate::figure::Figure;
use crate::load::connection::Connection;
use crate::load::request::{Requests, SECRET};
use crate::load::subscribers::Subscriber;
use crate::process::{Process, role, say};
use crate::sample::median;

const SUBSCRIBERS: usize = 1_000;

/// Events of one turn, one after the other.
const LIVE: usize = 200;

/// Events that wait for whoever connects.
const BACKLOG: usize = 3_000;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..arguments.rounds {
        let turns = [
            raw(1, LIVE).await?,
            live().await?,
            raw(16, BACKLOG).await?,
            backlog().await?,
        ];
        let names = ["raw, one per write", "live", "raw, 16 per write", "backlog"];
        for ((rates, rate), name) in rates.iter_mut().zip(turns).zip(names) {
            say(&format!("  {name:<19} {rate:>10.0} events/s"));
            rates.push(rate);
        }
    }
    let [raw_live, live, raw_backlog, backlog] = rates.map(median);
    let figure = |name: &str, ours: f64, theirs: f64, floor, aim| Figure {
        name: name.to_owned(),
        detail: format!("{ours:.0}/s; {theirs:.0}/s"),
        value: ours / theirs,
        unit: "",
        floor,
        aim,
    };
    Ok(vec![
        figure(
            "feed, one event per frame / bare write loop",
            live,
            raw_live,
            0.50,
            0.75,
        ),
        figure(
            "feed with backlog / bare loop of 16",
            backlog,
            raw_backlog,
            0.30,
            1.0,
        ),
    ])
}

/// Delivered events a second of the bare loop, in step: nobody is sent the next event before
/// everybody has the last.
async fn raw(coalesce: usize, events: usize) -> anyhow::Result<f64> {
    let mut command = role(Role::Feed, std::path::Path::new("."))?;
    command.args(["--coalesce", &coalesce.to_string()]);
    let server = Process::start(command)?;
    let mut conductor = TcpStream::connect(server.address).await?;
    conductor
        .write_all(format!("take {SUBSCRIBERS}\n").as_bytes())
        .await?;
    let mut listeners = connect(&server, "/").await?;
    let mut done = [0_u8];
    conductor.read_exact(&mut done).await?;
    let clock = Clock::system();
    let began = clock.monotonic();
    let step = if coalesce == 1 { 1 } else { events };
    for sent in (step..=events).step_by(step) {
        conductor
            .write_all(format!("go {step}\n").as_bytes())
            .await?;
        all_have(&mut listeners, sent).await?;
        conductor.read_exact(&mut done).await?;
    }
    Ok(rate(events, clock.since(began)))
}

/// The same with the service: each event is an ingest request, durable before anybody sees it.
async fn live() -> anyhow::Result<f64> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let mut requests = Requests::new("acme", "s", 100);
    let mut listeners = connect(&service.process, "/stream/acme").await?;
    let mut sender = Connection::open(service.process.address).await?;
    let mut buffer = Vec::new();
    let clock = Clock::system();
    let began = clock.monotonic();
    for sent in 1..=LIVE {
        requests.write(&mut buffer);
        sender.demand(&buffer).await?;
        all_have(&mut listeners, sent).await?;
    }
    Ok(rate(LIVE, clock.since(began)))
}

/// Everybody connects to a feed that holds events already; the clock runs from the first byte they
/// can have to the last event that anybody misses.
async fn backlog() -> anyhow::Result<f64> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let mut requests = Requests::new("acme", "s", 100);
    service.send(&mut requests, BACKLOG as u64).await?;
    // Whoever is there already keeps the ring filled.
    let mut first = connect_some(&service.process, "/stream/acme?since=0-0", 1).await?;
    all_have(&mut first, BACKLOG).await?;
    let clock = Clock::system();
    let began = clock.monotonic();
    let mut listeners = connect(&service.process, "/stream/acme?since=0-0").await?;
    all_have(&mut listeners, BACKLOG).await?;
    Ok(rate(BACKLOG, clock.since(began)))
}

async fn connect(server: &Process, path: &str) -> anyhow::Result<Vec<Subscriber>> {
    connect_some(server, path, SUBSCRIBERS).await
}

async fn connect_some(
    server: &Process,
    path: &str,
    count: usize,
) -> anyhow::Result<Vec<Subscriber>> {
    let one = || Subscriber::open(server.address, path, SECRET);
    try_join_all((0..count).map(|_| one())).await
}

async fn all_have(listeners: &mut [Subscriber], events: usize) -> anyhow::Result<()> {
    let each = listeners.iter_mut().map(|listener| listener.until(events));
    try_join_all(each).await?;
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "some millions of events, exact as a double"
)]
fn rate(events: usize, took: Duration) -> f64 {
    (events * SUBSCRIBERS) as f64 / took.as_secs_f64()
}
