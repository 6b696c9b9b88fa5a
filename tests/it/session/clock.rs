//! Deadlines while somebody sets the clock.

use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::session::sweeper;
use event_connector::store::memory::Fault;

use super::counter::{ALARM, House, key};
use crate::support::eventually;

const HOUR_MS: i64 = 3_600_000;

/// Waits for the count, turning the clock a little on every look when `step` says so.
async fn counts(house: &House, id: &str, expected: u64, step: Duration) {
    eventually(&format!("{id} counts {expected}"), || async {
        house.hand.advance(step);
        match house.stored(&key(id)).await {
            Some(count) if count == expected => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_makes_no_deadline_late_and_none_early() {
    for back_ms in [HOUR_MS, 24 * HOUR_MS, 400 * 24 * HOUR_MS] {
        let house = House::new();
        house.add("a", ALARM).await.expect("taken");
        house.hand.set_wall(-back_ms);
        house.hand.advance(Duration::from_millis(499));
        // Mail in between neither rings it nor puts it off.
        assert_eq!(house.add("a", 1).await.expect("taken"), ALARM + 1);
        house.hand.advance(Duration::from_millis(1));
        counts(&house, "a", ALARM + 1001, Duration::ZERO).await;
        // Once is enough, and the next one works by the new time.
        house.add("a", ALARM).await.expect("taken");
        house.hand.advance(Duration::from_millis(500));
        counts(&house, "a", 2 * ALARM + 2001, Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_does_not_keep_a_deadline_waiting_after_the_clock_was_set_back() {
    let house = House::new();
    house.add("a", ALARM).await.expect("taken");
    house.hand.set_wall(-HOUR_MS);
    house.hand.advance(Duration::from_millis(500));
    let mut last = 0;
    for _ in 0..20 {
        last = house.add("a", 1).await.expect("taken");
    }
    assert_eq!(last, ALARM + 1020);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_survives_a_restart_with_the_clock_set_back() {
    for back_ms in [HOUR_MS, 24 * HOUR_MS] {
        let house = House::new();
        house.add("a", ALARM).await.expect("taken");
        assert!(
            house
                .tasks
                .finish(&Clock::system(), Duration::from_secs(10))
                .await
        );
        house.hand.set_wall(-back_ms);
        let fresh = house.sibling();
        fresh.tasks.spawn(
            "sweeper",
            sweeper::run(fresh.sessions.clone(), Duration::from_millis(100)),
        );
        eventually("the key is live", || async {
            match fresh.sessions.live() {
                1 => Ok(()),
                live => Err(live),
            }
        })
        .await;
        // What it had to wait it waits again: how long nobody ran cannot be known.
        assert_eq!(fresh.add("a", 1).await.expect("taken"), ALARM + 1);
        fresh.hand.advance(Duration::from_millis(499));
        assert_eq!(fresh.add("a", 1).await.expect("taken"), ALARM + 2);
        fresh.hand.advance(Duration::from_millis(1));
        counts(&fresh, "a", ALARM + 1002, Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_key_is_woken_when_the_clock_is_set_back_under_it() {
    let house = House::new();
    let fresh = house.sibling();
    fresh.tasks.spawn(
        "sweeper",
        sweeper::run(fresh.sessions.clone(), Duration::from_millis(100)),
    );
    house.add("a", ALARM).await.expect("taken");
    house
        .tasks
        .finish(&Clock::system(), Duration::from_secs(10))
        .await;
    house.hand.set_wall(-24 * HOUR_MS);
    counts(&fresh, "a", ALARM + 1000, Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_forward_rings_what_was_due_in_between_once() {
    let house = House::new();
    house.tasks.spawn(
        "sweeper",
        sweeper::run(house.sessions.clone(), Duration::from_millis(100)),
    );
    house.add("a", ALARM).await.expect("taken");
    house.hand.set_wall(24 * HOUR_MS);
    counts(&house, "a", ALARM + 1000, Duration::from_millis(20)).await;
    house.hand.set_wall(-24 * HOUR_MS);
    house.hand.advance(Duration::from_secs(5));
    assert_eq!(house.add("a", 1).await.expect("taken"), ALARM + 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deadline_is_tried_again_by_elapsed_time() {
    let house = House::new();
    house.add("a", ALARM).await.expect("taken");
    let full = event_connector::store::Error::Full;
    house.store.inject(Fault::NotWritten(full));
    house.hand.advance(Duration::from_millis(500));
    eventually("it was refused", || async {
        match house
            .metrics
            .commits
            .with_label_values(&["not_written"])
            .get()
        {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    house.hand.set_wall(-HOUR_MS);
    counts(&house, "a", ALARM + 1000, Duration::from_millis(100)).await;
}
