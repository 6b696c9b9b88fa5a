//! From exec to the first green `/readyz`.

use anyhow::ensure;
use event_connector::clock::Clock;

use super::service::{Product, Service, environment, free_address, products};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, get};
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::{Process, pinned, say};
use crate::sample::median;

const SESSIONS: u64 = 10_000;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let list = [Product::feed("acme")];
    let Service { process, directory } = Service::start(&list, &[]).await?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    let sent = drive::exactly(&process, &mut requests, 64, SESSIONS).await?;
    ensure!(
        sent.accepted == SESSIONS,
        "only {} were taken",
        sent.accepted
    );
    drop(process);
    let clock = Clock::system();
    let mut took_ms = Vec::new();
    for _ in 0..arguments.rounds.max(5) {
        let bind = free_address()?;
        let mut command = pinned(env!("CARGO_BIN_EXE_event-connector"));
        let settings = environment(directory.path(), bind, &products(&list));
        command.arg("serve").envs(settings);
        let began = clock.monotonic();
        let process = Process::start_at(command, bind).await?;
        let mut connection = Connection::open(process.address).await?;
        connection.demand(&get("/readyz", "")).await?;
        took_ms.push(clock.since(began).as_secs_f64() * 1000.0);
    }
    let value = median(took_ms);
    say(&format!(
        "  {value:.1} ms, the store killed and recovered each time"
    ));
    Ok(vec![Figure {
        name: "cold start to ready".to_owned(),
        detail: format!("{SESSIONS} sessions in a store that was killed"),
        value,
        unit: " ms",
        floor: 250.0,
        aim: 100.0,
    }])
}
