//! Three times as much as can be served: what is still accepted, and what it costs in memory.

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive::{self, Pace};
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{Turn, median};

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let mut requests = Requests::new("acme", "s", 2_000);
    service.send(&mut requests, 2_000).await?;
    let (mut peak, mut flood) = (Vec::new(), Vec::new());
    let mut resident = [0.0_f64; 2];
    for _ in 0..arguments.rounds {
        let calm = drive::closed(
            &service.process,
            &mut requests,
            arguments.connections,
            arguments.turn(),
        )
        .await?;
        resident[0] = resident[0].max(service.process.resident_bytes());
        let rate = calm.rate() * 3.0;
        let flooded = drive::open(
            &service.process,
            &mut requests,
            Pace {
                rate,
                connections: 2_000,
                turn: arguments.turn(),
            },
        )
        .await?;
        resident[1] = resident[1].max(service.process.resident_bytes());
        for (name, turn) in [("closed loop", &calm), ("flood", &flooded)] {
            say(&format!(
                "  {name:<12} {:>8.0} /s accepted{}",
                turn.rate(),
                others(turn)
            ));
        }
        peak.push(calm);
        flood.push(flooded);
    }
    let rate = |turns: &[Turn]| median(turns.iter().map(Turn::rate));
    Ok(vec![
        Figure {
            name: "accepted under three times the load / peak".to_owned(),
            detail: format!("{:.0}/s; {:.0}/s", rate(&flood), rate(&peak)),
            value: rate(&flood) / rate(&peak),
            unit: "",
            floor: 0.7,
            aim: 0.9,
        },
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
