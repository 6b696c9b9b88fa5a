//! How long an answer takes that means durable.

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive::{self, Pace};
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::median;

/// Requests a second of the open loop.
const RATE: f64 = 5_000.0;

/// Requests in flight of the closed loop.
const IN_FLIGHT: usize = 200;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let service = Service::start(&[Product::feed("acme")], &[]).await?;
    let mut requests = Requests::new("acme", "s", 2_000);
    service.send(&mut requests, 2_000).await?;
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let pace = Pace {
            rate: RATE,
            connections: 256,
            turn: arguments.turn(),
        };
        let mut paced = drive::open(&service.process, &mut requests, pace).await?;
        let mut crowd =
            drive::closed(&service.process, &mut requests, IN_FLIGHT, arguments.turn()).await?;
        for (name, turn) in [("5,000/s", &mut paced), ("200 in flight", &mut crowd)] {
            say(&format!(
                "  {name:<14} {:>8.0} /s  p50 {:>7.2} ms  p99 {:>7.2} ms  p99.9 {:>7.2} ms{}",
                turn.rate(),
                turn.percentile_ms(0.5),
                turn.percentile_ms(0.99),
                turn.percentile_ms(0.999),
                others(turn)
            ));
        }
        open.push(paced);
        closed.push(crowd);
    }
    let figure = |name: &str, turns: &mut [crate::sample::Turn], floor, aim| {
        let p50 = median(turns.iter_mut().map(|turn| turn.percentile_ms(0.5)));
        let tail = median(turns.iter_mut().map(|turn| turn.percentile_ms(0.999)));
        Figure {
            name: name.to_owned(),
            detail: format!("p50 {p50:.2} ms, p99.9 {tail:.2} ms"),
            value: median(turns.iter_mut().map(|turn| turn.percentile_ms(0.99))),
            unit: " ms",
            floor,
            aim,
        }
    };
    Ok(vec![
        figure("p99, open loop at 5,000/s", &mut open, 10.0, 2.0),
        figure("p99 at 200 in flight", &mut closed, 50.0, 25.0),
    ])
}
