//! Keys that rest, go to sleep or are let go of.

use std::time::Duration;

use super::counter::{self, House, key};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn idle_keys_go_to_sleep_and_no_mail_is_lost_on_the_way() {
    let house = House::with(Duration::ZERO, 100);
    let asks = (0..500).map(|number| house.add(format!("k{}", number % 7), 1));
    for answer in futures_util::future::join_all(asks).await {
        answer.expect("taken");
    }
    let mut sum = 0;
    for number in 0..7 {
        sum += house.stored(&key(&format!("k{number}"))).await.unwrap_or(0);
    }
    assert_eq!(sum, 500);
    eventually("all sleep", || async {
        match house.sessions.live() {
            0 => Ok(()),
            live => Err(live),
        }
    })
    .await;
    assert!(
        house
            .metrics
            .sessions_passivated
            .with_label_values(&["idle"])
            .get()
            >= 7
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn live_keys_are_bounded_and_the_least_recently_used_goes_first() {
    let house = House::with(Duration::from_secs(3600), 10);
    for number in 0..50 {
        house.add(format!("k{number}"), 1).await.expect("taken");
        assert!(house.sessions.live() <= 10);
    }
    assert_eq!(house.metrics.sessions_live.get(), 10);
    let pressed = house
        .metrics
        .sessions_passivated
        .with_label_values(&["pressure"]);
    assert_eq!(pressed.get(), 40);
    assert_eq!(house.add("k0", 1).await.expect("taken"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_idle_keys_goes_to_sleep_at_its_time() {
    let house = House::with(Duration::from_secs(60), 1000);
    for number in 0..200 {
        house.add(format!("k{number}"), 1).await.expect("taken");
    }
    assert_eq!(house.sessions.live(), 200);
    house.hand.advance(Duration::from_secs(59));
    assert_eq!(house.sessions.live(), 200);
    eventually("all sleep", || async {
        house.hand.advance(Duration::from_secs(1));
        match house.sessions.live() {
            0 => Ok(()),
            live => Err(live),
        }
    })
    .await;
    let idle = house
        .metrics
        .sessions_passivated
        .with_label_values(&["idle"]);
    assert_eq!(idle.get(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_pressure_a_key_with_a_deadline_stays_and_keeps_it() {
    let house = House::with(Duration::from_secs(3600), 2);
    house.add("due", counter::ALARM).await.expect("taken");
    for name in ["a", "b", "c"] {
        house.add(name, 1).await.expect("taken");
    }
    let pressed = house
        .metrics
        .sessions_passivated
        .with_label_values(&["pressure"]);
    eventually("two are live", || async {
        match (house.sessions.live(), pressed.get()) {
            (2, 2) => Ok(()),
            others => Err(others),
        }
    })
    .await;
    house.hand.advance(Duration::from_secs(1));
    // Nobody sweeps here: it rings from memory, or not at all.
    eventually("the alarm rings", || async {
        match house.stored(&key("due")).await {
            Some(count) if count == counter::ALARM + 1000 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_forgotten_while_it_is_worked_on_is_let_go_of() {
    let house = House::new();
    house.add("a", 1).await.expect("taken");
    house.hold();
    let forget = async {
        eventually("a commit waits", || async {
            house.is_held().then_some(()).ok_or("none")
        })
        .await;
        house.sessions.forget(&key("a"));
        house.release();
    };
    let (answer, ()) = tokio::join!(house.add("a", 1), forget);
    assert_eq!(answer.expect("taken"), 2);
    eventually("it is not live", || async {
        match house.sessions.live() {
            0 => Ok(()),
            live => Err(live),
        }
    })
    .await;
    let erased = house
        .metrics
        .sessions_passivated
        .with_label_values(&["erased"]);
    assert_eq!(erased.get(), 1);
    assert_eq!(house.metrics.sessions_live.get(), 0);
    assert_eq!(house.add("a", 1).await.expect("taken"), 3);
}
