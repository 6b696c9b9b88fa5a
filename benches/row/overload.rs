//! Three times as much as can be served: what is still accepted, and what it costs in memory. Once with
//! connections that all find room to wait, and once with so many that some are refused and come back at once.

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive::{self, Pace};
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{Turn, median};

/// Connections that all find room to wait.
const FLOOD: usize = 2_000;

/// More connections than may wait: the others are refused, and come back at once all the same.
const CROWD: usize = 12_000;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let mut requests = Requests::new("acme", "s", 2_000);
    service.send(&mut requests, 2_000).await?;
    let (mut peak, mut flood, mut crowd) = (Vec::new(), Vec::new(), Vec::new());
    let mut resident = [0.0_f64; 2];
    for _ in 0..arguments.rounds {
        let connections = arguments.connections;
        let calm = drive::closed(
            &service.process,
            &mut requests,
            connections,
            arguments.turn(),
        );
        let calm = told("closed loop", calm.await?);
        resident[0] = resident[0].max(service.process.resident_bytes());
        let rate = calm.rate() * 3.0;
        peak.push(calm);
        flood.push(flooded("flood", &service, &mut requests, (FLOOD, rate), arguments).await?);
        resident[1] = resident[1].max(service.process.resident_bytes());
    }
    // Behind the others, because what so many connections take in memory is not given back at once.
    let rate = |turns: &[Turn]| median(turns.iter().map(Turn::rate));
    for _ in 0..arguments.rounds {
        let pace = (CROWD, rate(&peak) * 3.0);
        crowd.push(flooded("crowd", &service, &mut requests, pace, arguments).await?);
    }
    let kept = |name: &str, turns: &[Turn], floor, aim| Figure {
        name: name.to_owned(),
        detail: format!("{:.0}/s; {:.0}/s", rate(turns), rate(&peak)),
        value: rate(turns) / rate(&peak),
        unit: "",
        floor,
        aim,
    };
    Ok(vec![
        kept(
            "accepted under three times the load / peak",
            &flood,
            0.7,
            0.9,
        ),
        kept(
            "the same, more connections than may wait / peak",
            &crowd,
            0.4,
            0.6,
        ),
        Figure {
            name: "memory added by three times the load".to_owned(),
            detail: format!("{:.0} MB; {:.0} MB", resident[1] / 1e6, resident[0] / 1e6),
            value: (resident[1] - resident[0]) / 1e6,
            unit: " MB",
            floor: 200.0,
            aim: 50.0,
        },
    ])
}

async fn flooded(
    name: &str,
    service: &Service,
    requests: &mut Requests,
    (connections, rate): (usize, f64),
    arguments: &Arguments,
) -> anyhow::Result<Turn> {
    let pace = Pace {
        rate,
        connections,
        turn: arguments.turn(),
    };
    let turn = drive::open(&service.process, requests, pace).await?;
    Ok(told(name, turn))
}

fn told(name: &str, turn: Turn) -> Turn {
    say(&format!(
        "  {name:<12} {:>8.0} /s accepted, {:.0} % of the core{}",
        turn.rate(),
        turn.busy_s / turn.seconds * 100.0,
        others(&turn)
    ));
    turn
}
