//! The log by sequence.

use std::collections::BTreeSet;

use event_connector::domain::log::{EntryType, Offset, SCHEMA_VERSION};
use event_connector::store::Entry;

use super::house::{House, key, product, write};

/// The bodies of a key's history.
async fn bodies(house: &House, id: &str, limit: usize) -> Vec<String> {
    let history = house.store.history(&key(id), limit).await;
    let history = history.expect("readable");
    history.iter().map(|entry| entry.body.to_string()).collect()
}

pub(super) async fn sequences_are_dense_per_key(house: &House) {
    house
        .wrote(write(&key("a"), 0, "").action("1").action("2"))
        .await;
    house.wrote(write(&key("b"), 0, "").action("1")).await;
    house.wrote(write(&key("a"), 1, "")).await;
    house
        .conflicted(write(&key("a"), 1, "").action("lost"))
        .await;
    house.wrote(write(&key("a"), 2, "").action("3")).await;
    let history = house.store.history(&key("a"), 10).await.expect("readable");
    let numbered: Vec<_> = history.iter().map(|e| (e.sequence, &*e.body)).collect();
    assert_eq!(numbered, [(3, "3"), (2, "2"), (1, "1")]);
    assert_eq!(house.state(&key("a")).await.expect("there").sequence, 3);
    assert_eq!(house.state(&key("b")).await.expect("there").sequence, 1);
}

pub(super) async fn offsets_grow_while_the_clock_stands_still_or_goes_back(house: &House) {
    for (base, now_ms) in [1_000, 1_000, 400, 1_001, 999].into_iter().enumerate() {
        let base = u64::try_from(base).expect("small");
        let next = write(&key("s"), base, "").at(now_ms);
        house.wrote(next.action("x").action("y")).await;
    }
    let history = house.store.history(&key("s"), 100).await.expect("readable");
    let offsets: Vec<Offset> = history.iter().rev().map(|entry| entry.offset).collect();
    let at = |ms, n| Offset { ms, n };
    let first = (0..6).map(|n| at(1_000, n));
    let expected: Vec<Offset> = first.chain((0..4).map(|n| at(1_001, n))).collect();
    assert_eq!(offsets, expected);
    let distinct: BTreeSet<Offset> = offsets.into_iter().collect();
    assert_eq!(distinct.len(), 10);
}

pub(super) async fn an_entry_is_read_back_whole(house: &House) {
    let mut commit = write(&key("s"), 0, "")
        .at(5_000)
        .entry(EntryType::Linked, "{\"ä\":1}");
    let new = &mut commit.0.effects.entries[0];
    new.at = 0.1 + 0.2;
    new.user_id = Some("u".into());
    house.wrote(commit).await;
    let expected = Entry {
        offset: Offset { ms: 5_000, n: 0 },
        key: key("s"),
        sequence: 1,
        schema_version: SCHEMA_VERSION,
        r#type: "linked".into(),
        at: 0.1 + 0.2,
        source: "posthog".into(),
        correlation_id: "request-1".into(),
        user_id: Some("u".into()),
        body: "{\"ä\":1}".into(),
    };
    let history = house.store.history(&key("s"), 1).await.expect("readable");
    assert_eq!(history, std::slice::from_ref(&expected));

    let visible = write(&key("t"), 0, "").at(5_001).action("{}");
    house.wrote(visible).await;
    let page = house.store.feed(&product("shop"), expected.offset, 9).await;
    let page = page.expect("readable");
    let history = house.store.history(&key("t"), 1).await.expect("readable");
    assert_eq!(page.entries, history, "both orders tell the same");
}

pub(super) async fn history_is_newest_first_and_bounded(house: &House) {
    for (base, body) in ["1", "2", "3"].iter().enumerate() {
        let base = u64::try_from(base).expect("small");
        house.wrote(write(&key("s"), base, "").action(body)).await;
    }
    assert_eq!(bodies(house, "s", 2).await, ["3", "2"]);
    assert_eq!(bodies(house, "s", 9).await, ["3", "2", "1"]);
    assert!(bodies(house, "s", 0).await.is_empty());
}

pub(super) async fn histories_of_two_keys_do_not_mix(house: &House) {
    house.wrote(write(&key("a"), 0, "").action("a")).await;
    house.wrote(write(&key("b"), 0, "").action("b")).await;
    assert_eq!(bodies(house, "a", 9).await, ["a"]);
    assert_eq!(bodies(house, "b", 9).await, ["b"]);
    assert!(bodies(house, "c", 9).await.is_empty());
}
