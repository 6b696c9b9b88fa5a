//! Ingest while somebody registers products, and somebody else guesses keys, as fast as they are answered.

use std::time::Duration;

use event_connector::clock::{Clock, Instant};
use serde_json::json;

use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, get, post};
use crate::load::drive::{self, Pace};
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{Turn, median};

/// Requests a second of the ingest that is measured.
const RATE: f64 = 2_000.0;

/// Connections of each storm. Each of them asks again this long after it was answered: the load has one core.
const STORMERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);

/// What storms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storm {
    None,
    Registrations,
    Guesses,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let key = [(
        "CONNECTOR_SECRETS_KEY",
        "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=",
    )];
    let service = Service::start(&[Product::feed("acme")], &key).await?;
    let mut requests = Requests::new("acme", "s", 2_000);
    service.send(&mut requests, 2_000).await?;
    let mut tails = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..arguments.rounds {
        let storms = [Storm::None, Storm::Registrations, Storm::Guesses];
        for (storm, tails) in storms.into_iter().zip(&mut tails) {
            let (mut turn, asked) = turn(&service, &mut requests, storm, arguments.turn()).await?;
            let tail = turn.percentile_ms(0.99);
            say(&format!(
                "  {:<14} p50 {:>7.2} ms  p99 {tail:>7.2} ms, {asked} requests of the storm",
                format!("{storm:?}").to_lowercase(),
                turn.percentile_ms(0.5),
            ));
            tails.push(tail);
        }
    }
    let [calm, registrations, guesses] = tails.map(median);
    let figure = |name: &str, tail: f64| Figure {
        name: format!("p99 of ingest beside a storm of {name} / without"),
        detail: format!("{tail:.2} ms; {calm:.2} ms"),
        value: tail / calm,
        unit: "x",
        floor: 1.2,
        aim: 1.0,
    };
    Ok(vec![
        figure("registrations", registrations),
        figure("guessed keys", guesses),
    ])
}

/// Ingest at a rate beside a storm, and how often the storm was answered.
async fn turn(
    service: &Service,
    requests: &mut Requests,
    storm: Storm,
    length: Duration,
) -> anyhow::Result<(Turn, usize)> {
    let clock = Clock::system();
    let began = clock.monotonic();
    let pace = Pace {
        rate: RATE,
        connections: 64,
        turn: length,
    };
    let stormers = (0..STORMERS).map(|number| {
        let span = (began, length);
        stormer(service, storm, number, &clock, span)
    });
    let stormers = futures_util::future::try_join_all(stormers);
    let ingest = drive::open(&service.process, requests, pace);
    let (turn, asked) = futures_util::future::try_join(ingest, stormers).await?;
    Ok((turn, asked.into_iter().sum()))
}

async fn stormer(
    service: &Service,
    storm: Storm,
    number: usize,
    clock: &Clock,
    (began, length): (Instant, Duration),
) -> anyhow::Result<usize> {
    let mut asked = 0;
    if storm == Storm::None {
        return Ok(asked);
    }
    let mut connection = Connection::open(service.process.address).await?;
    while clock.since(began) < length {
        let request = match storm {
            Storm::Guesses => get("/stream/acme", &format!("str_guess_{number}_{asked}")),
            _ => {
                let body = json!({
                    "provider": "posthog",
                    "provider_project_id": format!("{number}-{asked}"),
                    "contact_email": "ops@northwind.example",
                });
                post("/products", &body.to_string())
            }
        };
        // Most are refused: by the limit of registrations a minute, or because a guess is wrong.
        connection.call(&request).await?;
        asked += 1;
        clock.sleep(PAUSE).await;
    }
    Ok(asked)
}
