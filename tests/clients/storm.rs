//! Five thousand subscribers lose their server in the middle of things.
//!
//! The figures are for reading, not for judging: the machine, its load and the build decide them.
//! Judged is that nobody misses anything, gets anything twice, or is still away in the end.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::clock::{Clock, Instant};
use event_connector::tasks::Tasks;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::reader::{Event, Reader};
use super::service::{Home, Service, http};
use super::{until, within, work};

const SUBSCRIBERS: usize = 5000;

/// Open files that this process needs, and the service likewise, with room for everything else.
const FILES_MIN: u64 = 6000;

const SETTINGS: &str = "[feed]\nsubscribers_max = 6000\n";

/// Time between two events while subscribers go and come.
const TRICKLE: Duration = Duration::from_millis(250);

/// A subscriber comes back after at most this long; after at most twice as long when it was refused,
/// and so on.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// Shown last.
const LAST: &str = "The last one";

/// What everybody shares.
struct Storm {
    clock: Clock,
    chance: Chance,
    address: SocketAddr,
    /// How many subscriptions are open.
    open: AtomicUsize,
    /// How often one was opened.
    opened: AtomicUsize,
    /// Whether events trickle.
    trickles: AtomicBool,
}

pub(crate) async fn comes_back() -> Result<String, String> {
    enough_files()?;
    let home = Home::new(SETTINGS)?;
    let service = home.start()?;
    let storm = Arc::new(Storm {
        clock: Clock::system(),
        chance: Chance::system(),
        address: service.address,
        open: AtomicUsize::new(0),
        opened: AtomicUsize::new(0),
        trickles: AtomicBool::new(true),
    });
    work::send(&http()?, &service, &work::click("s0", "Before")).await?;
    let empty_kb = service.resident_kb()?;
    let began = storm.clock.monotonic();
    let tasks = Tasks::new();
    let outcomes = subscribe_all(&storm, &tasks);
    storm.until_open(SUBSCRIBERS).await?;
    let connect_s = storm.since(began);
    let held_bytes = (service.resident_kb()? - empty_kb) * 1024 / SUBSCRIBERS as u64;

    trickle(&storm, &tasks)?;
    let down = storm.clock.monotonic();
    service.terminate().await?;
    let stop_s = storm.since(down);
    storm.until_open(0).await?;
    let up = storm.clock.monotonic();
    let service = home.start_on(storm.address)?;
    storm.until_open(SUBSCRIBERS).await?;
    let return_s = storm.since(up);
    storm.trickles.store(false, Ordering::Relaxed);
    work::send(&http()?, &service, &work::click("s0", LAST)).await?;
    let events = judge(outcomes, &service).await?;
    let drain_s = storm.since(up);
    home.complaints()?;
    Ok(format!(
        "connected in {connect_s} s, {held_bytes} bytes of the service each; stopped in {stop_s} s; \
         all back after {return_s} s, all {events} events with everybody after {drain_s} s; \
         {} connections",
        storm.opened.load(Ordering::Relaxed)
    ))
}

type Outcome = Result<Vec<Event>, String>;

fn subscribe_all(storm: &Arc<Storm>, tasks: &Tasks) -> UnboundedReceiver<Outcome> {
    let (tell, outcomes) = unbounded_channel();
    for _ in 0..SUBSCRIBERS {
        let (storm, tell) = (Arc::clone(storm), tell.clone());
        tasks.spawn("subscriber", async move {
            let _ = tell.send(storm.subscribe().await);
        });
    }
    outcomes
}

impl Storm {
    /// Reads from the beginning to the last event, over as many connections as it takes.
    async fn subscribe(&self) -> Outcome {
        let mut events: Vec<Event> = Vec::new();
        let mut backoff = BACKOFF;
        loop {
            let position = events.last().map_or("0-0", |event| event.id.as_str());
            if let Ok(mut reader) = Reader::open(self.address, "", Some(position)).await {
                backoff = BACKOFF;
                self.open.fetch_add(1, Ordering::Relaxed);
                self.opened.fetch_add(1, Ordering::Relaxed);
                let ended = read(&mut reader, &mut events).await;
                self.open.fetch_sub(1, Ordering::Relaxed);
                match ended {
                    Ok(true) => return Ok(events),
                    Ok(false) => {}
                    Err(reason) => return Err(reason),
                }
            }
            self.clock
                .sleep(backoff.mul_f64(self.chance.fraction()))
                .await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn until_open(&self, count: usize) -> Result<(), String> {
        let what = format!("{count} subscriptions are open");
        let is_so = async || Ok((self.open.load(Ordering::Relaxed) == count).then_some(()));
        until(&what, is_so).await
    }

    fn since(&self, then: Instant) -> String {
        format!("{:.1}", self.clock.since(then).as_secs_f64())
    }
}

/// Reads until the connection ends; whether that was at the last event. A server that is asked to
/// stop ends its streams properly, so anything else is an error.
async fn read(reader: &mut Reader, events: &mut Vec<Event>) -> Result<bool, String> {
    while let Some(event) = reader.next().await? {
        let is_last = event.data.contains(LAST);
        events.push(event);
        if is_last {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One event after the other; what the service does not take is sent again, as providers do.
fn trickle(storm: &Arc<Storm>, tasks: &Tasks) -> Result<(), String> {
    let (storm, http) = (Arc::clone(storm), http()?);
    let url = format!(
        "http://{}/webhook/{}",
        storm.address,
        super::service::PRODUCT
    );
    tasks.spawn("trickle", async move {
        for number in 0.. {
            let body: Value = work::click("s0", &format!("Trickle {number}"));
            while work::send_to(&http, &url, &body).await.is_err() {
                storm.clock.sleep(TRICKLE).await;
            }
            if !storm.trickles.load(Ordering::Relaxed) {
                return;
            }
            storm.clock.sleep(TRICKLE).await;
        }
    });
    Ok(())
}

/// Everybody saw what the feed holds, once and in order; how many events that is.
async fn judge(
    mut outcomes: UnboundedReceiver<Outcome>,
    service: &Service,
) -> Result<usize, String> {
    let mut all: Vec<Event> = Vec::new();
    let mut reader = Reader::open(service.address, "?since=0-0", None).await?;
    within("the feed is read", read(&mut reader, &mut all)).await?;
    for number in 1..=SUBSCRIBERS {
        let outcome = async { outcomes.recv().await.ok_or_else(|| "lost".to_owned()) };
        let seen = within("every subscriber has had the last event", outcome).await??;
        if seen != all {
            let (few, many) = (seen.len(), all.len());
            return Err(format!(
                "the {number}th to end saw {few} events, the feed has {many}"
            ));
        }
    }
    Ok(all.len())
}

/// A process may have only so many files open; this one and those it starts.
fn enough_files() -> Result<(), String> {
    let limits = fs::read_to_string("/proc/self/limits").map_err(|error| error.to_string())?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    let is_enough = soft.is_some_and(|soft| soft.parse().is_ok_and(|soft: u64| soft >= FILES_MIN));
    is_enough.then_some(()).ok_or_else(|| {
        format!("{SUBSCRIBERS} subscribers need {FILES_MIN} open files; run `ulimit -n {FILES_MIN}` first")
    })
}
