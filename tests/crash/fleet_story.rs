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
use tokio::task::JoinHandle;

use super::check::{self, Figures, Memory};
use super::fleet::{Calamity, Flaw, Fleet, LEASE_MS};
use super::load;
use super::look;
use super::pages::Pages;
use super::provider::{ANSWER, Provider};
use super::sent::{self, Sent};
use super::story::{self, SESSIONS};

/// A label and whose it is, one after the other as an instance shows them.
type Feed = Vec<(String, String)>;

/// Who follows the feed of each instance.
type Followers = Vec<JoinHandle<Result<Feed, String>>>;

/// What a round looks at the fleet with.
struct Eyes {
    client: reqwest::Client,
    intercom: Intercom,
}

/// A round with everything drawn from `seed`, the calamity too unless the fleet is flawed.
pub(crate) async fn play(flaw: Flaw, seed: u64) -> Result<Figures, String> {
    let mut chance = StdRng::seed_from_u64(seed);
    let tasks = Tasks::new();
    let eyes = Eyes {
        intercom: story::workspace(&tasks).await?,
        client: reqwest::Client::builder()
            .build()
            .map_err(|error| error.to_string())?,
    };
    let calamity = match flaw {
        Flaw::None => Calamity::draw(&mut chance),
        Flaw::Forgetful | Flaw::Apart => Calamity::total(),
    };
    let played = async {
        let mut fleet = Fleet::start(&eyes.intercom.base_url(), flaw, seed)?;
        let followers = follow(&eyes.client, &fleet.urls());
        let memory = check::remember(&eyes.client, &fleet.urls()[0], &eyes.intercom).await?;
        let mut pages = Pages::open(seed)?;
        let providers =
            load_through(&mut fleet, &eyes, &calamity, (&mut pages, &mut chance)).await?;
        feed_is_one(&fleet, &eyes.client, &calamity, &providers, followers).await?;
        let figures = verify(&fleet, &eyes, &memory, &providers).await?;
        let urls = fleet.urls();
        let url = urls.choose(&mut chance).ok_or("nobody lives")?;
        let offers = pages.check(url).await?;
        Ok(Figures { offers, ..figures })
    };
    let figures: Result<_, String> = played.await;
    tasks.stop();
    figures.map_err(|reason| format!("{calamity:?}: {reason}"))
}

/// What is posted after everything else.
fn last() -> String {
    sent::label("last", 0)
}

fn follow(client: &reqwest::Client, urls: &[String]) -> Followers {
    let follower = |url: &String| {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move { look::follow_feed(&client, &url, &last()).await })
    };
    urls.iter().map(follower).collect()
}

/// What the sessions that are linked have sent.
fn linked(providers: &[Provider]) -> Vec<Sent> {
    let linked = providers.iter().step_by(2);
    linked.map(|one| one.sent.clone()).collect()
}

fn new_providers(chance: &mut StdRng) -> Result<Vec<Provider>, String> {
    let client = reqwest::Client::builder().timeout(ANSWER);
    let client = client.build().map_err(|error| error.to_string())?;
    let provider = |number| Provider::new(client.clone(), format!("s{number}"), chance.random());
    Ok((0..SESSIONS).map(provider).collect())
}

/// Load until the calamity and a little longer; recovery; and load on all instances again.
async fn load_through(
    fleet: &mut Fleet,
    eyes: &Eyes,
    calamity: &Calamity,
    (pages, chance): (&mut Pages, &mut StdRng),
) -> Result<Vec<Provider>, String> {
    let clock = Clock::system();
    let mut providers = new_providers(chance)?;
    let (urls, stop) = (fleet.urls(), AtomicBool::new(false));
    let posting = providers.iter_mut();
    let posting = join_all(posting.map(|provider| provider.post_until(&urls, &stop)));
    let directing = async {
        let directed = link_and_strike(fleet, eyes, calamity, chance).await;
        stop.store(true, Ordering::Relaxed);
        directed
    };
    // Notes of theirs would hold an account's places under the leases of the dead, and be waited for by the others.
    let asking = pages.use_until(&urls, None, &stop);
    let (_, (), directed) = tokio::join!(posting, asking, directing);
    directed?;
    let moment = Duration::from_millis(chance.random_range(40..160));
    clock.sleep(moment).await;
    fleet.suffer_again(calamity)?;
    if calamity.is_awaited {
        // Whoever lives finds by itself what the others have left behind.
        let sent = linked(&providers);
        let told = check::notes_are_complete(&eyes.intercom, sent.iter()).await;
        told.map_err(|reason| format!("by those that live: {reason}"))?;
    }
    if calamity.stopped.is_some() {
        clock.sleep(Duration::from_millis(LEASE_MS)).await;
    }
    fleet.recover(calamity)?;
    let urls = fleet.urls();
    let catching_up = providers.iter_mut();
    let catching_up = try_join_all(catching_up.map(|provider| provider.catch_up(&urls)));
    let asking = pages.use_again(&urls, None);
    let (caught_up, ()) = tokio::join!(catching_up, asking);
    caught_up?;
    Ok(providers)
}

/// Links every other session through any instance, while Intercom is slow at times, so that leases are
/// held when it happens.
async fn link_and_strike(
    fleet: &mut Fleet,
    Eyes { client, intercom }: &Eyes,
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
    // Either the load goes on through it all, or what was begun is left to those that live.
    let goes_on = chance.random_ratio(1, 2);
    if goes_on {
        clock.sleep(ms(20..150, chance)).await;
    }
    fleet.revive_redis(calamity);
    if goes_on {
        clock.sleep(ms(50..150, chance)).await;
    }
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

/// The feed is exact and in the same order on every instance, and for whoever has followed it since before
/// the load on one that has not died.
async fn feed_is_one(
    fleet: &Fleet,
    client: &reqwest::Client,
    calamity: &Calamity,
    providers: &[Provider],
    followers: Followers,
) -> Result<(), String> {
    let sent: Vec<Sent> = providers.iter().map(|one| one.sent.clone()).collect();
    let (urls, last) = (fleet.urls(), last());
    if !load::post(client, &urls[0], "last", &last).await {
        return Err(format!("{last} was refused after the restart"));
    }
    let reading = urls.iter().map(|url| look::read_feed(client, url, &last));
    let mut feeds = try_join_all(reading).await?;
    for (number, follower) in followers.into_iter().enumerate() {
        if calamity.kills(number) {
            continue;
        }
        let followed = Clock::system().timeout(look::PATIENCE, follower).await;
        let followed = followed.ok_or("a follower saw no end of the feed")?;
        feeds.push(followed.map_err(|error| error.to_string())??);
    }
    for feed in &feeds {
        look::feed_is_exact(feed, &sent)?;
        if *feed != feeds[0] {
            return Err("the feed is in another order elsewhere".to_owned());
        }
    }
    Ok(())
}

async fn verify(
    fleet: &Fleet,
    Eyes { client, intercom }: &Eyes,
    memory: &Memory,
    providers: &[Provider],
) -> Result<Figures, String> {
    let (urls, linked) = (fleet.urls(), linked(providers));
    let told_again = check::notes_are_complete(intercom, linked.iter()).await?;
    for url in &urls {
        check::memory_survived(client, url, intercom, memory).await?;
    }
    for (number, one) in providers.iter().enumerate() {
        check::agree(client, &urls, &one.sent.session, number % 2 == 0).await?;
    }
    if let Some(line) = fleet.panics() {
        return Err(format!("something panicked: {line}"));
    }
    let acknowledged = providers.iter().map(|one| one.sent.acknowledged.len());
    Ok(Figures {
        acknowledged: acknowledged.sum(),
        resent: providers.iter().map(|one| one.resent).sum(),
        notes: check::notes_total(intercom, &linked),
        told_again,
        read_back: check::read_back(intercom),
        conflicts: check::conflicts(client, &urls).await?,
        ..Figures::default()
    })
}
