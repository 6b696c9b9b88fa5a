//! Ingest: the whole way of a signed request, with and without writing it down.

use event_connector::tasks::Tasks;

use super::peer;
use super::service::{Product, Service, link};
use crate::arguments::{Arguments, Role};
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::{Process, role, say};
use crate::sample::{Turn, median};
use crate::vendor::{Manner, Vendor};

/// Sessions that the load goes round.
const SESSIONS: u64 = 10_000;

/// How many of them are tied to a conversation, so that their actions become notes in the outbox.
const LINKED: u64 = 100;

/// The contenders, in the order of their turns.
const NAMES: [&str; 5] = ["no-op", "append log", "no store", "durable", "FastAPI"];

/// Measures all five in turns.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let files = tempfile::tempdir()?;
    let tasks = Tasks::new();
    let vendor = Vendor::start(&tasks, Manner::Prompt).await?;
    let durable = Service::start(&[Product::notes("acme", vendor.address)], &[]).await?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    durable.send(&mut requests, SESSIONS).await?;
    let peer = peer::start(vendor.address).await?;
    for process in [&durable.process, &peer] {
        link(process, "acme", &requests, LINKED).await?;
    }
    let start = |what| role(what, files.path()).and_then(Process::start);
    let servers = [
        &start(Role::Noop)?,
        &start(Role::Log)?,
        &start(Role::Null)?,
        &durable.process,
        &peer,
    ];
    let mut turns: [Vec<Turn>; 5] = Default::default();
    for _ in 0..arguments.rounds {
        for ((server, turns), name) in servers.iter().zip(&mut turns).zip(NAMES) {
            let sent = drive::closed(
                server,
                &mut requests,
                arguments.connections,
                arguments.turn(),
            );
            let mut turn = sent.await?;
            say(&format!(
                "  {name:<10} {:>8.0} /s  {:>6.1} us of core each  p50 {:>7.2} ms  p99 {:>7.2} ms{}",
                turn.rate(),
                turn.cost_us(),
                turn.percentile_ms(0.5),
                turn.percentile_ms(0.99),
                others(&turn),
            ));
            turns.push(turn);
        }
    }
    say(&format!(
        "  notes delivered meanwhile: {}",
        vendor.posts().len()
    ));
    Ok(figures(&turns))
}

/// What was not accepted, if anything.
pub(crate) fn others(turn: &Turn) -> String {
    if turn.refused + turn.failed == 0 {
        return String::new();
    }
    format!("  ({} refused, {} failed)", turn.refused, turn.failed)
}

fn figures(turns: &[Vec<Turn>; 5]) -> Vec<Figure> {
    let [noop, log, null, durable, peer] = turns;
    let rate = |turns: &[Turn]| median(turns.iter().map(Turn::rate));
    let cost = |turns: &[Turn]| median(turns.iter().map(Turn::cost_us));
    let ratio = |name: &str, ours: &[Turn], theirs: &[Turn], floor: f64, aim: f64| Figure {
        name: name.to_owned(),
        detail: format!(
            "{:.0}/s, {:.1} us; {:.0}/s, {:.1} us",
            rate(ours),
            cost(ours),
            rate(theirs),
            cost(theirs)
        ),
        value: rate(ours) / rate(theirs),
        unit: "",
        floor,
        aim,
    };
    vec![
        ratio(
            "signed, parsed, routed ingest / axum no-op",
            null,
            noop,
            0.40,
            0.55,
        ),
        ratio("durable ingest / axum no-op", durable, noop, 0.10, 0.26),
        ratio("durable ingest / append log", durable, log, 0.35, 0.85),
        Figure {
            unit: "x",
            ..ratio(
                "durable ingest / FastAPI in memory",
                durable,
                peer,
                5.0,
                10.0,
            )
        },
    ]
}
