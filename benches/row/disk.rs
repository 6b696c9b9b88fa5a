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

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let list = [Product::feed("acme")];
    let plain = Service::start(&list, &[]).await?;
    let mut command = pinned("strace");
    command
        .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"])
        .args(["-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:delay_exit=5000"])
        .arg(env!("CARGO_BIN_EXE_event-connector"));
    let slow = Service::start_under(command, &list, &[]).await;
    // What strace itself costs is counted against the slow side.
    let services = [plain, slow.context("strace is needed (package strace)")?];
    let mut requests = Requests::new("acme", "s", 2_000);
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for _ in 0..arguments.rounds {
        for ((service, turns), name) in services.iter().zip(&mut turns).zip(["as it is", "+5 ms"]) {
            let sent = drive::closed(
                &service.process,
                &mut requests,
                CONNECTIONS,
                arguments.turn(),
            );
            let mut turn = sent.await?;
            say(&format!(
                "  {name:<9} {:>8.0} /s  p50 {:>7.2} ms  p99 {:>7.2} ms{}",
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
