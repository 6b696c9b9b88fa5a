//! Pushes: from a signed request to a push that its receiver has taken and the store calls done.

use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::tasks::Tasks;

use super::service::{Product, Service};
use crate::arguments::{Arguments, Role};
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::{Process, role, say};
use crate::sample::{float, median};
use crate::vendor::{Manner, Vendor};

/// Sessions that the load goes round: as many lanes, each in order.
const SESSIONS: u64 = 2_000;

/// Requests of one turn, each of which becomes a push.
const REQUESTS: u64 = 10_000;

/// Any address of this machine may be pushed to.
const OPEN: [(&str, &str); 2] = [
    ("CONNECTOR__PUSH__ALLOW_HTTP", "true"),
    ("CONNECTOR__PUSH__ALLOW_NETWORKS", "127.0.0.0/8"),
];

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let files = tempfile::tempdir()?;
    let tasks = Tasks::new();
    let receiver = Vendor::start(&tasks, Manner::Prompt).await?;
    let service = Service::start(&[Product::push("acme", receiver.address)], &OPEN).await?;
    let noop = role(Role::Noop, files.path()).and_then(Process::start)?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    let (mut plain, mut pushed) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let connections = arguments.connections;
        let turn = drive::closed(&noop, &mut requests, connections, arguments.turn());
        plain.push(turn.await?.rate());
        pushed.push(turn_of(&service, &receiver, &mut requests, connections).await?);
        say(&format!(
            "  no-op {:>8.0} /s, pushed and marked done {:>8.0} /s",
            plain.last().copied().unwrap_or_default(),
            pushed.last().copied().unwrap_or_default()
        ));
    }
    let (plain, pushed) = (median(plain), median(pushed));
    Ok(vec![Figure {
        name: "ingest to signed push marked done / axum no-op".to_owned(),
        detail: format!("{pushed:.0}/s; {plain:.0}/s"),
        value: pushed / plain,
        unit: "",
        floor: 0.04,
        aim: 0.12,
    }])
}

/// Pushes a second, until the last one is done.
async fn turn_of(
    service: &Service,
    receiver: &Vendor,
    requests: &mut Requests,
    connections: usize,
) -> anyhow::Result<f64> {
    let clock = Clock::system();
    let (began, taken) = (clock.monotonic(), receiver.taken());
    let sent = drive::exactly(&service.process, requests, connections, REQUESTS).await?;
    anyhow::ensure!(sent.accepted == REQUESTS, "{} were accepted", sent.accepted);
    // Nobody asks the service meanwhile: counting its backlog every few milliseconds cost it more than the pushes.
    while receiver.taken() < taken + REQUESTS {
        clock.sleep(Duration::from_millis(1)).await;
    }
    let mut connection = Connection::open(service.process.address).await?;
    while value_of(&mut connection, "connector_outbox_depth").await? > 0.0 {
        clock.sleep(Duration::from_millis(5)).await;
    }
    Ok(float(REQUESTS) / clock.since(began).as_secs_f64())
}
