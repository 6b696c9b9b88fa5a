//! One round of several instances: load, a calamity, recovery, a look through every instance.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Call, Fault, Intercom, Twist};
use event_connector::tasks::Tasks;
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::check::{self, Figures, Memory};
use super::fleet::{Calamity, Flaw, Fleet, LEASE_MS};
use super::load;
use super::look;
use super::provider::{ANSWER, Provider};
use super::sent::{self, Sent};
use super::story::{self, SESSIONS};

/// A round with the calamity, and everything else, drawn from `seed`.
pub(crate) async fn play(flaw: Flaw, seed: u64) -> Result<Figures, String> {
    let mut chance = StdRng::seed_from_u64(seed);
    let tasks = Tasks::new();
    let intercom = story::workspace(&tasks).await?;
    let client = reqwest::Client::builder();
    let client = client.build().map_err(|error| error.to_string())?;

    let mut fleet = Fleet::start(&intercom.base_url(), flaw)?;
    let memory = check::remember(&client, &fleet.urls()[0], &intercom).await?;
    let mut calamity = Calamity::draw(&mut chance);
    if flaw == Flaw::Forgetful {
        calamity = calamity.with_redis();
    }
    let providers = providers(&mut chance)?;
    let seen = (&client, &intercom);
    let played = async {
        let providers = load_through(&mut fleet, seen, &calamity, providers, &mut chance).await?;
        verify(&fleet, seen, &memory, &providers).await
    };
    let figures: Result<_, String> = played.await;
    tasks.stop();
    figures.map_err(|reason| format!("{calamity:?}: {reason}"))
}

/// What the sessions that are linked have sent.
fn linked(providers: &[Provider]) -> Vec<Sent> {
    let linked = providers.iter().step_by(2);
    linked.map(|one| one.sent.clone()).collect()
}

fn providers(chance: &mut StdRng) -> Result<Vec<Provider>, String> {
    let client = reqwest::Client::builder().timeout(ANSWER);
    let client = client.build().map_err(|error| error.to_string())?;
    let provider = |number| Provider::new(client.clone(), format!("s{number}"), chance.random());
    Ok((0..SESSIONS).map(provider).collect())
}

/// Load until the calamity and a little longer; recovery; and load on all instances again.
async fn load_through(
    fleet: &mut Fleet,
    seen: (&reqwest::Client, &Intercom),
    calamity: &Calamity,
    mut providers: Vec<Provider>,
    chance: &mut StdRng,
) -> Result<Vec<Provider>, String> {
    let clock = Clock::system();
    let (urls, stop) = (fleet.urls(), AtomicBool::new(false));
    let posting = providers.iter_mut();
    let posting = join_all(posting.map(|provider| provider.post_until(&urls, &stop)));
    let directing = async {
        let directed = link_and_strike(fleet, seen, calamity, chance).await;
        stop.store(true, Ordering::Relaxed);
        directed
    };
    let (_, directed) = tokio::join!(posting, directing);
    directed?;
    if chance.random_ratio(1, 2) {
        // Nothing else happens: whoever lives finds by itself what the others have left behind.
        let sent = linked(&providers);
        let told = check::notes_are_complete(seen.1, sent.iter()).await;
        told.map_err(|reason| format!("by those that live: {reason}"))?;
    }
    if calamity.stopped.is_some() {
        clock.sleep(Duration::from_millis(LEASE_MS)).await;
    }
    fleet.recover(calamity)?;
    let urls = fleet.urls();
    try_join_all(
        providers
            .iter_mut()
            .map(|provider| provider.catch_up(&urls)),
    )
    .await?;
    Ok(providers)
}

/// Links every other session through any instance, while Intercom is slow at times, so that leases are
/// held when it happens.
async fn link_and_strike(
    fleet: &mut Fleet,
    (client, intercom): (&reqwest::Client, &Intercom),
    calamity: &Calamity,
    chance: &mut StdRng,
) -> Result<(), String> {
    let clock = Clock::system();
    let ms = |range, chance: &mut StdRng| Duration::from_millis(chance.random_range(range));
    clock.sleep(ms(10..60, chance)).await;
    for number in (0..SESSIONS).step_by(2) {
        let session = format!("s{number}");
        slow_down(intercom, &session, chance);
        let urls = fleet.urls();
        let url = urls.choose(chance).ok_or("nobody lives")?;
        check::link(client, url, intercom, &session).await?;
    }
    clock.sleep(ms(20..300, chance)).await;
    fleet.suffer(calamity)?;
    clock.sleep(ms(20..150, chance)).await;
    fleet.revive_redis(calamity);
    clock.sleep(ms(50..150, chance)).await;
    Ok(())
}

/// Some notes of a session take effect late, and some are answered late.
fn slow_down(intercom: &Intercom, session: &str, chance: &mut StdRng) {
    let conversation = format!("c-{session}");
    for _ in 0..3 {
        let delay = Twist::Delay(Duration::from_millis(chance.random_range(1..60)));
        let fault = if chance.random_ratio(1, 2) {
            Fault::before(delay)
        } else {
            Fault::after(delay)
        };
        intercom.script(Call::Reply, Some(&conversation), fault);
    }
}

async fn verify(
    fleet: &Fleet,
    (client, intercom): (&reqwest::Client, &Intercom),
    memory: &Memory,
    providers: &[Provider],
) -> Result<Figures, String> {
    let sent: Vec<Sent> = providers.iter().map(|one| one.sent.clone()).collect();
    let (urls, last) = (fleet.urls(), sent::label("last", 0));
    if !load::post(client, &urls[0], "last", &last).await {
        return Err(format!("{last} was refused after the restart"));
    }
    let reading = urls.iter().map(|url| look::read_feed(client, url, &last));
    let feeds = try_join_all(reading).await?;
    for feed in &feeds {
        look::feed_is_exact(feed, &sent)?;
    }
    if feeds.iter().any(|feed| *feed != feeds[0]) {
        return Err("the feed is in another order on another instance".to_owned());
    }
    let told_again = check::notes_are_complete(intercom, linked(providers).iter()).await?;
    for url in &urls {
        check::memory_survived(client, url, intercom, memory).await?;
    }
    for (number, one) in sent.iter().enumerate() {
        check::agree(client, &urls, &one.session, number % 2 == 0).await?;
    }
    if let Some(line) = fleet.panics() {
        return Err(format!("something panicked: {line}"));
    }
    Ok(Figures {
        acknowledged: sent.iter().map(|one| one.acknowledged.len()).sum(),
        resent: providers.iter().map(|one| one.resent).sum(),
        notes: check::notes_total(intercom, &sent),
        told_again,
        conflicts: check::conflicts(client, &urls).await?,
    })
}
