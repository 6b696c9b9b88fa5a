//! Many at once.

#![expect(
    clippy::disallowed_methods,
    reason = "a crowd that ends with its test owns its tasks"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_connector::domain::log::Offset;
use event_connector::store::{Outcome, Store};
use tokio::task::JoinSet;

use super::house::{House, key, product, wanted, write};

pub(super) async fn every_commit_of_a_crowd_is_kept_once(house: &House) {
    let mut crowd = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&house.store);
        let id = format!("s{number}");
        let commit = write(&key(&id), 0, &id).action(&id);
        crowd.spawn(async move { store.commit(Arc::new(commit.0)).await });
    }
    for outcome in crowd.join_all().await {
        assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
    }
    let page = house
        .store
        .feed(&product("shop"), Offset::default(), 999)
        .await;
    let page = page.expect("readable");
    assert_eq!(page.entries.len(), 200);
    let distinct: BTreeSet<_> = page.entries.iter().map(|entry| &*entry.body).collect();
    assert_eq!(distinct.len(), 200);
}

/// Adds one to a counter until it has done so `times` times, as an actor would.
async fn count_up(store: Arc<dyn Store>, times: usize) -> Vec<u64> {
    let mut won = Vec::new();
    let mut newest = store.load(&key("counter")).await.expect("readable");
    while won.len() < times {
        let base = newest.as_ref().map_or(0, |stored| stored.version);
        let commit = write(&key("counter"), base, &(base + 1).to_string());
        let commit = commit.action(&(base + 1).to_string());
        match store.commit(Arc::new(commit.0)).await {
            Outcome::Committed => {
                won.push(base + 1);
                newest = store.load(&key("counter")).await.expect("readable");
            }
            Outcome::Conflict(newer) => {
                assert_ne!(newest, newer, "a conflict has a reason");
                newest = newer;
            }
            other => panic!("{other:?}"),
        }
    }
    won
}

pub(super) async fn one_of_many_rivals_wins_each_version(house: &House) {
    let mut rivals = JoinSet::new();
    for _ in 0..8 {
        rivals.spawn(count_up(Arc::clone(&house.store), 25));
    }
    let mut won: Vec<u64> = rivals.join_all().await.into_iter().flatten().collect();
    won.sort_unstable();
    assert_eq!(won, (1..=200).collect::<Vec<u64>>());
    let stored = house.state(&key("counter")).await.expect("there");
    assert_eq!((stored.version, stored.sequence), (200, 200));
    assert_eq!(&*stored.state, b"200");
    let history = house.store.history(&key("counter"), 999).await;
    for entry in history.expect("readable") {
        assert_eq!(*entry.body, *entry.sequence.to_string());
    }
}

pub(super) async fn offsets_follow_the_order_of_commits(house: &House) {
    let mut crowd = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&house.store);
        crowd.spawn(async move {
            let key = key(&format!("s{number}"));
            for base in 0..20 {
                // Clocks of different instances differ.
                let commit = write(&key, base, "").at(1_000 + base * 3 - number);
                let outcome = store.commit(Arc::new(commit.action("x").0)).await;
                assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
            }
        });
    }
    crowd.join_all().await;
    let page = house
        .store
        .feed(&product("shop"), Offset::default(), 999)
        .await;
    let page = page.expect("readable");
    assert_eq!(page.entries.len(), 160);
    assert!(page.entries.is_sorted_by(|a, b| a.offset < b.offset));
    let mut sequences = BTreeMap::new();
    for entry in &page.entries {
        let before = sequences.insert(entry.key.clone(), entry.sequence);
        assert_eq!(before.unwrap_or(0) + 1, entry.sequence);
    }
}

pub(super) async fn every_delivery_is_leased_by_one_worker_only(house: &House) {
    let mut many = write(&key("s"), 0, "");
    for number in 0..100 {
        many = many.delivery(&format!("d{number}"), &format!("lane{number}"));
    }
    house.wrote(many).await;
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&house.store);
        workers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let leases = store
                    .lease(wanted(1_000, 8_000, 3))
                    .await
                    .expect("leasable");
                if leases.is_empty() {
                    return ids;
                }
                ids.extend(leases.into_iter().map(|lease| lease.id));
            }
        });
    }
    let leased: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = leased.iter().collect();
    assert_eq!((leased.len(), distinct.len()), (100, 100));
}
