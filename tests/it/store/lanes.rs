//! Order between deliveries.

use event_connector::domain::log::OutboxChange;

use super::house::{House, dead, delivered, draft, key, retry, wanted, withdrawn, write};

fn retry_now(lane: &str) -> OutboxChange {
    OutboxChange::RetryNow { lane: lane.into() }
}

pub(super) async fn a_lane_leases_its_oldest_delivery_only(house: &House) {
    let both = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "a");
    house.wrote(both).await;
    house
        .wrote(write(&key("s"), 1, "").delivery("d3", "a"))
        .await;
    assert_eq!(house.leased_ids(1_000).await, ["d1"]);
    assert!(house.leased_ids(1_050).await.is_empty());
}

pub(super) async fn a_finished_delivery_lets_the_next_one_go(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "a")
        .delivery("d3", "a");
    house.wrote(three).await;
    house.lease(1_000).await;
    let done = write(&key("s"), 1, "")
        .at(1_010)
        .change(delivered("d1", None));
    house.wrote(done).await;
    assert_eq!(house.leased_ids(1_010).await, ["d2"]);
    house.wrote(draft().at(1_020).change(dead("d2"))).await;
    assert_eq!(house.leased_ids(1_020).await, ["d3"]);
    house
        .wrote(draft().at(1_030).change(delivered("d3", Some("p"))))
        .await;
    assert!(house.leased_ids(9_000).await.is_empty());
}

pub(super) async fn a_waiting_head_holds_its_lane_and_no_other(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("a1", "a")
        .delivery("a2", "a")
        .delivery("b1", "b");
    house.wrote(three).await;
    assert_eq!(house.leased_ids(1_000).await, ["a1", "b1"]);
    let later = house.store.retry(retry("a1", 5_000)).await;
    later.expect("it can be put back");
    house
        .wrote(write(&key("s"), 1, "").at(1_050).delivery("c1", "c"))
        .await;
    assert_eq!(house.leased_ids(1_050).await, ["c1"]);
    assert!(!house.leased_ids(4_999).await.contains(&"a2".to_owned()));
    assert!(house.leased_ids(5_000).await.contains(&"a1".to_owned()));
}

pub(super) async fn a_withdrawn_delivery_in_the_middle_is_skipped(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "a")
        .delivery("d3", "a");
    house.wrote(three).await;
    house.wrote(draft().change(withdrawn("d2"))).await;
    assert_eq!(house.leased_ids(1_000).await, ["d1"]);
    house.wrote(draft().change(delivered("d1", None))).await;
    assert_eq!(house.leased_ids(1_000).await, ["d3"]);
    house.wrote(draft().change(withdrawn("d3"))).await;
    assert!(house.leased_ids(9_000).await.is_empty());
    assert_eq!(house.store.depth().await.expect("countable").outbox, 0);
}

pub(super) async fn the_longest_due_lane_goes_first(house: &House) {
    for (base, (id, now_ms)) in [("d1", 3_000), ("d2", 1_000), ("d3", 2_000)]
        .into_iter()
        .enumerate()
    {
        let base = u64::try_from(base).expect("small");
        house
            .wrote(write(&key("s"), base, "").at(now_ms).delivery(id, id))
            .await;
    }
    let leased = house
        .store
        .lease(wanted(3_000, 1_000, 2))
        .await
        .expect("leasable");
    let ids: Vec<_> = leased.iter().map(|lease| lease.id.as_str()).collect();
    assert_eq!(ids, ["d2", "d3"]);
    assert_eq!(house.leased_ids(3_000).await, ["d1"]);
}

pub(super) async fn a_delivery_can_be_made_and_withdrawn_in_one_commit(house: &House) {
    let both = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .change(withdrawn("d1"))
        .delivery("d2", "a");
    house.wrote(both).await;
    assert_eq!(house.leased_ids(1_000).await, ["d2"]);
}

pub(super) async fn retry_now_makes_a_waiting_lane_due(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("a1", "a")
        .delivery("a2", "a")
        .delivery("b1", "b");
    house.wrote(three).await;
    house.lease(1_000).await;
    for id in ["a1", "b1"] {
        let later = house.store.retry(retry(id, 9_000)).await;
        later.expect("it can be put back");
    }
    house.wrote(draft().at(2_000).change(retry_now("a"))).await;
    assert_eq!(house.leased_ids(2_000).await, ["a1"]);
    house
        .wrote(draft().at(2_001).change(retry_now("never")))
        .await;
    assert!(house.leased_ids(2_001).await.is_empty());
}

pub(super) async fn retry_now_leaves_a_lease_alone(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").delivery("a1", "a"))
        .await;
    house.lease(1_000).await;
    house.wrote(draft().at(1_001).change(retry_now("a"))).await;
    assert!(house.leased_ids(1_050).await.is_empty());
}
