//! What the store in memory can be made to do wrong.

use event_connector::store::memory::{Fault, Memory};
use event_connector::store::{Error, Outcome, Store};

use super::house::{House, key, write};

fn house(faults: impl IntoIterator<Item = Fault>) -> House {
    let store = Memory::new();
    for fault in faults {
        store.inject(fault);
    }
    House {
        store: std::sync::Arc::new(store),
        directory: None,
    }
}

#[tokio::test]
async fn an_injected_conflict_shows_the_newest_snapshot_and_strikes_once() {
    let house = house([Fault::Conflict]);
    assert_eq!(house.conflicted(write(&key("s"), 0, "one")).await, None);
    house.wrote(write(&key("s"), 0, "one")).await;
}

#[tokio::test]
async fn a_lost_reply_was_written_and_a_lost_request_was_not() {
    let house = house([Fault::LostReply, Fault::LostRequest]);
    let first = write(&key("s"), 0, "one");
    let outcome = house.commit(first.clone()).await;
    assert!(matches!(outcome, Outcome::Unknown(_)));
    let second = write(&key("s"), 1, "two");
    let outcome = house.commit(second.clone()).await;
    assert!(matches!(outcome, Outcome::Unknown(_)));
    let newest = house.conflicted(first.clone()).await.expect("there");
    assert_eq!(newest.commits, [first.0.id]);
    house.wrote(second).await;
}

#[tokio::test]
async fn a_refused_commit_changes_nothing() {
    let house = house([Fault::NotWritten(Error::Full)]);
    let outcome = house.commit(write(&key("s"), 0, "one")).await;
    assert!(matches!(outcome, Outcome::NotWritten(Error::Full)));
    assert_eq!(house.state(&key("s")).await, None);
}

#[tokio::test]
async fn a_failing_read_fails_once() {
    let house = house([Fault::Read(Error::Overloaded)]);
    let read = house.store.load(&key("s")).await;
    assert!(matches!(read, Err(Error::Overloaded)));
    assert_eq!(house.state(&key("s")).await, None);
}

#[tokio::test]
async fn an_unreadable_state_is_reported_once_and_then_absent() {
    let house = house([Fault::Unreadable]);
    assert_eq!(house.state(&key("s")).await, None, "nothing to spoil yet");
    house.wrote(write(&key("s"), 0, "one")).await;
    let read = house.store.load(&key("s")).await;
    assert!(matches!(read, Err(Error::Unreadable { what: "state", .. })));
    assert_eq!(house.state(&key("s")).await, None);
    assert_eq!(house.store.depth().await.expect("countable").quarantined, 1);
}

#[tokio::test]
async fn parked_inputs_age_like_finished_deliveries() {
    let store = Memory::new();
    let parked = store.park(&key("s"), 1_000, "it panics", "{}").await;
    parked.expect("it can be parked");
    assert_eq!(store.parked(), 1);
    let keep = event_connector::store::Retention {
        outbox_ms: 500,
        ..super::house::FOR_EVER
    };
    store.age(2_000, keep).await.expect("ageing works");
    assert_eq!(store.parked(), 0);
}
