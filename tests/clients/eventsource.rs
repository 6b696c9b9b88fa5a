//! The npm package `eventsource`, which does what browsers do.

use std::collections::HashMap;
use std::process::Command;

use serde_json::Value;

use super::process::Program;
use super::reader::{Event, Reader};
use super::service::{Down, Home, PRODUCT, SECRET, Service, http, metric_reaches, move_away};
use super::{own, tools, within, work};

/// How many events are recorded, and how many clients are cut: each after one more of them.
const EVENTS: usize = 200;

/// Small writes of several events, from the ring as well as from the store.
const SETTINGS: &str = "[feed]\nring_entries = 64\npage_entries = 48\ncoalesce_entries = 7\n\
    subscribers_max = 500\nheartbeat_ms = 1000\n";

/// Shown last.
const LAST: &str = "The last one";

pub(crate) async fn resumes() -> Result<String, String> {
    let home = Home::new(SETTINGS)?;
    let mut service = home.start()?;
    let labels = (0..EVENTS).map(|number| format!("Recorded {number}"));
    work::clicks(&http()?, &service, labels).await?;
    let mut clients = start(&service)?;
    clients.answer("complete").await?;

    for down in [Down::Terminated, Down::Killed] {
        service = move_away(&home, service, down, async |elsewhere| {
            let labels = (0..5).map(|number| format!("{down:?} {number}"));
            work::clicks(&http()?, elsewhere, labels).await
        })
        .await?;
        // They come back one after the other while this goes on.
        for number in 0..40 {
            let label = format!("{down:?}, returning {number}");
            work::clicks(&http()?, &service, [label]).await?;
        }
        let subscribers = format!("connector_stream_subscribers{{product=\"{PRODUCT}\"}}");
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        metric_reaches(&service, &subscribers, EVENTS as f64).await?;
    }
    work::send(&http()?, &service, &work::click("s0", LAST)).await?;
    let all = feed(&service, EVENTS + 2 * (5 + 40) + 1).await?;
    let figures = compare(&mut clients, &all).await?;
    clients.finish().await?;
    home.complaints()?;
    Ok(figures)
}

fn start(service: &Service) -> Result<Program, String> {
    let url = format!("{}/stream/{PRODUCT}?since=0-0", service.url());
    let mut command = Command::new("node");
    command
        .arg(own("node/resume.mjs"))
        .arg(tools().join("node/node_modules/eventsource/dist/index.js"))
        .args([&url, SECRET, &EVENTS.to_string(), LAST]);
    Program::start("npm eventsource", &mut command)
}

/// The whole feed, as the bare reader sees it.
async fn feed(service: &Service, count: usize) -> Result<Vec<Event>, String> {
    let mut reader = Reader::open(service.address, "?since=0-0", None).await?;
    within("the whole feed is read", reader.take(count)).await
}

/// Every client saw every event once and in order.
async fn compare(clients: &mut Program, all: &[Event]) -> Result<String, String> {
    let positions: HashMap<_, _> = (0..).zip(all).map(|(at, event)| (&event.id, at)).collect();
    let mut reconnects = 0;
    for _ in 0..EVENTS {
        let seen = clients.answer("seen").await?;
        let cut = &seen["cut"];
        let events = seen["events"].as_array().cloned().unwrap_or_default();
        let is_whole = events.len() == all.len()
            && events.iter().zip(all).all(|(pair, event)| {
                pair[0] == event.id.as_str() && pair[1] == event.data.as_str()
            });
        if !is_whole {
            let order: Vec<Option<&i32>> = events
                .iter()
                .map(|pair| positions.get(&pair[0].as_str().unwrap_or_default().to_owned()))
                .collect();
            return Err(format!(
                "cut after {cut} events, it saw of {} events these: {order:?}",
                all.len()
            ));
        }
        if seen["failures"] != Value::Array(Vec::new()) {
            return Err(format!("cut after {cut} events: {}", seen["failures"]));
        }
        reconnects += seen["opened"]
            .as_u64()
            .unwrap_or_default()
            .saturating_sub(1);
    }
    Ok(format!(
        "{EVENTS} clients, {} events each, {reconnects} reconnects",
        all.len()
    ))
}
