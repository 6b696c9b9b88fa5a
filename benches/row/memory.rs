//! Memory: per feed connection, per live session, of sessions that sleep; and how long waking takes.

use std::time::Duration;

use anyhow::ensure;
use event_connector::clock::Clock;
use futures_util::future::try_join_all;

use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::{Requests, SECRET};
use crate::load::subscribers::Subscriber;
use crate::process::say;
use crate::sample::{float, micros, percentile};

const CONNECTIONS: u64 = 2_000;
const SESSIONS: u64 = 50_000;

/// Requests to each session: they make its state about 2 KB.
const REQUESTS: u64 = 8;

/// How many sleeping sessions are woken, one after the other.
const WOKEN: u64 = 2_000;

pub(crate) async fn run(_: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![connections().await?];
    figures.extend(sessions().await?);
    Ok(figures)
}

async fn connections() -> anyhow::Result<Figure> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let one = || Subscriber::open(service.process.address, "/stream/acme", SECRET);
    // What the first ones cost is paid once.
    let _first = try_join_all((0..100).map(|_| one())).await?;
    let before = service.process.resident_bytes();
    let _open = try_join_all((0..CONNECTIONS).map(|_| one())).await?;
    let each = (service.process.resident_bytes() - before) / float(CONNECTIONS);
    Ok(Figure {
        name: "memory per feed connection".to_owned(),
        detail: format!("{CONNECTIONS} subscribers"),
        value: each / 1024.0,
        unit: " KB",
        floor: 24.0,
        aim: 8.0,
    })
}

async fn sessions() -> anyhow::Result<Vec<Figure>> {
    let idle = [
        ("CONNECTOR__SESSION__IDLE_S", "20"),
        ("CONNECTOR__SESSION__PRE_LINK_WINDOW_S", "3600"),
        ("CONNECTOR__SESSION__LIVE_MAX", "1000000"),
    ];
    let service = Service::start(&[Product::feed("acme")], &idle).await?;
    let mut warm = Requests::new("acme", "warm", 2_000);
    load(&service, &mut warm, 2_000 * REQUESTS).await?;
    until_asleep(&service).await?;
    let empty = service.process.resident_bytes();

    let mut first = Requests::new("acme", "first", SESSIONS);
    load(&service, &mut first, SESSIONS * REQUESTS).await?;
    let mut connection = Connection::open(service.process.address).await?;
    let live = value_of(&mut connection, "connector_sessions_live").await?;
    let full = service.process.resident_bytes();
    until_asleep(&service).await?;
    let asleep = service.process.resident_bytes();
    let second = Requests::new("acme", "second", SESSIONS);
    load(&service, &mut second.clone(), SESSIONS * REQUESTS).await?;
    until_asleep(&service).await?;
    let after = service.process.resident_bytes();
    say(&format!(
        "  resident: {:.0} MB empty, {:.0} MB with {live} live, {:.0} MB asleep, {:.0} MB asleep after as many more",
        empty / 1e6,
        full / 1e6,
        asleep / 1e6,
        after / 1e6
    ));
    let woken = wake(&service, &mut first).await?;
    let figure = |name: &str, value: f64, detail: String, floor, aim, unit| Figure {
        name: name.to_owned(),
        detail,
        value,
        unit,
        floor,
        aim,
    };
    Ok(vec![
        figure(
            "memory per live session of 2 KB",
            (full - empty) / live.max(1.0) / 1024.0,
            format!("{live} live"),
            4.0,
            3.4,
            " KB",
        ),
        figure(
            "memory per session put to sleep",
            (after - asleep) / float(SESSIONS) / 1024.0,
            format!("{SESSIONS} more slept"),
            0.1,
            0.0,
            " KB",
        ),
        figure(
            "p99 of waking a session",
            f64::from(percentile(&woken, 0.99)) / 1000.0,
            format!(
                "p50 {:.2} ms, commit included",
                f64::from(percentile(&woken, 0.5)) / 1000.0
            ),
            2.0,
            1.0,
            " ms",
        ),
    ])
}

/// Sends `count` requests over many connections.
async fn load(service: &Service, requests: &mut Requests, count: u64) -> anyhow::Result<()> {
    let sent = drive::exactly(&service.process, requests, 64, count).await?;
    ensure!(sent.accepted == count, "only {} were taken", sent.accepted);
    Ok(())
}

async fn until_asleep(service: &Service) -> anyhow::Result<()> {
    let mut connection = Connection::open(service.process.address).await?;
    while value_of(&mut connection, "connector_sessions_live").await? > 0.0 {
        Clock::system().sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How long the first request of sleeping sessions takes, microseconds, sorted.
async fn wake(service: &Service, requests: &mut Requests) -> anyhow::Result<Vec<u32>> {
    let clock = Clock::system();
    let mut connection = Connection::open(service.process.address).await?;
    let mut buffer = Vec::new();
    let mut took = Vec::new();
    for _ in 0..WOKEN {
        requests.write(&mut buffer);
        let began = clock.monotonic();
        connection.demand(&buffer).await?;
        took.push(micros(clock.since(began)));
    }
    took.sort_unstable();
    Ok(took)
}
