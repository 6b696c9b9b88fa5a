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
use super::service::{Product, Service, link};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::percentile;
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

/// Later than any claim ends and sooner than any lease, seconds.
const LEASED_S: f64 = 10.0;

/// What takes part in all of it.
struct Stage {
    redis: Server,
    vendor: Vendor,
    clock: Clock,
}

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
    stage.begin(&first, "limited", NOTES).await?;
    stage.until_called("limited", begun_s, 1).await?;
    burst(&first, &mut paused, PAUSED).await?;
    let killed_s = stage.kill(first);
    stage.vendor.recover();
    stage.until_called("paused", begun_s, PAUSED).await?;
    stage.until_called("limited", killed_s, NOTES).await?;
    let paused = stage.took("paused", begun_s, |_| killed_s);
    let limited = stage.took("limited", killed_s, |_| killed_s);

    let begun_s = stage.clock.now_s();
    let (killed_s, _last) = stage.die_twice(second, third, &mut claimed).await?;
    stage.until_called("claimed", begun_s, CLAIMED).await?;
    stage.until_called("held", killed_s, NOTES).await?;
    let mut claimed = stage.took("claimed", begun_s, |_| killed_s);
    // The few notes that it had written and leased already are in flight like the others below.
    claimed.retain(|took_s| *took_s < LEASED_S);
    let held = stage.took("held", killed_s, |conversation| {
        sent.get(conversation).copied().unwrap_or(killed_s)
    });
    figures([paused, limited, held, claimed])
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
    ) -> anyhow::Result<Requests> {
        let mut requests = Requests::new(product, product, count);
        instance.send(&mut requests, count).await?;
        link(&instance.process, product, &requests, count).await?;
        Ok(requests)
    }

    /// The same, until the vendor has seen all of the notes; answers how the sessions go on.
    async fn linked(
        &self,
        instance: &Service,
        product: &'static str,
        count: u64,
    ) -> anyhow::Result<Requests> {
        let requests = self.begin(instance, product, count).await?;
        self.until_called(product, 0.0, count).await?;
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

    /// Seconds until others did what was left to them of a product, in order, since whatever counts for it.
    fn took(&self, product: &str, since_s: f64, from_s: impl Fn(&str) -> f64) -> Vec<f64> {
        let calls = self.calls(product, since_s);
        let took = calls
            .iter()
            .map(|(conversation, at_s)| at_s - from_s(conversation));
        let mut took: Vec<f64> = took.filter(|took_s| *took_s > 0.0).collect();
        took.sort_by(f64::total_cmp);
        let shares = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0].map(|share| percentile(&took, share));
        say(&format!(
            "  {product}: {} were left; from first to last after {shares:.2?} s",
            took.len()
        ));
        took
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

fn figures(all: [Vec<f64>; 4]) -> anyhow::Result<Vec<Figure>> {
    // What is in flight belongs to its lease of 20 s, and is looked at within a second then. The least that the
    // configuration allows is 15 s.
    let bars = [
        ("pauses of a killed instance, ended by others", 3.0, 2.5),
        ("notes that nobody had leased, posted by others", 3.0, 2.5),
        (
            "notes in flight since they were sent, read back by others",
            21.0,
            16.0,
        ),
        (
            "pauses that an instance had claimed before it was killed",
            3.0,
            2.5,
        ),
    ];
    let figures = bars.into_iter().zip(all).map(|((name, floor, aim), took)| {
        ensure!(!took.is_empty(), "there were no {name}");
        let (half, last) = (percentile(&took, 0.5), percentile(&took, 1.0));
        Ok(Figure {
            name: name.to_owned(),
            detail: format!("the last of {}, half after {half:.2} s", took.len()),
            value: last,
            unit: " s",
            floor,
            aim,
        })
    });
    figures.collect()
}
