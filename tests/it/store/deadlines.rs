//! Keys that must be woken.

use event_connector::domain::id::Key;

use super::house::{House, key, key_of, write};

async fn claim(house: &House, now_ms: u64, limit: usize) -> Vec<Key> {
    let keys = house.store.claim_overdue(now_ms, now_ms + 100, limit).await;
    keys.expect("claimable")
}

pub(super) async fn overdue_keys_are_claimed_oldest_first(house: &House) {
    house.wrote(write(&key("late"), 0, "").due(3_000)).await;
    house
        .wrote(write(&key_of("bank", "first"), 0, "").due(1_000))
        .await;
    house.wrote(write(&key("second"), 0, "").due(2_000)).await;
    house.wrote(write(&key("never"), 0, "")).await;
    assert!(claim(house, 999, 9).await.is_empty());
    assert_eq!(claim(house, 2_500, 1).await, [key_of("bank", "first")]);
    assert_eq!(claim(house, 2_500, 9).await, [key("second")]);
    assert!(claim(house, 2_500, 9).await.is_empty());
}

pub(super) async fn a_claim_keeps_others_away_until_it_ends(house: &House) {
    house.wrote(write(&key("s"), 0, "").due(1_000)).await;
    assert_eq!(claim(house, 1_000, 9).await.len(), 1);
    assert!(claim(house, 1_099, 9).await.is_empty());
    assert_eq!(claim(house, 1_100, 9).await, [key("s")]);
}

pub(super) async fn a_commit_moves_or_clears_the_deadline(house: &House) {
    house.wrote(write(&key("s"), 0, "").due(1_000)).await;
    claim(house, 1_000, 9).await;
    house.wrote(write(&key("s"), 1, "").due(1_050)).await;
    assert_eq!(
        claim(house, 1_050, 9).await,
        [key("s")],
        "the claim is over"
    );
    house.wrote(write(&key("s"), 2, "")).await;
    assert!(claim(house, 99_000, 9).await.is_empty());
}

pub(super) async fn keys_written_ahead_of_the_clock_are_claimed_once(house: &House) {
    // Written an hour later than the clock reads now.
    let hour = 3_600_000;
    house
        .wrote(write(&key("ahead"), 0, "").at(hour).due(hour + 60_000))
        .await;
    house
        .wrote(write(&key("soon"), 0, "").at(hour).due(9_000))
        .await;
    house
        .wrote(write(&key("plain"), 0, "").at(5_000).due(99_000))
        .await;
    house.wrote(write(&key("never"), 0, "").at(hour)).await;
    let ahead = |now_ms| house.store.claim_ahead(now_ms, now_ms + 30_000, 9);
    assert_eq!(ahead(6_000).await.expect("claimable"), [key("ahead")]);
    assert!(ahead(6_000).await.expect("claimable").is_empty());
    assert!(ahead(hour).await.expect("claimable").is_empty());
    let stored = house.state(&key("ahead")).await.expect("there");
    assert_eq!(stored.written_ms, hour, "a claim is no commit");
    assert_eq!(claim(house, 36_000, 9).await, [key("soon"), key("ahead")]);
}
