//! Loops that send requests: as fast as answers come, or at a rate.

use std::pin::pin;
use std::time::Duration;

use event_connector::clock::{Clock, Instant};
use futures_util::future::{Either, join_all, select};
use tokio::sync::Mutex;

use super::connection::Connection;
use super::request::{Requests, Route};
use crate::process::Process;
use crate::sample::{Turn, micros};

/// Sends over `connections` connections for `turn`, each call after the answer to the one before.
pub(crate) async fn closed(
    server: &Process,
    requests: &mut Requests,
    connections: usize,
    turn: Duration,
) -> anyhow::Result<Turn> {
    spread(&[server], Route::Even, requests, connections, turn).await
}

/// The same over several servers: each of `connections` senders has a connection to every one of them.
pub(crate) async fn spread(
    servers: &[&Process],
    route: Route,
    requests: &mut Requests,
    connections: usize,
    turn: Duration,
) -> anyhow::Result<Turn> {
    let clock = Clock::system();
    let workers = connections as u64;
    let mut open = Vec::new();
    for number in 0..workers {
        let mut each = Vec::new();
        for server in servers {
            each.push(Connection::open(server.address).await?);
        }
        open.push((each, requests.share(number, workers)));
    }
    let busy_s = || servers.iter().map(|server| server.busy_s()).sum::<f64>();
    let (began, busy) = (clock.monotonic(), busy_s());
    let sent = open.into_iter().map(|(connections, requests)| {
        let clock = clock.clone();
        async move { one(connections, route, requests, &clock, (began, turn)).await }
    });
    let mut sum = Turn::default();
    for part in awake(join_all(sent)).await {
        sum.add(part);
    }
    sum.seconds = clock.since(began).as_secs_f64();
    sum.busy_s = busy_s() - busy;
    // No two turns send the same event, however uneven the workers were.
    requests.skip((sum.accepted + sum.refused + sum.failed + workers) * 2 + 1_000_000);
    Ok(sum)
}

/// Waits for `work` without ever sleeping. A server whose answer finds the load asleep has to wake its core, which
/// costs it a few microseconds on a virtual machine: as often as the load happens to be ahead, and not those who
/// answer so fast that it never is.
async fn awake<T>(work: impl Future<Output = T>) -> T {
    let idle = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    match select(pin!(work), pin!(idle)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
    }
}

async fn one(
    mut connections: Vec<Connection>,
    route: Route,
    mut requests: Requests,
    clock: &Clock,
    (began, turn): (Instant, Duration),
) -> Turn {
    let mut part = Turn::default();
    let mut buffer = Vec::with_capacity(4096);
    while clock.since(began) < turn {
        let server = requests.server(route, connections.len());
        let Some(connection) = connections.get_mut(server) else {
            break;
        };
        requests.write(&mut buffer);
        let sent = clock.monotonic();
        match connection.call(&buffer).await {
            Ok((200..=299, _)) => {
                part.accepted += 1;
                part.latencies_us.push(micros(clock.since(sent)));
            }
            Ok(_) => part.refused += 1,
            Err(_) => {
                part.failed += 1;
                break;
            }
        }
    }
    part
}

/// Sends `count` requests in all, each connection after its answers.
pub(crate) async fn exactly(
    server: &Process,
    requests: &mut Requests,
    connections: usize,
    count: u64,
) -> anyhow::Result<Turn> {
    let workers = connections as u64;
    let mut open = Vec::new();
    for number in 0..workers {
        let connection = Connection::open(server.address).await?;
        let own = count / workers + u64::from(number < count % workers);
        open.push((connection, requests.share(number, workers), own));
    }
    let sent = open
        .into_iter()
        .map(|(mut connection, mut requests, own)| async move {
            let mut part = Turn::default();
            let mut buffer = Vec::with_capacity(4096);
            for _ in 0..own {
                requests.write(&mut buffer);
                match connection.call(&buffer).await {
                    Ok((200..=299, _)) => part.accepted += 1,
                    Ok(_) => part.refused += 1,
                    Err(_) => part.failed += 1,
                }
            }
            part
        });
    let mut sum = Turn::default();
    for part in join_all(sent).await {
        sum.add(part);
    }
    requests.skip(count);
    Ok(sum)
}

/// When calls are due, and on how many connections.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Calls a second.
    pub(crate) rate: f64,
    /// More than are ever in flight at a rate that is kept.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) turn: Duration,
}

/// What the workers of an open loop share: the number of the next call, and how to make it.
struct Due {
    number: u32,
    requests: Requests,
}

/// Sends at a rate, whether answers come or not; a call's time runs from the moment it was due.
pub(crate) async fn open(
    server: &Process,
    requests: &mut Requests,
    pace: Pace,
) -> anyhow::Result<Turn> {
    let clock = Clock::system();
    let mut connections = Vec::new();
    for _ in 0..pace.connections {
        connections.push(Connection::open(server.address).await?);
    }
    let due = Mutex::new(Due {
        number: 0,
        requests: requests.clone(),
    });
    let (began, busy) = (clock.monotonic(), server.busy_s());
    let workers = connections
        .into_iter()
        .map(|connection| paced(connection, &due, &clock, (pace, began)));
    let mut sum = Turn::default();
    for part in awake(join_all(workers)).await {
        sum.add(part);
    }
    sum.seconds = clock.since(began).as_secs_f64();
    sum.busy_s = server.busy_s() - busy;
    *requests = due.into_inner().requests;
    Ok(sum)
}

async fn paced(
    mut connection: Connection,
    due: &Mutex<Due>,
    clock: &Clock,
    (pace, began): (Pace, Instant),
) -> Turn {
    let mut part = Turn::default();
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let mut next = due.lock().await;
        let at = Duration::from_secs_f64(f64::from(next.number) / pace.rate);
        // A rate that cannot be kept ends with its turn all the same.
        if at >= pace.turn || clock.since(began) >= pace.turn {
            return part;
        }
        next.number += 1;
        next.requests.write(&mut buffer);
        // The runtime's timer counts milliseconds; this waits to the microsecond.
        while clock.since(began) < at {
            tokio::task::yield_now().await;
        }
        drop(next);
        match connection.call(&buffer).await {
            Ok((200..=299, _)) => {
                let took = clock.since(began).saturating_sub(at);
                part.accepted += 1;
                part.latencies_us.push(micros(took));
            }
            Ok(_) => part.refused += 1,
            Err(_) => part.failed += 1,
        }
    }
}
