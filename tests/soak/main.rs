//! Churn for as long as one likes, and a look at what grows.
//!
//! `SOAK_S=600 cargo test --release --test soak` lets visitors come and go, open conversations, listen
//! to the feed and leave again, while the vendor's network goes through every weather; meanwhile it
//! takes samples of the service's memory, descriptors and files. What the service keeps has an end
//! (`retention`), set here so short that everything is old before the test is half over: from then on
//! nothing may grow, for those who come have been there before. At the end everybody leaves, and everything
//! must be given back.
//!
//! With `STORE=redis` it is two instances on a Redis of their own, which mirror the states of sessions there.
//! Each click goes to the other one, and the memory and keys of that Redis are looked at as well.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints its results and reads its environment"
)]

#[path = "../support/around.rs"]
mod around;
#[path = "../support/chaos.rs"]
#[expect(dead_code, reason = "shared with tests that see more weathers")]
mod chaos;
mod churn;
#[path = "../support/look.rs"]
#[expect(dead_code, reason = "shared with tests that look at more")]
mod look;
#[path = "../support/mutant.rs"]
#[expect(dead_code, reason = "the broken builds are other tests' business")]
mod mutant;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that look into a server")]
mod redis;
mod sample;
#[path = "../support/sent.rs"]
#[expect(dead_code, reason = "shared with tests that look at more")]
mod sent;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "shared with tests that do more to a server")]
mod server;
mod stage;
#[path = "../support/tally.rs"]
mod tally;
#[path = "../support/until.rs"]
mod until;

use std::process::ExitCode;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::tasks::Tasks;

use chaos::Chaos;
use churn::Churn;
use sample::Series;
use server::{ACCESS_TOKEN, ADMIN_ID, CLIENT_SECRET};
use stage::Stage;
use tally::Tally;

/// How long it runs when nobody says, seconds: enough to see a leak of every visitor's session.
const SOAK_S: u64 = 30;

/// How long it may take until everybody was there once.
const PATIENCE: Duration = Duration::from_secs(120);

/// Samples of the whole run.
const SAMPLES: u32 = 120;

fn main() -> ExitCode {
    let seconds = std::env::var("SOAK_S").ok().and_then(|s| s.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(SOAK_S).max(10));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut tally = Tally::new("soak");
    tally.tell("a leak is seen", sample::sees_leaks());
    tally.tell("nothing grows under churn", runtime.block_on(soak(length)));
    tally.close()
}

async fn soak(length: Duration) -> Result<String, String> {
    let (clock, tasks) = (Clock::system(), Tasks::new());
    let workspace = Settings {
        access_token: ACCESS_TOKEN.to_owned(),
        admin_id: ADMIN_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
    };
    let vendor = Intercom::start(clock.clone(), &tasks, workspace)
        .await
        .map_err(|error| error.to_string())?;
    let address = vendor.base_url().replace("http://", "").parse();
    let network = Chaos::start(address.map_err(|_| "an address")?, 7, &tasks)
        .await
        .map_err(|error| error.to_string())?;
    let stage = Stage::start(&network.url(), length)?;
    let churn = Churn::start(stage.urls(), &vendor, &tasks);
    let mut series = stage.series();
    until::until(PATIENCE, "everybody was there", async || {
        Ok(churn.is_everybody_known().then_some(()))
    })
    .await?;
    let began = clock.monotonic();
    for number in 0..SAMPLES {
        network.set(churn::weather(number));
        clock.sleep(length / SAMPLES).await;
        series.iter_mut().try_for_each(Series::take)?;
        if number % (SAMPLES / 10) == 0 {
            let newest: Vec<String> = series.iter().map(Series::newest).collect();
            println!(
                "soak: {:>4} s  {}  {}",
                clock.since(began).as_secs(),
                newest.join(", "),
                churn.counts()
            );
        }
    }
    network.set(chaos::Weather::default());
    churn.stop();
    // The vendor is among the tasks, and has to take what is still to be told.
    let left = stage.until_given_back().await;
    tasks.finish(&clock, Duration::from_secs(1)).await;
    let told = churn.counts();
    churn.acknowledged_enough()?;
    let seen: Result<Vec<String>, String> = series.iter().map(Series::judge).collect();
    let seen = seen?.join(", ");
    Ok(format!("{told}; {seen}; {}", left?))
}
