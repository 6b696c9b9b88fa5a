//! A slow disk: what is kept of the throughput when every sync takes 5 ms longer.

use anyhow::Context;

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::{pinned, say};
use crate::sample::{Turn, median};

/// Requests in flight: enough that groups can grow.
const CONNECTIONS: usize = 512;

/// Both sides run under strace, which costs the same on both.
const DELAYS_US: [u32; 2] = [0, 5_000];

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut services = Vec::new();
    for delay in DELAYS_US {
        let mut command = pinned("strace");
        command
            .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e"])
            .arg("trace=fsync,fdatasync")
            .arg("-e")
            .arg(format!("inject=fsync,fdatasync:delay_exit={delay}"))
            .arg(env!("CARGO_BIN_EXE_event-connector"));
        let service = Service::start_under(command, &[Product::feed("acme")], &[]).await;
        services.push(service.context("strace is needed (package strace)")?);
    }
    let mut requests = Requests::new("acme", "s", 2_000);
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for _ in 0..arguments.rounds {
        for ((service, turns), delay) in services.iter().zip(&mut turns).zip(DELAYS_US) {
            let sent = drive::closed(
                &service.process,
                &mut requests,
                CONNECTIONS,
                arguments.turn(),
            );
            let mut turn = sent.await?;
            say(&format!(
                "  +{delay:>4} us  {:>8.0} /s  p50 {:>7.2} ms  p99 {:>7.2} ms{}",
                turn.rate(),
                turn.percentile_ms(0.5),
                turn.percentile_ms(0.99),
                others(&turn)
            ));
            turns.push(turn);
        }
    }
    let [fast, slow] = turns.map(|turns| median(turns.iter().map(Turn::rate)));
    Ok(vec![Figure {
        name: "throughput kept with fsync + 5 ms".to_owned(),
        detail: format!("{slow:.0}/s; {fast:.0}/s"),
        value: slow / fast,
        unit: "",
        floor: 0.5,
        aim: 0.95,
    }])
}
