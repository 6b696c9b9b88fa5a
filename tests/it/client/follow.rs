//! A feed that is followed, on a clock that is moved by hand.

use std::pin::Pin;
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::client::{Connector, Credential, Error, Follower, Told, Wanted};
use event_connector::clock::{Clock, Hand};

use crate::support::{SECRET, Service, eventually, reads};

/// 2026-05-18 09:14:00 UTC.
const START_S: f64 = 1_779_095_640.0;

/// What this follower takes for dead.
const SILENCE_MAX: Duration = Duration::from_secs(75);

fn follower(service: &Service) -> (Follower, Hand) {
    let (clock, hand) = Clock::manual(START_S);
    let key = Credential::Bearer(SECRET.to_owned().into());
    let connector = Connector::new(clock.clone(), &service.url, &key).expect("a connector");
    let wanted = Wanted {
        product: "acme".to_owned(),
        ..Wanted::default()
    };
    let chance = Chance::seeded(5);
    let follower = Follower::new(connector, clock, chance, wanted, SILENCE_MAX);
    (follower, hand)
}

/// Lets `work` go on while `meanwhile` happens; fails if it comes to its end.
async fn during<T>(work: &mut Pin<&mut impl Future<Output = T>>, meanwhile: impl Future) {
    tokio::select! {
        _ = work => panic!("it came to its end"),
        _ = meanwhile => {}
    }
}

/// Until the follower waits for a time between these.
async fn waits(hand: &Hand, from_ms: u64, to_ms: u64) -> Duration {
    let range = Duration::from_millis(from_ms)..=Duration::from_millis(to_ms);
    eventually(&format!("it waits {range:?}"), || async {
        match hand.next_wake() {
            Some(wait) if range.contains(&wait) => Ok(wait),
            other => Err(other),
        }
    })
    .await
}

async fn told(follower: &mut Follower) -> Result<Told, Error> {
    let patience = Duration::from_secs(30);
    let next = Clock::system().timeout(patience, follower.next()).await;
    next.expect("it tells something within 30 s")
}

fn has(told: &Told, text: &str) -> bool {
    matches!(told, Told::Event(event) if event.data.contains(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_has_slept_asks_anew_and_misses_nothing() {
    let service = Service::start().await;
    let (mut follower, hand) = follower(&service);
    let gauge = service
        .metrics
        .stream_subscribers
        .with_label_values(&["acme"]);
    {
        let mut next = std::pin::pin!(follower.next());
        during(&mut next, reads("it listens", 1, || gauge.get())).await;
        // A minute of silence is nothing; the heartbeat of the start has come.
        for _ in 0..60 {
            during(&mut next, waits(&hand, 1, 1000)).await;
            hand.advance(Duration::from_secs(1));
        }
        during(&mut next, waits(&hand, 1, 1000)).await;
        // The wall clock went on while the machine slept, the monotonic one did not.
        hand.set_wall(600_000);
        hand.advance(Duration::from_secs(1));
        let lost = next.await.expect("told");
        assert!(
            matches!(&lost, Told::Lost(why) if why.starts_with("nothing came for 6")),
            "{lost:?}"
        );
    }
    service.click("s1", "u1", "Save").await;
    {
        let mut next = std::pin::pin!(follower.next());
        let wait = async { hand.advance(waits(&hand, 900, 1100).await) };
        during(&mut next, wait).await;
        assert_eq!(next.await, Ok(Told::Back));
    }
    service.click("s1", "u1", "Send").await;
    for label in ["Save", "Send"] {
        // Its clock is months behind that of the service, and only the latter counts.
        let event = told(&mut follower).await.expect("an event");
        assert!(has(&event, label), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_listens_it_asks_more_and_more_seldom() {
    let service = Service::start().await;
    let (mut follower, hand) = follower(&service);
    {
        let gauge = service
            .metrics
            .stream_subscribers
            .with_label_values(&["acme"]);
        let mut next = std::pin::pin!(follower.next());
        during(&mut next, reads("it listens", 1, || gauge.get())).await;
        service.click("s1", "u1", "Save").await;
        assert!(has(&next.await.expect("an event"), "Save"));
    }
    service.stop().await;
    assert!(matches!(told(&mut follower).await, Ok(Told::Lost(_))));
    let mut next = std::pin::pin!(follower.next());
    // The service says when to come back: after one to ten seconds.
    let asked = async { waits(&hand, 900, 11_000).await };
    tokio::pin!(asked);
    let first = tokio::select! {
        _ = &mut next => panic!("it came to its end"),
        first = &mut asked => first,
    };
    hand.advance(first);
    let mut least = first.mul_f64(2.0 * 0.9 / 1.1);
    for _ in 0..6 {
        least = least.min(Duration::from_secs(27));
        let from_ms = u64::try_from(least.as_millis()).expect("a small number") - 1;
        let wait = async { hand.advance(waits(&hand, from_ms, 33_000).await) };
        during(&mut next, wait).await;
        least *= 2;
    }
    assert!(least > Duration::from_secs(27));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_waiting_mends_ends_it() {
    let service = Service::start().await;
    let (mut follower, _hand) = follower(&service);
    service.stop().await;
    let error = told(&mut follower).await.expect_err("nobody listens");
    assert!(matches!(error, Error::NobodyListens(_)), "{error}");
}
