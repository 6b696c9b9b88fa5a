//! Actors: decide, commit, act; with a state that does as it is told, and with faults in between.

mod clock;
mod counter;
mod faults;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::domain::id::Key;
use event_connector::session::{Error, sweeper};
use event_connector::store::Store;
use event_connector::store::memory::Fault;

use crate::support::eventually;
use counter::{House, key};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_means_that_the_commit_is_durable() {
    let house = House::new();
    assert_eq!(house.add("a", 3).await.expect("taken"), 3);
    assert_eq!(house.add("a", 4).await.expect("taken"), 7);
    assert_eq!(house.stored(&key("a")).await, Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_wait_together_are_committed_together() {
    let house = House::new();
    house.hold();
    let first = house.add("a", 1);
    let rest = async {
        let many = (0..50).map(|_| house.add("a", 1));
        let all = futures_util::future::join_all(many);
        let release = async {
            tokio::task::yield_now().await;
            house.release();
        };
        tokio::join!(all, release).0
    };
    let (first, rest) = tokio::join!(first, rest);
    first.expect("taken");
    assert!(rest.iter().all(Result::is_ok));
    assert_eq!(house.stored(&key("a")).await, Some(51));
    let commits = house
        .metrics
        .commits
        .with_label_values(&["committed"])
        .get();
    assert!(commits < 51, "{commits} commits for 51 inputs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_decided_again_on_the_newer_state() {
    let house = House::new();
    house.add("a", 1).await.expect("taken");
    // Another instance on the same store is faster.
    let other = house.sibling();
    other.add("a", 10).await.expect("taken");
    assert_eq!(house.add("a", 100).await.expect("taken"), 111);
    assert_eq!(
        house.metrics.commits.with_label_values(&["conflict"]).get(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_conflicts_again_is_counted_apart() {
    let house = House::new();
    for (conflicts, repeated) in [(1, 0), (3, 2)] {
        (0..conflicts).for_each(|_| house.store.inject(Fault::Conflict));
        house.add("a", 1).await.expect("taken");
        assert_eq!(house.metrics.conflicts_repeated.get(), repeated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_never_lose_an_input() {
    let house = House::new();
    let other = house.sibling();
    let asks = (0..200).map(|number| {
        let side = if number % 2 == 0 { &house } else { &other };
        side.add("a", 1)
    });
    for answer in futures_util::future::join_all(asks).await {
        answer.expect("taken");
    }
    assert_eq!(house.stored(&key("a")).await, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_takes_effect_once() {
    let house = House::new();
    house.store.inject(Fault::LostReply);
    assert_eq!(house.add("a", 5).await.expect("taken"), 5);
    house.store.inject(Fault::LostRequest);
    assert_eq!(house.add("a", 5).await.expect("taken"), 10);
    assert_eq!(house.stored(&key("a")).await, Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_leaves_no_trace() {
    let house = House::new();
    house
        .store
        .inject(Fault::NotWritten(event_connector::store::Error::Full));
    let refused = house.add("a", 5).await;
    assert!(matches!(refused, Err(Error::NotWritten(_))));
    assert_eq!(house.add("a", 1).await.expect("taken"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_repetition_leaves_the_first_attempts_fate_open() {
    let house = House::new();
    house.store.inject(Fault::LostReply);
    house
        .store
        .inject(Fault::NotWritten(event_connector::store::Error::Full));
    let refused = house.add("a", 5).await;
    assert!(matches!(refused, Err(Error::NotWritten(_))));
    let outcomes = &house.metrics.commits;
    assert_eq!(outcomes.with_label_values(&["unknown"]).get(), 1);
    assert_eq!(outcomes.with_label_values(&["not_written"]).get(), 0);
    assert_eq!(house.add("a", 1).await.expect("taken"), 6, "it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_one_input_and_the_second_time_it_is_parked() {
    let house = House::new();
    house.add("a", 1).await.expect("taken");
    let (first, neighbour) = tokio::join!(house.add("a", counter::BOMB), house.add("a", 1));
    assert!(matches!(first, Err(Error::Panicked)));
    assert_eq!(
        neighbour.expect("taken"),
        2,
        "a neighbour in the same batch is taken"
    );
    let second = house.add("a", counter::BOMB).await;
    assert!(matches!(second, Err(Error::Parked)));
    assert_eq!(house.store.parked(), 1);
    assert_eq!(house.stored(&key("a")).await, Some(2));
    assert!(house.metrics.panics.get() >= 2);
    assert_eq!(house.metrics.parked.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_breaks_is_replaced_by_the_next_message() {
    let house = House::new();
    assert_eq!(house.add("a", 600).await.expect("taken"), 600);
    let broken = house.add("a", counter::CURSE - 600).await;
    assert!(matches!(broken, Err(Error::Stopping)));
    // The answer is lost a moment before the mailbox is: a message in between is refused as well.
    eventually("the actor has ended", || async {
        match house.tasks.panics() {
            1 => Ok(()),
            panics => Err(panics),
        }
    })
    .await;
    assert_eq!(house.add("a", 1).await.expect("taken"), 601);
    assert_eq!(house.tasks.panics(), 1);
    assert_eq!(house.metrics.sessions_live.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_leaves_the_work_and_the_mail_behind_it_to_a_task() {
    let house = House::new();
    house.hold();
    let mut first = Box::pin(house.add("a", 1));
    let held = eventually("a commit waits", || async {
        house.is_held().then_some(()).ok_or("none")
    });
    tokio::select! {
        answer = &mut first => panic!("nothing is committed yet, and it is answered {answer:?}"),
        () = held => {}
    }
    let hang_up = async {
        tokio::task::yield_now().await;
        drop(first);
        house.release();
    };
    let (second, ()) = tokio::join!(house.add("a", 2), hang_up);
    assert_eq!(second.expect("taken"), 3, "behind the first");
    assert_eq!(house.stored(&key("a")).await, Some(3));
    let grace = Duration::from_secs(10);
    assert!(house.tasks.finish(&Clock::system(), grace).await);
    assert_eq!(house.metrics.sessions_live.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_state_is_set_aside_and_stops_nobody() {
    let house = House::new();
    house.add("a", 1).await.expect("taken");
    house.spoil(&key("a")).await;
    let fresh = house.sibling();
    assert_eq!(fresh.add("a", 7).await.expect("taken"), 7);
    let depth = house.store.depth().await.expect("sizes");
    assert_eq!(depth.quarantined, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_refuses_and_counts() {
    let house = House::with(Duration::from_secs(3600), 10);
    house.hold();
    let asks = (0..300).map(|_| house.add("a", 1));
    let all = futures_util::future::join_all(asks);
    let release = async {
        tokio::task::yield_now().await;
        house.release();
    };
    let (answers, ()) = tokio::join!(all, release);
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Overloaded)))
        .count();
    assert!(refused > 0);
    assert_eq!(house.metrics.mailbox_full.get(), refused as u64);
    assert_eq!(house.stored(&key("a")).await, Some(300 - refused as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_a_dead_instance_wrote_is_served_by_one_that_has_an_older_state() {
    let house = House::new();
    house.add("a", 1).await.expect("taken");
    let other = house.sibling();
    other.add("a", counter::ALARM).await.expect("taken");
    let grace = Duration::from_secs(10);
    assert!(other.tasks.finish(&Clock::system(), grace).await);
    house.tasks.spawn(
        "sweeper",
        sweeper::run(house.sessions.clone(), Duration::from_millis(100)),
    );
    assert_eq!(house.sessions.live(), 1, "it knows the key from before");
    eventually("the alarm rings", || async {
        house.hand.advance(Duration::from_millis(100));
        match house.stored(&key("a")).await {
            Some(count) if count == counter::ALARM + 1001 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_fires_on_time_and_once_after_sleep_by_the_sweeper() {
    let house = House::new();
    house.add("a", counter::ALARM).await.expect("taken");
    let before = house.stored(&key("a")).await;
    house.hand.advance(Duration::from_secs(1));
    let rung = |house: &House| {
        let store = Arc::clone(&house.store);
        async move {
            let stored = store
                .load(&key("a"))
                .await
                .expect("readable")
                .expect("there");
            let count = counter::decode(&stored.state);
            if Some(count) == before {
                Err(count)
            } else {
                Ok(count)
            }
        }
    };
    let count = eventually("the alarm rings", || rung(&house)).await;
    assert_eq!(count, counter::ALARM + 1000);

    // The same for a key that nobody has live: only the sweeper can know.
    let asleep: Key = key("b");
    house.add("b", counter::ALARM).await.expect("taken");
    let fresh = house.sibling();
    fresh.tasks.spawn(
        "sweeper",
        sweeper::run(fresh.sessions.clone(), Duration::from_millis(10)),
    );
    // Nobody is live on the first instance any more.
    assert!(
        house
            .tasks
            .finish(&Clock::system(), Duration::from_secs(10))
            .await
    );
    fresh.hand.advance(Duration::from_secs(2));
    eventually("the sweeper rings it", || async {
        // Its next round may have been set after the clock was moved.
        fresh.hand.advance(Duration::from_millis(20));
        match fresh.stored(&asleep).await {
            Some(count) if count == counter::ALARM + 1000 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert!(fresh.metrics.sessions_swept.get() >= 1);
}
