//! Notes of one product while the vendor of another takes calls and never answers.

use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::tasks::Tasks;

use super::service::{Product, Service, link};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::Connection;
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{median, percentile};
use crate::vendor::{Manner, Vendor};

/// Sessions of each product, every one in a conversation of its own.
const SESSIONS: u64 = 200;

/// Clicks of the healthy product in one turn.
const CLICKS: u64 = 200;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        alone.push(turn(Manner::Prompt).await?);
        beside.push(turn(Manner::HangsFor("token-other")).await?);
        say(&format!(
            "  p99 from click to note: {:.1} ms beside a healthy vendor, {:.1} ms beside one that hangs",
            alone.last().copied().unwrap_or_default(),
            beside.last().copied().unwrap_or_default()
        ));
    }
    let (alone, beside) = (median(alone), median(beside));
    Ok(vec![Figure {
        name: "note latency while another vendor hangs".to_owned(),
        detail: format!("p99 {beside:.1} ms; {alone:.1} ms"),
        value: beside / alone,
        unit: "x",
        floor: 2.0,
        aim: 1.05,
    }])
}

/// The p99 from a click to its note, milliseconds, while the other product's vendor is as it is.
async fn turn(manner: Manner) -> anyhow::Result<f64> {
    let tasks = Tasks::new();
    let vendor = Vendor::start(&tasks, manner).await?;
    let list = [
        Product::notes("acme", vendor.address),
        Product::notes("other", vendor.address),
    ];
    let patience = [("CONNECTOR__DELIVERY__REQUEST_TIMEOUT_MS", "30000")];
    let service = Service::start(&list, &patience).await?;
    let mut requests = Requests::new("acme", "s", SESSIONS);
    let mut others = Requests::new("other", "o", SESSIONS);
    for (product, requests) in [("acme", &mut requests), ("other", &mut others)] {
        service.send(requests, SESSIONS).await?;
        link(&service.process, product, requests, SESSIONS).await?;
    }
    let clock = Clock::system();
    let healthy = || {
        let mut posts = vendor.posts();
        posts.retain(|(call, _)| call.contains("token-acme"));
        posts
    };
    until(&clock, || healthy().len() as u64 >= SESSIONS).await;

    // One click of the sick product for each of the healthy one, so that its backlog grows.
    let mut connection = Connection::open(service.process.address).await?;
    let mut buffer = Vec::new();
    let mut clicked = Vec::new();
    for number in 0..CLICKS {
        others.write(&mut buffer);
        connection.demand(&buffer).await?;
        requests.write(&mut buffer);
        clicked.push((format!("/conversations/9{number:06}/reply"), clock.now_s()));
        connection.demand(&buffer).await?;
        clock.sleep(Duration::from_millis(5)).await;
    }
    let seen = SESSIONS + CLICKS;
    until(&clock, || healthy().len() as u64 >= seen).await;
    let posts = healthy();
    let mut took: Vec<f64> = clicked
        .iter()
        .filter_map(|(path, at)| {
            let is_its_own = |(call, posted): &&(String, f64)| call.contains(path) && posted > at;
            let (_, posted) = posts.iter().find(is_its_own)?;
            Some((posted - at) * 1000.0)
        })
        .collect();
    anyhow::ensure!(
        took.len() as u64 == CLICKS,
        "{} notes were found",
        took.len()
    );
    took.sort_by(f64::total_cmp);
    Ok(percentile(&took, 0.99))
}

async fn until(clock: &Clock, holds: impl Fn() -> bool) {
    while !holds() {
        clock.sleep(Duration::from_millis(2)).await;
    }
}
