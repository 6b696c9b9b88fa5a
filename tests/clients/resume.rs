//! A bare reader that says where it stopped.

use std::sync::Arc;
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::domain::log::Offset;
use futures_util::future::try_join_all;
use serde_json::json;

use super::reader::{Event, Reader};
use super::service::{Home, PRODUCT, Service, http, metric, metric_reaches};
use super::{until, within, work};

/// How many events are recorded.
const EVENTS: usize = 200;

/// The ring holds some of them, the store all, and a write several.
const FEED: &str = "[feed]\nring_entries = 64\npage_entries = 48\ncoalesce_entries = 7\n\
    subscribers_max = 1000\nheartbeat_ms = 1000\n";

/// Ids that no event ever had, and that therefore mean "from now on".
const GARBAGE: [&str; 8] = [
    "garbage",
    "-",
    "1-",
    "-1",
    "1 - 1",
    "٣-٣",
    "0x10-0",
    "99999999999999999999999-0",
];

/// An id that no event has yet.
const FUTURE: &str = "9999999999999-0";

pub(crate) async fn at_every_offset() -> Result<String, String> {
    let home = Home::new(FEED)?;
    let service = home.start()?;
    // Somebody listens from the first event on, so that the newest of them are in the ring.
    let mut watcher = Reader::open(service.address, "", None).await?;
    work::clicks(&http()?, &service, labels("Recorded", EVENTS)).await?;
    let mut all = within("the feed is watched", watcher.take(EVENTS)).await?;
    is_in_order(&all)?;
    resumes_everywhere(&service, &mut all).await?;
    let address = service.address;
    service.terminate().await?;
    let service = home.start_on(address)?;
    resumes_everywhere(&service, &mut all).await?;
    service.kill();
    let service = home.start_on(address)?;
    resumes_everywhere(&service, &mut all).await?;
    home.complaints()?;
    Ok(format!(
        "{} events, a reader for each, in 3 processes",
        all.len()
    ))
}

/// A reader behind every event, and one behind none, see the rest and then what is new.
async fn resumes_everywhere(service: &Service, all: &mut Vec<Event>) -> Result<(), String> {
    let mut readers = vec![Reader::open(service.address, "", Some("0-0")).await?];
    for event in all.iter() {
        readers.push(Reader::open(service.address, "", Some(&event.id)).await?);
    }
    let mut from_now_on = Vec::new();
    for id in GARBAGE.iter().chain(&[FUTURE]) {
        from_now_on.push((*id, Reader::open(service.address, "", Some(id)).await?));
    }
    let label = format!("Number {}", all.len());
    work::clicks(&http()?, service, [label]).await?;
    let recorded = all.len();
    all.extend(
        within("a reader sees it", readers[0].take(recorded + 1))
            .await?
            .pop(),
    );
    for (at, reader) in readers.iter_mut().enumerate().skip(1) {
        let rest = within("a reader sees the rest", reader.take(recorded + 1 - at)).await?;
        if rest != all[at..] {
            return Err(format!("behind event {at} came {rest:?}"));
        }
    }
    for (id, reader) in &mut from_now_on {
        let first = within("a reader sees what is new", reader.take(1)).await?;
        if first.first() != all.last() {
            return Err(format!("behind {id} came {first:?}"));
        }
    }
    Ok(())
}

pub(crate) async fn while_publishing() -> Result<String, String> {
    const READERS: usize = 300;
    let home = Home::new(FEED)?;
    let service = Arc::new(home.start()?);
    let http = http()?;
    work::clicks(&http, &service, labels("Before", 20)).await?;
    let before = read(&service, None, 20).await?;
    let (clock, chance) = (Clock::system(), Chance::system());
    let publishing = async {
        let lanes = (0..4).map(|lane| {
            let labels = labels(&format!("Lane {lane}"), EVENTS / 4);
            work::clicks(&http, &service, labels)
        });
        try_join_all(lanes).await.map(drop)
    };
    // Each begins at another moment, behind another of the first events, and reads to the end.
    let reading = try_join_all((0..READERS).map(|number| {
        let (clock, wait) = (&clock, Duration::from_secs_f64(chance.fraction()));
        let (service, first) = (&service, number % 20);
        let from = before.get(first).map(|event| event.id.as_str());
        async move {
            clock.sleep(wait).await;
            let mut reader = Reader::open(service.address, "", from).await?;
            let rest = reader.take(19 - first + EVENTS).await?;
            Ok::<_, String>((first, rest))
        }
    }));
    let both = async { tokio::try_join!(publishing, reading) };
    let ((), seen) = within("every reader sees everything", both).await?;
    let all = read(&service, None, 20 + EVENTS).await?;
    is_in_order(&all)?;
    for (first, rest) in &seen {
        if rest != &all[first + 1..] {
            return Err(format!("behind event {first} came {rest:?}"));
        }
    }
    home.complaints()?;
    Ok(format!("{READERS} readers, {EVENTS} events meanwhile"))
}

pub(crate) async fn behind_retention() -> Result<String, String> {
    let home = Home::new(FEED)?;
    let service = home.start()?;
    work::clicks(&http()?, &service, labels("Recorded", EVENTS)).await?;
    let all = read(&service, None, EVENTS).await?;
    let bytes = metric(&service, "connector_log_bytes").await?;
    service.terminate().await?;

    let limit = bytes / 2.0;
    home.configure(&format!(
        "{FEED}[retention]\nlog_bytes_max = {limit:.0}\ninterval_ms = 50\n"
    ))?;
    let service = home.start()?;
    metric_reaches(&service, "connector_aged_total{kind=\"entry\"}", 1.0).await?;
    until("the log is within its bound", async || {
        let is_within = metric(&service, "connector_log_bytes").await? <= limit;
        Ok(is_within.then_some(()))
    })
    .await?;
    let told = read(&service, Some("0-0"), 1).await?;
    let trimmed = gap(&told[0], "0-0")?;
    let kept = all.iter().position(|event| event.id == trimmed);
    let kept = kept.ok_or_else(|| format!("no event was {trimmed}"))? + 1;
    for (at, event) in all.iter().enumerate() {
        let is_behind = at + 1 < kept;
        let rest = &all[kept.max(at + 1)..];
        let wanted = rest.len() + usize::from(is_behind);
        let mut seen = read(&service, Some(&event.id), wanted).await?;
        if is_behind && gap(&seen.remove(0), &event.id)? != trimmed {
            return Err(format!("behind event {at} the gap ends elsewhere"));
        }
        if seen != rest {
            return Err(format!("behind event {at} came {seen:?}"));
        }
    }
    home.complaints()?;
    Ok(format!(
        "{kept} of {EVENTS} events gone, a reader behind each event"
    ))
}

/// Where the announced gap ends.
fn gap(event: &Event, from: &str) -> Result<String, String> {
    let json = event.json()?;
    let to = event.id.as_str();
    let wanted = json!({"type": "gap", "product_id": PRODUCT, "from": from, "to": to});
    (json == wanted)
        .then(|| to.to_owned())
        .ok_or_else(|| format!("instead of {wanted} came {json}"))
}

/// The first events behind an id, or of all.
async fn read(service: &Service, id: Option<&str>, count: usize) -> Result<Vec<Event>, String> {
    let start = id.unwrap_or("0-0");
    let mut reader = Reader::open(service.address, "", Some(start)).await?;
    within("the feed is read", reader.take(count)).await
}

fn is_in_order(all: &[Event]) -> Result<(), String> {
    let offsets: Vec<_> = all.iter().map(|event| Offset::parse(&event.id)).collect();
    let is_rising = offsets.is_sorted_by(|one, next| one.is_some() && one < next);
    is_rising
        .then_some(())
        .ok_or_else(|| "ids do not rise".to_owned())
}

fn labels(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name} {number}"))
        .collect()
}
