//! The feed across instances: how long after its acknowledgement by one of them an event is at a subscriber of
//! another, at half the load that the one takes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::ensure;
use event_connector::clock::{Clock, Instant};
use futures_util::future::{try_join, try_join_all};

use super::fleet::Server;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::Connection;
use crate::load::drive;
use crate::load::request::{Requests, SECRET};
use crate::load::subscribers::Subscriber;
use crate::process::say;
use crate::sample::{Turn, median, micros};

/// Sessions that the load goes round.
const SESSIONS: u64 = 2_000;

/// How long a subscriber may take to have what was acknowledged.
const PATIENCE: Duration = Duration::from_secs(30);

/// When requests of each session were seen, since the turn began. A session's requests are far apart, so that
/// the first that is acknowledged is the first that is heard of.
type Seen = RefCell<HashMap<String, Vec<Duration>>>;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let redis = Server::start("always").await?;
    let list = [Product::feed("acme")];
    let (near, far) = (redis.instance(&list).await?, redis.instance(&list).await?);
    let mut requests = Requests::new("acme", "s", SESSIONS);
    near.send(&mut requests, SESSIONS).await?;
    let (mut here, mut across, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let full = full_load(arguments, &near, &far, &mut requests).await?;
        let rate = full.rate() / 2.0;
        let [mut own, mut others] = turn(arguments, [&near, &far], &mut requests, rate).await?;
        say(&format!(
            "  at {rate:>6.0} /s to a subscriber of the same instance p50 {:>5.2} ms  p99 {:>5.2} ms, of another \
             p50 {:>5.2} ms  p99 {:>5.2} ms",
            own.percentile_ms(0.5),
            own.percentile_ms(0.99),
            others.percentile_ms(0.5),
            others.percentile_ms(0.99),
        ));
        here.push(own);
        across.push(others);
        rates.push(rate);
    }
    let middle =
        |turns: &mut [Turn], share| median(turns.iter_mut().map(|turn| turn.percentile_ms(share)));
    Ok(vec![Figure {
        name: "p99 from the answer of one instance to a subscriber of another".to_owned(),
        detail: format!(
            "p50 {:.2} ms, at {:.0}/s, half the load; on the same instance p50 {:.2} ms, p99 {:.2} ms",
            middle(&mut across, 0.5),
            median(rates),
            middle(&mut here, 0.5),
            middle(&mut here, 0.99),
        ),
        value: middle(&mut across, 0.99),
        unit: " ms",
        floor: 10.0,
        aim: 5.0,
    }])
}

/// As much as the one instance takes while both have a subscriber.
async fn full_load(
    arguments: &Arguments,
    near: &Service,
    far: &Service,
    requests: &mut Requests,
) -> anyhow::Result<Turn> {
    let clock = Clock::system();
    let began = clock.monotonic();
    let ignored = Seen::default();
    let mut subscribers = subscribe([near, far]).await?;
    let turn = arguments.turn() / 2;
    let sent = drive::closed(&near.process, requests, arguments.connections, turn);
    let [own, others] = &mut subscribers;
    tokio::select! {
        sent = sent => sent,
        heard = hear(own, &clock, began, &ignored) => Err(heard),
        heard = hear(others, &clock, began, &ignored) => Err(heard),
    }
}

/// One turn at a rate; answers what passed between the acknowledgement and each of the two subscribers.
async fn turn(
    arguments: &Arguments,
    instances: [&Service; 2],
    requests: &mut Requests,
    rate: f64,
) -> anyhow::Result<[Turn; 2]> {
    let clock = Clock::system();
    let [mut own, mut others] = subscribe(instances).await?;
    let (acknowledged, heard_here, heard_across) =
        (Seen::default(), Seen::default(), Seen::default());
    let [near, _] = instances;
    let began = clock.monotonic();
    let count = arguments.connections as u64;
    let senders = (0..count).map(|number| {
        let requests = requests.share(number, count);
        let pace = (number, count, rate);
        send(
            near,
            requests,
            pace,
            (&clock, began, arguments.turn()),
            &acknowledged,
        )
    });
    let all = async {
        try_join_all(senders).await?;
        let done = clock.monotonic();
        let count = |seen: &Seen| seen.borrow().values().map(Vec::len).sum::<usize>();
        let least = || count(&heard_here).min(count(&heard_across));
        while least() < count(&acknowledged) {
            let (heard, sent) = (least(), count(&acknowledged));
            ensure!(
                clock.since(done) < PATIENCE,
                "a subscriber has {heard} of {sent}"
            );
            clock.sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    tokio::select! {
        all = all => all?,
        ended = hear(&mut own, &clock, began, &heard_here) => return Err(ended),
        ended = hear(&mut others, &clock, began, &heard_across) => return Err(ended),
    }
    let acknowledged = acknowledged.into_inner();
    let sent: usize = acknowledged.values().map(Vec::len).sum();
    requests.skip(u64::try_from(sent)? + count);
    Ok([heard_here, heard_across].map(|heard| passed(&acknowledged, &heard.into_inner())))
}

async fn subscribe(instances: [&Service; 2]) -> anyhow::Result<[Subscriber; 2]> {
    let [near, far] = instances.map(|one| one.process.address);
    let open = |address| Subscriber::open(address, "/stream/acme", SECRET);
    Ok(try_join(open(near), open(far)).await?.into())
}

/// Sends every `count`th request of a rate, and notes when each was acknowledged.
async fn send(
    server: &Service,
    mut requests: Requests,
    (number, count, rate): (u64, u64, f64),
    (clock, began, turn): (&Clock, Instant, Duration),
    acknowledged: &Seen,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.process.address).await?;
    let mut buffer = Vec::new();
    for place in (number..).step_by(usize::try_from(count)?) {
        let due = Duration::from_secs_f64(crate::sample::float(place) / rate);
        if due >= turn {
            return Ok(());
        }
        clock.sleep(due.saturating_sub(clock.since(began))).await;
        let session = requests.next_session();
        requests.write(&mut buffer);
        connection.demand(&buffer).await?;
        let at = clock.since(began);
        acknowledged
            .borrow_mut()
            .entry(session)
            .or_default()
            .push(at);
    }
    Ok(())
}

/// Notes when each event came; ends only when the feed does, with the reason.
async fn hear(
    subscriber: &mut Subscriber,
    clock: &Clock,
    began: Instant,
    seen: &Seen,
) -> anyhow::Error {
    let mut chunk = vec![0_u8; 64 * 1024];
    let mut text = Vec::new();
    loop {
        let read = match subscriber.read(&mut chunk).await {
            Ok(read) => read,
            Err(error) => return error,
        };
        let at = clock.since(began);
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        // Whole lines only, so that no name is cut in two.
        let last = text.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = text.drain(..last.map_or(0, |last| last + 1)).collect();
        let lines = String::from_utf8_lossy(&lines);
        for session in lines.lines().filter_map(session) {
            let mut seen = seen.borrow_mut();
            seen.entry(session.to_owned()).or_default().push(at);
        }
    }
}

/// The session that an event is about, if the line is one.
fn session(line: &str) -> Option<&str> {
    let event = line.strip_prefix("data: {\"type\":\"actions\"")?;
    let (_, rest) = event.split_once("\"session_id\":\"")?;
    rest.split('"').next()
}

/// What passed from each acknowledgement to the subscriber; nothing where the subscriber was first.
fn passed(
    acknowledged: &HashMap<String, Vec<Duration>>,
    heard: &HashMap<String, Vec<Duration>>,
) -> Turn {
    let mut turn = Turn::default();
    for (session, acknowledged) in acknowledged {
        let heard = heard.get(session).into_iter().flatten();
        let passed = acknowledged.iter().zip(heard);
        let passed = passed.map(|(at, heard)| micros(heard.saturating_sub(*at)));
        turn.latencies_us.extend(passed);
    }
    turn
}
