//! One round: load, kill, restart, look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::check::{self, Figures, Memory};
use super::fleet::signal;
use super::load;
use super::look;
use super::sent::{self, Sent};
use super::server::{ACCESS_TOKEN, ADMIN_ID, Build, CLIENT_SECRET, Home, Server};

/// How many sessions are posted to at the same time; every other one is linked.
pub(super) const SESSIONS: usize = 8;

/// A round with the kill moment, and everything else, drawn from `seed`.
pub(crate) async fn play(build: Build, seed: u64) -> Result<Figures, String> {
    let mut chance = StdRng::seed_from_u64(seed);
    let clock = Clock::system();
    let tasks = Tasks::new();
    let intercom = workspace(&tasks).await?;
    let home = Home::new(&intercom.base_url(), &[]);
    let client = reqwest::Client::builder()
        .build()
        .map_err(|error| error.to_string())?;

    let server = home.start(build)?;
    let memory = check::remember(&client, &server.url, &intercom).await?;
    let (sent, server) = load_until_kill(&client, server, &intercom, &mut chance, &clock).await?;
    server.kill();

    let server = home.start(build)?;
    let (sent, resent) = resend(&client, &server, sent).await?;
    let figures = verify(&client, &server, &intercom, &memory, &sent).await;
    let figures = figures.map(|figures| Figures { resent, ..figures });
    tasks.stop();
    figures
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
    intercom: &Intercom,
    chance: &mut StdRng,
    clock: &Clock,
) -> Result<(Vec<Sent>, Server), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let posting = (0..SESSIONS).map(|number| {
        let (session, url) = (format!("s{number}"), server.url.clone());
        load::post_until(client.clone(), url, session, Arc::clone(&stop))
    });
    let directing = async {
        let directed = link_and_kill(client, &server, intercom, chance, clock).await;
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
    intercom: &Intercom,
    chance: &mut StdRng,
    clock: &Clock,
) -> Result<(), String> {
    let mut pause = |range| clock.sleep(Duration::from_millis(chance.random_range(range)));
    pause(10..60).await;
    for number in (0..SESSIONS).step_by(2) {
        check::link(client, &server.url, intercom, &format!("s{number}")).await?;
    }
    pause(20..400).await;
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
