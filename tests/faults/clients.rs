//! Those who call the service lose their connection at the worst moment.

use std::net::SocketAddr;

use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use serde_json::{Value, json as body};

use super::chaos::{Chaos, End, Way, Weather};
use super::disk::accepted;
use super::look::{Frames, until};
use super::sent;
use super::server::{Build, SECRET};
use super::stage::{Stage, json};

/// How long a subscriber may take nothing.
const STALL_MS: &str = "500";

/// A service behind a bad network.
async fn behind(settings: &[(&str, &str)], tasks: &Tasks) -> Result<(Stage, Chaos), String> {
    let stage = Stage::alone(Build::Release, settings)?;
    let address = stage.url().trim_start_matches("http://");
    let address = address
        .parse::<SocketAddr>()
        .map_err(|error| error.to_string())?;
    let chaos = Chaos::start(address, 2, tasks).await;
    Ok((stage, chaos.map_err(|error| error.to_string())?))
}

/// One action through bad weather, which must not be accepted as far as its sender can tell; then
/// again, as providers do. Returns how many actions and how many repetitions the second answer tells of.
async fn twice(weather: Weather) -> Result<(Stage, Value, Value), String> {
    let tasks = Tasks::new();
    let (mut stage, chaos) = behind(&[], &tasks).await?;
    accepted(&mut stage, "before").await?;
    chaos.set(weather);
    let label = sent::label("s0", 0);
    // A kept connection would carry the repetition to where the weather was bad, and die under it.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build();
    let client = client.map_err(|error| error.to_string())?;
    let first = sent::send(&client, &chaos.url(), "s0", &label).await;
    if first.is_ok_and(|answer| answer.status().is_success()) {
        return Err("the first request was accepted".to_owned());
    }
    chaos.set(Weather::default());
    let second = sent::send(&client, &chaos.url(), "s0", &label).await;
    let tally = json(second.map_err(|error| error.to_string())?).await?;
    tasks.stop();
    stage.sent.push(sent::Sent {
        session: "s0".to_owned(),
        acknowledged: vec![label],
        open: None,
    });
    Ok((stage, tally["actions"].clone(), tally["dropped"].clone()))
}

/// Whether the second request was told of as many new and known actions, and the feed holds one.
async fn came_to(
    (mut stage, actions, dropped): (Stage, Value, Value),
    expected: (u64, u64),
) -> Result<String, String> {
    if (actions.as_u64(), dropped.as_u64()) != (Some(expected.0), Some(expected.1)) {
        return Err(format!(
            "the repetition gave {actions} actions and {dropped} dropped"
        ));
    }
    stage.feed_is_exact().await?;
    Ok(format!("the repetition: {actions} new, {dropped} known"))
}

pub(crate) async fn request_cut() -> Result<String, String> {
    let request = Way {
        end: Some((250, End::Reset)),
        ..Way::default()
    };
    let weather = Weather {
        request,
        ..Weather::default()
    };
    came_to(twice(weather).await?, (1, 0)).await
}

pub(crate) async fn request_half_closed() -> Result<String, String> {
    let request = Way {
        end: Some((250, End::HalfClose)),
        ..Way::default()
    };
    let weather = Weather {
        request,
        ..Weather::default()
    };
    came_to(twice(weather).await?, (1, 0)).await
}

fn answer_lost() -> Weather {
    let answer = Way {
        end: Some((0, End::Reset)),
        ..Way::default()
    };
    Weather {
        answer,
        ..Weather::default()
    }
}

pub(crate) async fn answer_lost_after_commit() -> Result<String, String> {
    came_to(twice(answer_lost()).await?, (0, 1)).await
}

/// The check beneath these cases knows a repetition that was not recognised.
pub(crate) async fn a_wrong_count_is_caught() -> Result<String, String> {
    match came_to(twice(answer_lost()).await?, (1, 0)).await {
        Ok(seen) => Err(format!("it passed ({seen}): the check has no power")),
        Err(reason) => Ok(reason),
    }
}

/// A subscriber's network takes nothing more: its connection is closed, and it resumes where it was.
pub(crate) async fn subscriber_black_holed() -> Result<String, String> {
    let tasks = Tasks::new();
    let (stage, chaos) = behind(&[("feed.write_timeout_ms", STALL_MS)], &tasks).await?;
    let feed = |url: &str, query: &str| stage.client.get(format!("{url}/stream/acme{query}"));
    let mut held = Vec::new();
    let mut subscriber = Frames::open(feed(&chaos.url(), "?since=0-0")).await?;
    flood(&stage, "first").await?;
    collect(&mut subscriber, &mut held, |held| held.len() >= 100).await?;
    chaos.set(Weather {
        answer: Way {
            is_black_hole: true,
            ..Way::default()
        },
        ..Weather::default()
    });
    let closed = "connector_stream_dropped_total{reason=\"stalled\"}";
    let mut round = 0;
    until("the stalled subscriber is closed", async || {
        round += 1;
        flood(&stage, &format!("round{round}")).await?;
        Ok((stage.metric(closed).await? >= 1.0).then_some(()))
    })
    .await?;
    // Ends the old connection; what was in flight is lost with it.
    chaos.set(Weather {
        down: true,
        ..Weather::default()
    });
    // The error is that of the reset.
    let _ = collect(&mut subscriber, &mut held, |_| false).await;
    chaos.set(Weather::default());
    flood(&stage, "last").await?;

    let mut direct = Frames::open(feed(stage.url(), "?since=0-0")).await?;
    let total = (round + 2) * FLOOD;
    let mut all = Vec::new();
    collect(&mut direct, &mut all, |all| all.len() == total).await?;
    let resumed = until("the proxy listens again", async || {
        let last = held.last().cloned().unwrap_or_default();
        let again = feed(&chaos.url(), "").header("last-event-id", last);
        Ok(Frames::open(again).await.ok())
    });
    let mut resumed = resumed.await?;
    let before = held.len();
    collect(&mut resumed, &mut held, |held| held.len() == total).await?;
    tasks.stop();
    if held != all {
        return Err("what was received before and after is not the feed".to_owned());
    }
    Ok(format!(
        "{before} events before, {} after, none missing",
        total - before
    ))
}

/// How many events one flood gives.
const FLOOD: usize = 400;

/// One event for each of as many sessions, each as large as events get.
async fn flood(stage: &Stage, round: &str) -> Result<(), String> {
    let filler = "x".repeat(70);
    let events: Vec<Value> = (0..FLOOD)
        .map(|number| {
            body!({
                "event": "$pageview",
                "distinct_id": "u",
                "uuid": format!("{round}-{number}"),
                "properties": {
                    "$session_id": format!("s{number}"),
                    "title": filler,
                    "$current_url": format!("https://app.example/{filler}/{round}x{number}"),
                },
            })
        })
        .collect();
    let request = stage.client.post(format!("{}/webhook/acme", stage.url()));
    let request = request.header("x-posthog-secret", SECRET);
    let answer = request
        .body(body!({ "batch": events }).to_string())
        .send()
        .await;
    let status = answer.map_err(|error| error.to_string())?.status();
    (status == 200)
        .then_some(())
        .ok_or_else(|| format!("a flood was answered {status}"))
}

/// Reads the ids of events until there are enough, or the feed ends.
async fn collect(
    frames: &mut Frames,
    ids: &mut Vec<String>,
    enough: impl Fn(&[String]) -> bool,
) -> Result<(), String> {
    let reading = async {
        while !enough(ids) {
            let frame = frames.next().await?.ok_or("the feed ended")?;
            let id = frame.lines().find_map(|line| line.strip_prefix("id: "));
            ids.extend(id.map(str::to_owned));
        }
        Ok(())
    };
    let read = Clock::system()
        .timeout(super::look::PATIENCE, reading)
        .await;
    read.ok_or("the feed is silent")?
}
