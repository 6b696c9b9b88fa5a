//! One round of one instance: load, kill, restart, look.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::check::{self, Figures, Memory};
use super::fleet::signal;
use super::load;
use super::look;
use super::pages::{self, Pages};
use super::redis::{OwnServer, SAFE};
use super::sent::{self, Sent};
use super::server::{ACCESS_TOKEN, ADMIN_ID, Build, CLIENT_SECRET, Home, SPOOL, Server};

/// How many sessions are posted to at the same time; every other one is linked.
pub(super) const SESSIONS: usize = 8;

/// What dies in a round, beside the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// Nothing: the store is a file.
    None,
    /// Redis, before the service does and until after it has started again.
    Redis,
    /// The same, and the spool is lost with the service.
    RedisAndSpool,
}

/// A round with the kill moment, and everything else, drawn from `seed`.
pub(crate) async fn play(build: Build, outage: Outage, seed: u64) -> Result<Figures, String> {
    let mut chance = StdRng::seed_from_u64(seed);
    let clock = Clock::system();
    let tasks = Tasks::new();
    let intercom = workspace(&tasks).await?;
    let mut redis = (outage != Outage::None).then(|| OwnServer::start(&SAFE));
    let home = home(seed, &intercom, redis.as_ref())?;
    let mut pages = Pages::open(seed)?;
    let client = reqwest::Client::builder()
        .build()
        .map_err(|error| error.to_string())?;

    let server = home.start(build)?;
    let memory = check::remember(&client, &server.url, &intercom).await?;
    let world = (&intercom, redis.as_mut());
    let (urls, stop) = ([server.url.clone()], AtomicBool::new(false));
    let (loaded, ()) = tokio::join!(
        load_until_kill(&client, server, world, (&mut chance, &clock, &stop)),
        pages.use_until(&urls, Some(&intercom), &stop),
    );
    let (sent, server) = loaded?;
    server.kill();
    if outage == Outage::RedisAndSpool {
        fs::remove_file(home.path().join(SPOOL)).map_err(|error| error.to_string())?;
    }

    let server = home.start(build)?;
    let (sent, resent) = resend(&client, &server, sent).await?;
    if let Some(redis) = &mut redis {
        redis.resume();
        until_spool_is_empty(&client, &server.url).await?;
    }
    let urls = [server.url.clone()];
    let (figures, ()) = tokio::join!(
        verify(&client, &server, &intercom, &memory, &sent),
        pages.use_again(&urls, Some(&intercom)),
    );
    let checked = async {
        let figures = figures?;
        let offers = pages.check(&server.url).await?;
        Ok(Figures {
            resent,
            offers,
            ..figures
        })
    };
    let checked: Result<_, String> = checked.await;
    tasks.stop();
    checked
}

fn home(seed: u64, intercom: &Intercom, redis: Option<&OwnServer>) -> Result<Home, String> {
    let url = redis.map(|redis| format!("{:?}", redis.url()));
    let mut settings = pages::settings(seed);
    if let Some(url) = &url {
        settings.extend([
            ("store.backend", "\"redis\""),
            ("redis.url", url.as_str()),
            ("spool.wait_ms", "30"),
        ]);
    }
    let home = Home::new(&intercom.base_url(), &settings);
    pages::move_in(&home).map(|()| home)
}

/// A modelled Intercom that knows the products' credentials.
pub(super) async fn workspace(tasks: &Tasks) -> Result<Intercom, String> {
    let settings = Settings {
        access_token: ACCESS_TOKEN.to_owned(),
        admin_id: ADMIN_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
    };
    let started = Intercom::start(Clock::system(), tasks, settings).await;
    started.map_err(|error| error.to_string())
}

async fn load_until_kill(
    client: &reqwest::Client,
    server: Server,
    world: (&Intercom, Option<&mut OwnServer>),
    (chance, clock, stop): (&mut StdRng, &Clock, &AtomicBool),
) -> Result<(Vec<Sent>, Server), String> {
    let posting = (0..SESSIONS).map(|number| {
        let (session, url) = (format!("s{number}"), server.url.clone());
        load::post_until(client, url, session, stop)
    });
    let directing = async {
        let directed = link_and_kill(client, &server, world, chance, clock).await;
        stop.store(true, Ordering::Relaxed);
        directed
    };
    let (sent, directed) = tokio::join!(join_all(posting), directing);
    directed.map(|()| (sent, server))
}

/// Links every other session in the middle of the load, so that windows and pauses are both alive;
/// then SIGKILL while requests are under way: the process gets no chance to finish anything.
async fn link_and_kill(
    client: &reqwest::Client,
    server: &Server,
    (intercom, redis): (&Intercom, Option<&mut OwnServer>),
    chance: &mut StdRng,
    clock: &Clock,
) -> Result<(), String> {
    let mut pause = |range| clock.sleep(Duration::from_millis(chance.random_range(range)));
    pause(10..60).await;
    for number in (0..SESSIONS).step_by(2) {
        check::link(client, &server.url, intercom, &format!("s{number}")).await?;
    }
    pause(20..400).await;
    if let Some(redis) = redis {
        redis.kill();
        pause(80..500).await;
    }
    signal(server, "-KILL")
}

/// Providers repeat what was not answered; afterwards everything sent is acknowledged.
async fn resend(
    client: &reqwest::Client,
    server: &Server,
    mut sent: Vec<Sent>,
) -> Result<(Vec<Sent>, usize), String> {
    let mut resent = 0;
    for one in &mut sent {
        if let Some(label) = one.open.take() {
            if !load::post(client, &server.url, &one.session, &label).await {
                return Err(format!("{label} was refused after the restart"));
            }
            one.acknowledged.push(label);
            resent += 1;
        }
    }
    Ok((sent, resent))
}

/// What was taken in while Redis was away is on the feed, behind what was taken in before.
async fn until_spool_is_empty(client: &reqwest::Client, url: &str) -> Result<(), String> {
    look::until("the spool is empty", async || {
        let answer = client.get(format!("{url}/readyz")).send().await;
        let told = answer.map_err(|error| error.to_string())?.text().await;
        let told: Value = serde_json::from_str(&told.unwrap_or_default()).unwrap_or_default();
        Ok((told["spool"]["entries"] == 0).then_some(()))
    })
    .await
}

async fn verify(
    client: &reqwest::Client,
    server: &Server,
    intercom: &Intercom,
    memory: &Memory,
    sent: &[Sent],
) -> Result<Figures, String> {
    let expected: usize = sent.iter().map(|one| one.acknowledged.len()).sum();
    let last = sent::label("last", 0);
    if !load::post(client, &server.url, "last", &last).await {
        return Err(format!("{last} was refused after the restart"));
    }
    let feed = look::read_feed(client, &server.url, &last).await?;
    look::feed_is_exact(&feed, sent)?;
    check::memory_survived(client, &server.url, intercom, memory).await?;
    let linked = sent.iter().step_by(2);
    let told_again = check::notes_are_complete(intercom, linked).await?;
    if let Some(line) = server.log().iter().find(|line| line.contains("panicked")) {
        return Err(format!("something panicked: {line}"));
    }
    Ok(Figures {
        acknowledged: expected,
        notes: check::notes_total(intercom, sent),
        told_again,
        read_back: check::read_back(intercom),
        ..Figures::default()
    })
}
