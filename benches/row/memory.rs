//! Memory: per feed connection, per live session, of sessions that sleep; and how long waking takes.

use std::time::Duration;

use anyhow::ensure;
use event_connector::clock::Clock;
use futures_util::future::try_join_all;
use rusqlite::OpenFlags;

use super::service::{Product, STORE, Service, free_address};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::{Requests, SECRET};
use crate::load::subscribers::Subscriber;
use crate::process::say;
use crate::sample::{float, micros, percentile};

const CONNECTIONS: u64 = 2_000;

/// How many subscribers connect at the same time.
const TOGETHER: u64 = 50;

const SESSIONS: u64 = 50_000;

/// Requests to each session: the actions that wait for a note then make its state about 2 KB.
const REQUESTS: u64 = 12;

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
    // A few at a time: what many heads at once need stays with the allocator, and is not what is asked.
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS / TOGETHER {
        open.extend(try_join_all((0..TOGETHER).map(|_| one())).await?);
    }
    let each = (service.process.resident_bytes() - before) / float(CONNECTIONS);
    Ok(Figure {
        name: "memory per feed connection".to_owned(),
        detail: format!("{} subscribers, {TOGETHER} at a time", open.len()),
        value: each / 1024.0,
        unit: " KB",
        floor: 24.0,
        aim: 8.0,
    })
}

async fn sessions() -> anyhow::Result<Vec<Figure>> {
    let idle = [
        ("CONNECTOR__SESSION__IDLE_S", "60"),
        ("CONNECTOR__SESSION__PRE_LINK_WINDOW_S", "3600"),
        ("CONNECTOR__SESSION__LIVE_MAX", "1000000"),
    ];
    // A product with notes, so that actions wait for one; no note is ever due.
    let product = Product::notes("acme", free_address()?);
    let service = Service::start(&[product], &idle).await?;
    // The first half fills what is filled once: page caches, the log in memory, the allocator's pages.
    let half = SESSIONS / 2;
    let mut first = Requests::new("acme", "first", half);
    load(&service, &mut first, half * REQUESTS).await?;
    let some = Live::now(&service).await?;
    load(
        &service,
        &mut Requests::new("acme", "more", half),
        half * REQUESTS,
    )
    .await?;
    let all = Live::now(&service).await?;
    let asleep = asleep_bytes(&service).await?;
    let mut second = Requests::new("acme", "second", SESSIONS);
    load(&service, &mut second, SESSIONS * REQUESTS).await?;
    let after = asleep_bytes(&service).await?;
    say(&format!(
        "  resident: {:.0} MB with {} live, {:.0} MB with {}, {:.0} MB asleep, {:.0} MB asleep after as many more",
        some.resident_bytes / 1e6,
        some.sessions,
        all.resident_bytes / 1e6,
        all.sessions,
        asleep / 1e6,
        after / 1e6
    ));
    let more = all.sessions - some.sessions;
    Ok(vec![
        Figure {
            name: "memory per live session of 2 KB".to_owned(),
            detail: format!(
                "{more} more beside {}, {:.1} KB stored of each",
                some.sessions,
                stored_bytes(&service)? / 1024.0
            ),
            value: (all.resident_bytes - some.resident_bytes) / more.max(1.0) / 1024.0,
            unit: " KB",
            floor: 4.0,
            aim: 3.4,
        },
        Figure {
            name: "memory per session put to sleep".to_owned(),
            detail: format!("{SESSIONS} more slept"),
            value: (after - asleep) / float(SESSIONS) / 1024.0,
            unit: " KB",
            floor: 0.1,
            aim: 0.0,
        },
        waking(&service, &mut first).await?,
    ])
}

/// How many sessions are live, and what the process takes with them.
struct Live {
    sessions: f64,
    resident_bytes: f64,
}

impl Live {
    async fn now(service: &Service) -> anyhow::Result<Self> {
        let mut connection = Connection::open(service.process.address).await?;
        Ok(Self {
            sessions: value_of(&mut connection, "connector_sessions_live").await?,
            resident_bytes: service.process.resident_bytes(),
        })
    }
}

/// The mean size of a stored state with its settled part, bytes.
fn stored_bytes(service: &Service) -> anyhow::Result<f64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(service.directory.path().join(STORE), flags)?;
    Ok(db.query_row(
        "SELECT avg(length(k.state) + coalesce(octet_length(rtrim(CAST(s.state AS TEXT))), 0))
         FROM keys k LEFT JOIN settled s ON s.key = k.id WHERE k.state IS NOT NULL",
        (),
        |row| row.get(0),
    )?)
}

/// Sends `count` requests over many connections.
async fn load(service: &Service, requests: &mut Requests, count: u64) -> anyhow::Result<()> {
    let sent = drive::exactly(&service.process, requests, 64, count).await?;
    ensure!(sent.accepted == count, "only {} were taken", sent.accepted);
    Ok(())
}

/// What is resident once everybody sleeps. The allocator gives back only while it is asked for memory, so a
/// few sessions go on meanwhile, until nothing more comes back.
async fn asleep_bytes(service: &Service) -> anyhow::Result<f64> {
    until_asleep(service).await?;
    let mut few = Requests::new("acme", "few", 64);
    let (mut least, mut looks) = (f64::INFINITY, 0);
    while looks < 10 {
        load(service, &mut few, 2_000).await?;
        let resident = service.process.resident_bytes();
        looks = if resident < least { 0 } else { looks + 1 };
        least = least.min(resident);
    }
    Ok(least)
}

async fn until_asleep(service: &Service) -> anyhow::Result<()> {
    let mut connection = Connection::open(service.process.address).await?;
    while value_of(&mut connection, "connector_sessions_live").await? > 0.0 {
        Clock::system().sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How long the first request of sleeping sessions takes, beside the next one to the same session.
async fn waking(service: &Service, first: &mut Requests) -> anyhow::Result<Figure> {
    let clock = Clock::system();
    let mut connection = Connection::open(service.process.address).await?;
    let mut next = first.clone();
    next.skip(SESSIONS / 2);
    let mut buffer = Vec::new();
    let (mut woken, mut again) = (Vec::new(), Vec::new());
    for _ in 0..WOKEN {
        for (requests, took) in [(&mut *first, &mut woken), (&mut next, &mut again)] {
            requests.write(&mut buffer);
            let began = clock.monotonic();
            connection.demand(&buffer).await?;
            took.push(micros(clock.since(began)));
        }
    }
    woken.sort_unstable();
    again.sort_unstable();
    let ms = |took: &[u32], part| f64::from(percentile(took, part)) / 1000.0;
    Ok(Figure {
        name: "p99 of waking a session".to_owned(),
        detail: format!(
            "p50 {:.2} ms, commit included; the next request p50 {:.2} ms, p99 {:.2} ms",
            ms(&woken, 0.5),
            ms(&again, 0.5),
            ms(&again, 0.99)
        ),
        value: ms(&woken, 0.99),
        unit: " ms",
        floor: 2.0,
        aim: 1.0,
    })
}
