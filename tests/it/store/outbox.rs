//! One delivery from commit to end.

use event_connector::domain::attempt::AttemptRecord;
use event_connector::domain::id::PartId;
use event_connector::store::Retry;

use super::house::{House, dead, delivered, draft, key, key_of, retry, withdrawn, write};

/// One delivery `d` in lane `a`, committed at 1,000.
async fn one(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").delivery("d", "a"))
        .await;
}

async fn put_back(house: &House, retry: Retry) {
    let done = house.store.retry(retry).await;
    done.expect("it can be put back");
}

pub(super) async fn a_lease_tells_everything_about_its_delivery(house: &House) {
    one(house).await;
    assert!(house.lease(999).await.is_empty(), "not before its commit");
    let leased = house.lease(1_500).await;
    let [lease] = leased.as_slice() else {
        panic!("{leased:?}");
    };
    assert_eq!(lease.id.as_str(), "d");
    assert_eq!(lease.key, key("s"));
    assert_eq!(&*lease.lane, "a");
    assert_eq!(&*lease.body, "{\"note\":\"d\"}");
    assert_eq!(lease.attempt, 1);
    assert_eq!(lease.created_ms, 1_000);
    assert_eq!(lease.unsettled_since_ms, None);
}

pub(super) async fn a_leased_delivery_is_not_leased_again_before_its_end(house: &House) {
    one(house).await;
    assert_eq!(house.lease(1_000).await.len(), 1);
    assert!(house.lease(1_099).await.is_empty());
    assert_eq!(house.lease(1_100).await.len(), 1);
}

pub(super) async fn the_oldest_open_delivery_of_each_platform_is_known(house: &House) {
    let oldest = async || {
        let oldest = house.store.oldest_deliveries().await.expect("readable");
        let told = oldest.iter().map(|(name, ms)| format!("{name} {ms}"));
        told.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(oldest().await, "");
    house
        .wrote(write(&key("s"), 0, "").delivery("a", "shop/intercom/a"))
        .await;
    house
        .wrote(
            write(&key("s"), 1, "")
                .delivery("b", "shop/ada/b")
                .at(1_200),
        )
        .await;
    house
        .wrote(
            write(&key("s"), 2, "")
                .delivery("c", "shop/ada/c/1")
                .at(1_300),
        )
        .await;
    // In a bucket of its own, and in a lane that names no platform.
    let bank = key_of("bank", "s");
    house
        .wrote(write(&bank, 0, "").delivery("d", "bank/ada/d").at(1_100))
        .await;
    house
        .wrote(write(&bank, 1, "").delivery("e", "elsewhere").at(1_000))
        .await;
    assert_eq!(oldest().await, "ada 1100, intercom 1000");
    assert_eq!(house.lease(1_400).await.len(), 5);
    assert_eq!(oldest().await, "ada 1100, intercom 1000");
    house.wrote(draft().change(delivered("a", None))).await;
    let mut bank = draft().change(dead("d"));
    bank.0.product = "bank".into();
    house.wrote(bank).await;
    assert_eq!(oldest().await, "ada 1200");
    let revived = house.store.replay(&"d".into(), "copy".into(), 1_500).await;
    assert_eq!(revived.expect("it can be replayed"), Some("d".into()));
    assert_eq!(oldest().await, "ada 1100");
}

pub(super) async fn an_expired_lease_is_leased_again_as_unsettled(house: &House) {
    one(house).await;
    house.lease(1_000).await;
    let again = house.lease(1_200).await.remove(0);
    assert_eq!(again.unsettled_since_ms, Some(1_000));
    assert_eq!(again.attempt, 2);
}

pub(super) async fn the_earliest_unsettled_attempt_is_remembered(house: &House) {
    one(house).await;
    house.lease(1_000).await;
    house.lease(1_200).await;
    let third = house.lease(1_400).await.remove(0);
    assert_eq!(third.unsettled_since_ms, Some(1_000));
    assert_eq!(third.attempt, 3);
    let settled = Retry {
        fence: third.fence,
        ..retry("d", 1_500)
    };
    put_back(house, settled).await;
    let fourth = house.lease(1_500).await.remove(0);
    assert_eq!(fourth.unsettled_since_ms, None);
    let unsettled = Retry {
        fence: fourth.fence,
        unsettled_since_ms: Some(1_500),
        ..retry("d", 1_600)
    };
    put_back(house, unsettled).await;
    let fifth = house.lease(1_600).await.remove(0);
    assert_eq!(fifth.unsettled_since_ms, Some(1_500));
    assert_eq!(fifth.attempt, 5);
}

pub(super) async fn a_retry_waits_and_counts(house: &House) {
    one(house).await;
    house.lease(1_000).await;
    put_back(house, retry("d", 2_000)).await;
    assert!(house.lease(1_999).await.is_empty());
    let again = house.lease(2_000).await.remove(0);
    assert_eq!(again.attempt, 2);
    assert_eq!(again.unsettled_since_ms, None);
}

pub(super) async fn a_retry_that_does_not_count_leaves_the_count(house: &House) {
    one(house).await;
    house.lease(1_000).await;
    let uncounted = Retry {
        counts: false,
        unsettled_since_ms: Some(1_000),
        ..retry("d", 2_000)
    };
    put_back(house, uncounted).await;
    let again = house.lease(2_000).await.remove(0);
    assert_eq!(again.attempt, 1);
    assert_eq!(again.unsettled_since_ms, Some(1_000));
}

pub(super) async fn a_retry_of_what_is_not_leased_changes_nothing(house: &House) {
    one(house).await;
    put_back(house, retry("d", 9_000)).await;
    put_back(house, retry("never", 9_000)).await;
    assert_eq!(house.lease(1_000).await.remove(0).attempt, 1);
    house.wrote(draft().change(delivered("d", None))).await;
    put_back(house, retry("d", 1_000)).await;
    assert!(house.lease(9_000).await.is_empty());
}

pub(super) async fn a_retry_by_somebody_whose_lease_is_over_changes_nothing(house: &House) {
    one(house).await;
    let first = house.lease(1_000).await.remove(0);
    let second = house.lease(1_100).await.remove(0);
    assert!(second.fence > first.fence);
    let late = Retry {
        fence: first.fence,
        attempt: Some(AttemptRecord::lost(1_000)),
        ..retry("d", 1_110)
    };
    put_back(house, late.clone()).await;
    assert!(house.lease(1_150).await.is_empty(), "it is still leased");
    let shown = house.store.delivery(&"d".into()).await.expect("readable");
    let shown = shown.expect("there");
    assert_eq!(shown.attempts.len(), 1, "only the lease that ran out");
    assert_eq!(shown.delivery.error, None);
    put_back(
        house,
        Retry {
            fence: second.fence,
            ..late
        },
    )
    .await;
    assert_eq!(house.lease(1_150).await.len(), 1);
}

pub(super) async fn finishing_twice_changes_nothing(house: &House) {
    one(house).await;
    house
        .wrote(draft().change(delivered("d", Some("p1"))))
        .await;
    let others = draft()
        .change(dead("d"))
        .change(withdrawn("d"))
        .change(delivered("d", Some("p2")))
        .change(delivered("never", Some("p3")));
    house.wrote(others).await;
    let parts = ["p1", "p2", "p3"].map(PartId::from);
    let known = house.store.recorded_parts("a", &parts).await;
    assert_eq!(known.expect("readable"), [PartId::from("p1")]);
    let depth = house.store.depth().await.expect("countable");
    assert_eq!((depth.outbox, depth.dead_letters), (0, 0));
}

pub(super) async fn a_known_delivery_is_not_put_in_again(house: &House) {
    one(house).await;
    house
        .wrote(write(&key("s"), 1, "").delivery("d", "b"))
        .await;
    assert_eq!(house.store.depth().await.expect("countable").outbox, 1);
    house.wrote(draft().change(delivered("d", None))).await;
    house
        .wrote(write(&key("s"), 2, "").delivery("d", "a"))
        .await;
    assert!(house.lease(9_000).await.is_empty());
}

pub(super) async fn recorded_parts_are_known_by_their_lane(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("a1", "a")
        .delivery("a2", "a")
        .delivery("b1", "b");
    house.wrote(three).await;
    let done = draft()
        .change(delivered("a1", Some("p1")))
        .change(delivered("a2", Some("p2")))
        .change(delivered("b1", Some("p3")));
    house.wrote(done).await;
    let parts = ["p3", "p2", "p9", "p1"].map(PartId::from);
    let known = house.store.recorded_parts("a", &parts).await;
    assert_eq!(known.expect("readable"), ["p2", "p1"].map(PartId::from));
    let known = house.store.recorded_parts("never", &parts).await;
    assert!(known.expect("readable").is_empty());
}

pub(super) async fn the_next_delivery_is_the_earliest_due(house: &House) {
    let next = async || house.store.next_delivery_ms(&[]).await.expect("readable");
    assert_eq!(next().await, None);
    let two = write(&key("s"), 0, "")
        .delivery("a1", "a")
        .delivery("a2", "a");
    house.wrote(two).await;
    assert_eq!(next().await, Some(1_000));
    house.lease(1_000).await;
    assert_eq!(next().await, Some(1_100), "a lease ends then");
    put_back(house, retry("a1", 5_000)).await;
    assert_eq!(next().await, Some(5_000), "the lane waits for its head");
    house.wrote(draft().at(3_000).change(withdrawn("a1"))).await;
    assert_eq!(next().await, Some(3_000));
    house.wrote(draft().at(3_000).change(withdrawn("a2"))).await;
    assert_eq!(next().await, None);
}

pub(super) async fn dead_letters_are_counted(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("a1", "a")
        .delivery("a2", "a")
        .delivery("b1", "b");
    house.wrote(three).await;
    house.wrote(draft().change(dead("a1"))).await;
    let depth = house.store.depth().await.expect("countable");
    assert_eq!((depth.outbox, depth.dead_letters), (2, 1));
}

pub(super) async fn a_clock_set_back_moves_what_waits(house: &House) {
    let hour = 3_600_000;
    let three = write(&key("s"), 0, "")
        .at(hour)
        .delivery("leased", "a")
        .delivery("waits", "b")
        .delivery("done", "c");
    house.wrote(three).await;
    house.lease(hour).await;
    let unsettled = Retry {
        unsettled_since_ms: Some(hour),
        ..retry("waits", hour + 2_000)
    };
    house
        .store
        .retry(unsettled)
        .await
        .expect("it can be put back");
    house
        .wrote(draft().at(hour).change(delivered("done", None)))
        .await;
    // The clock, a second later, is set back by an hour.
    let rewound = house.store.rewind(1_000, hour, 60_000).await;
    rewound.expect("it can be moved");
    assert_eq!(
        house.store.next_delivery_ms(&[]).await.expect("readable"),
        Some(1_000)
    );
    let ended = house.lease(1_000).await.remove(0);
    assert_eq!(
        (&*ended.id.to_string(), ended.unsettled_since_ms),
        ("leased", Some(1_000))
    );
    assert!(house.leased_ids(1_050).await.is_empty());
    house
        .wrote(draft().at(1_050).change(delivered("leased", None)))
        .await;
    assert!(house.leased_ids(1_999).await.is_empty());
    let waited = house.lease(2_000).await.remove(0);
    assert_eq!(
        waited.unsettled_since_ms,
        Some(1_000),
        "it can be looked up soon"
    );
}

pub(super) async fn a_clock_set_back_before_the_start_bounds_what_waits(house: &House) {
    let day = 86_400_000;
    let two = write(&key("s"), 0, "")
        .at(day)
        .delivery("far", "a")
        .delivery("near", "b");
    house.wrote(two).await;
    house.lease(day).await;
    for (id, at_ms) in [("far", day + 2_000), ("near", 3_000)] {
        house
            .store
            .retry(retry(id, at_ms))
            .await
            .expect("it can be put back");
    }
    for _ in 0..2 {
        house
            .store
            .rewind(1_000, 0, 60_000)
            .await
            .expect("it can be moved");
    }
    assert!(house.leased_ids(2_999).await.is_empty());
    assert_eq!(house.leased_ids(3_000).await, ["near"]);
    assert!(house.leased_ids(60_999).await.iter().all(|id| id == "near"));
    assert!(house.leased_ids(61_000).await.contains(&"far".to_owned()));
}
