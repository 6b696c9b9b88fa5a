//! An instance that is killed with work in hand: how soon the others do it, with the settings as they are
//! shipped.
//!
//! There are four kinds of work, each a product of its own. **Paused**: sessions with a note to write after a
//! pause that only the killed instance waits for. **Limited**: notes that the vendor wants later, which nobody
//! has leased. **Held**: notes that the vendor has been sent and has not answered. **Claimed**: sessions whose
//! pause another instance has taken over from a dead one, and then dies itself.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::ensure;
use event_connector::clock::Clock;
use event_connector::tasks::Tasks;

use super::fleet::Server;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::{median, percentile};
use crate::vendor::{Manner, Vendor};

/// Sessions whose pause is not over when their instance dies.
const PAUSED: u64 = 200;

/// Sessions whose pause is claimed by an instance that dies as well: as many as are claimed at once.
const CLAIMED: u64 = 500;

/// Notes that wait, and notes in flight: as many as one account may have under way.
const NOTES: u64 = 8;

/// Senders of a burst.
const CONNECTIONS: usize = 16;

/// How long to wait until instances that have just started go on like any other.
const SETTLED: Duration = Duration::from_millis(1_500);

/// How long anything may take at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often the vendor is asked what has come.
const LOOK: Duration = Duration::from_millis(20);

/// What takes part in all of it.
struct Stage {
    redis: Server,
    vendor: Vendor,
    clock: Clock,
}

/// When a note was due for somebody else, and when somebody else did what there was to do, Unix seconds.
type Taken = Vec<(f64, f64)>;

pub(crate) async fn run(_: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let tasks = Tasks::new();
    let stage = Stage {
        redis: Server::start("always").await?,
        vendor: Vendor::start(
            &tasks,
            Manner::HangsForAndLimits("token-held", "token-limited"),
        )
        .await?,
        clock: Clock::system(),
    };
    let first = stage.instance().await?;
    let mut paused = stage.linked(&first, "paused", PAUSED).await?;
    let mut claimed = stage.linked(&first, "claimed", CLAIMED).await?;
    // While nobody else is there who could take them.
    stage.linked(&first, "held", NOTES).await?;
    let sent = stage.calls("held", 0.0);
    let (second, third) = (stage.instance().await?, stage.instance().await?);
    stage.clock.sleep(SETTLED).await;

    let begun_s = stage.clock.now_s();
    let limited = stage.begin(&first, "limited", NOTES).await?;
    stage.until_called("limited", begun_s, 1).await?;
    burst(&first, &mut paused, PAUSED).await?;
    let killed_s = stage.kill(first);
    stage.vendor.recover();
    stage.until_called("paused", begun_s, PAUSED).await?;
    stage.until_called("limited", killed_s, limited).await?;
    let behind =
        |taken: HashMap<String, f64>| taken.into_values().map(|at_s| (killed_s, at_s)).collect();
    let paused = told(
        "pauses that only it waited for",
        behind(stage.calls("paused", begun_s)),
    );
    let limited = told(
        "notes that nobody had leased",
        behind(stage.calls("limited", killed_s)),
    );

    let begun_s = stage.clock.now_s();
    let (killed_s, _last) = stage.die_twice(second, third, &mut claimed).await?;
    stage.until_called("claimed", begun_s, CLAIMED).await?;
    let behind =
        |taken: HashMap<String, f64>| taken.into_values().map(|at_s| (killed_s, at_s)).collect();
    let claimed = told(
        "pauses that it had claimed",
        behind(stage.calls("claimed", begun_s)),
    );
    stage.until_called("held", killed_s, NOTES).await?;
    let read = stage.calls("held", killed_s);
    let own = |(conversation, at_s)| Some((*sent.get(&conversation)?, at_s));
    let held = told(
        "notes in flight, since they were sent",
        read.into_iter().filter_map(own).collect(),
    );
    Ok(figures([paused?, limited?, held?, claimed?]))
}

impl Stage {
    async fn instance(&self) -> anyhow::Result<Service> {
        let names = ["paused", "claimed", "held", "limited"];
        let list = names.map(|name| Product::notes(name, self.vendor.address));
        self.redis.instance(&list).await
    }

    /// Has `count` sessions of a product act, and ties them to conversations, which gives a note each.
    async fn begin(
        &self,
        instance: &Service,
        product: &'static str,
        count: u64,
    ) -> anyhow::Result<u64> {
        let mut requests = Requests::new(product, product, count);
        instance.send(&mut requests, count).await?;
        instance.link(product, &requests, count).await?;
        Ok(count)
    }

    /// The same, until the vendor has seen all of the notes; answers how the sessions go on.
    async fn linked(
        &self,
        instance: &Service,
        product: &'static str,
        count: u64,
    ) -> anyhow::Result<Requests> {
        self.begin(instance, product, count).await?;
        self.until_called(product, 0.0, count).await?;
        let mut requests = Requests::new(product, product, count);
        requests.skip(count);
        Ok(requests)
    }

    /// Ends an instance at once; answers when, Unix seconds.
    fn kill(&self, instance: Service) -> f64 {
        drop(instance);
        self.clock.now_s()
    }

    /// One dies with sessions that wait for their pause, the other as soon as it has claimed them. Answers when
    /// that was, and who is there to go on.
    async fn die_twice(
        &self,
        one: Service,
        other: Service,
        requests: &mut Requests,
    ) -> anyhow::Result<(f64, Service)> {
        let mut connection = Connection::open(other.process.address).await?;
        let swept = "connector_sessions_swept_total";
        let before = value_of(&mut connection, swept).await?;
        burst(&one, requests, CLAIMED).await?;
        self.kill(one);
        let began = self.clock.monotonic();
        while value_of(&mut connection, swept).await? <= before {
            ensure!(
                self.clock.since(began) < PATIENCE,
                "nobody claimed a session"
            );
        }
        let killed_s = self.kill(other);
        Ok((killed_s, self.instance().await?))
    }

    /// When each conversation of a product was called for the first time since then.
    fn calls(&self, product: &str, since_s: f64) -> HashMap<String, f64> {
        let token = format!("token-{product}");
        let mut calls = HashMap::new();
        for (call, at_s) in self.vendor.posts() {
            let rest = call.split("/conversations/").nth(1);
            let conversation = rest.and_then(|rest| rest.split(['/', '?', ' ']).next());
            if let Some(conversation) = conversation
                && at_s > since_s
                && call.contains(&token)
            {
                calls.entry(conversation.to_owned()).or_insert(at_s);
            }
        }
        calls
    }

    async fn until_called(&self, product: &str, since_s: f64, count: u64) -> anyhow::Result<()> {
        let began = self.clock.monotonic();
        loop {
            let called = self.calls(product, since_s).len() as u64;
            if called >= count {
                return Ok(());
            }
            let waited = self.clock.since(began);
            ensure!(
                waited < PATIENCE,
                "{called} of {count} notes of {product} came"
            );
            self.clock.sleep(LOOK).await;
        }
    }
}

/// One click in each session, as fast as they are taken.
async fn burst(instance: &Service, requests: &mut Requests, count: u64) -> anyhow::Result<()> {
    let sent = drive::exactly(&instance.process, requests, CONNECTIONS, count).await?;
    ensure!(sent.accepted == count, "only {} were taken", sent.accepted);
    Ok(())
}

/// Seconds until others did it, sorted, of what was left to them.
fn told(what: &str, taken: Taken) -> anyhow::Result<Vec<f64>> {
    let after = taken.into_iter().map(|(from_s, at_s)| at_s - from_s);
    let mut took: Vec<f64> = after.filter(|took_s| *took_s > 0.0).collect();
    took.sort_by(f64::total_cmp);
    ensure!(
        !took.is_empty(),
        "no {what} were left when the instance died"
    );
    say(&format!(
        "  {what}: {} left, first after {:.2} s, half after {:.2} s, last after {:.2} s",
        took.len(),
        percentile(&took, 0.0),
        median(took.iter().copied()),
        percentile(&took, 1.0)
    ));
    Ok(took)
}

fn figures([paused, limited, held, claimed]: [Vec<f64>; 4]) -> Vec<Figure> {
    let figure = |name: &str, took: &[f64], floor, aim| Figure {
        name: name.to_owned(),
        detail: format!(
            "the last of {}, half after {:.2} s",
            took.len(),
            percentile(took, 0.5)
        ),
        value: percentile(took, 1.0),
        unit: " s",
        floor,
        aim,
    };
    vec![
        figure(
            "pauses of a killed instance, ended by others",
            &paused,
            3.0,
            2.5,
        ),
        figure(
            "notes that nobody had leased, posted by others",
            &limited,
            3.0,
            2.0,
        ),
        // The lease, 60 s, and one look at the outbox; the least that the configuration allows is 15 s.
        figure("notes in flight, read back by others", &held, 61.0, 16.0),
        figure(
            "pauses claimed by an instance that was killed then",
            &claimed,
            3.0,
            2.5,
        ),
    ]
}
