//! Schemas forth and back: what the older one knows survives both ways.

use event_connector::domain::attempt::AttemptRecord;
use event_connector::domain::log::OutboxChange;
use event_connector::store::sqlite::STEPS;
use rusqlite::Connection;

use super::house::{House, dead, delivered, draft, key, open, options, sqlite, write};

/// Every object of a schema as it was declared.
fn objects(db: &Connection) -> Vec<(String, Option<String>)> {
    let mut select = db
        .prepare(
            "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE '%refinery%' ORDER BY name",
        )
        .expect("readable");
    let found = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("readable");
    found.collect::<Result<_, _>>().expect("readable")
}

/// What schema 1 knows of deliveries.
fn rows(db: &Connection) -> Vec<String> {
    let mut select = db
        .prepare(
            "SELECT concat_ws('|', seq, id, product, kind, name, lane, status, attempts, created_ms,
             quote(due_ms), quote(started_ms), quote(unsettled_ms), quote(finished_ms), quote(part),
             quote(error), body) FROM outbox ORDER BY seq",
        )
        .expect("readable");
    let found = select.query_map([], |row| row.get(0)).expect("readable");
    found.collect::<Result<_, _>>().expect("readable")
}

#[tokio::test]
async fn every_schema_is_taken_back_exactly_and_taken_again() {
    let mut house = sqlite().await;
    let all = write(&key("s"), 0, "one")
        .action("first")
        .action("second")
        .delivery("d1", "a")
        .delivery("d2", "a")
        .delivery("d3", "b")
        .delivery("d4", "c");
    house.wrote(all).await;
    house.lease(1_000).await;
    let attempt = AttemptRecord::lost(1_000);
    let id = "d1".into();
    let ends = draft()
        .change(OutboxChange::Attempted { id, attempt })
        .change(delivered("d1", Some("p")))
        .change(dead("d3"));
    house.wrote(ends).await;
    let copy = house.store.replay(&"d1".into(), "copy".into(), 2_000).await;
    copy.expect("written");
    house
        .wrote(write(&key("t"), 0, "").action("another's"))
        .await;
    house.wrote(write(&key("s"), 1, "").action("third")).await;
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(history.len(), 3);
    house.store.close().await;
    let directory = house.directory.take().expect("a database has a directory");

    let db = Connection::open(directory.path().join("store.db")).expect("readable");
    let before = rows(&db);
    assert_eq!(before.len(), 5);
    for number in (2..=STEPS.len()).rev() {
        let down = STEPS[number - 1].down.expect("there is a way back");
        let forget = format!("DELETE FROM refinery_schema_history WHERE version = {number};");
        db.execute_batch(&format!("BEGIN; {down} {forget} COMMIT;"))
            .expect("taken back");
        let pristine = Connection::open_in_memory().expect("opened");
        for step in &STEPS[..number - 1] {
            pristine.execute_batch(step.up).expect("made");
        }
        assert_eq!(objects(&db), objects(&pristine));
        assert_eq!(rows(&db), before);
    }
    drop(db);

    let store = open(options(&directory)).expect("taken again");
    let house = House {
        store: std::sync::Arc::new(store),
        directory: Some(directory),
    };
    assert!(house.state(&key("s")).await.is_some());
    let kept = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(kept, history, "the chain of a key's entries is made again");
    let shown = house.store.delivery(&"d1".into()).await.expect("readable");
    let shown = shown.expect("there");
    assert_eq!(shown.delivery.part, Some("p".into()));
    assert!(shown.attempts.is_empty(), "schema 1 does not know them");
    let mut leased = house.leased_ids(2_000).await;
    leased.sort();
    assert_eq!(leased, ["d2", "d4"], "what was under way is leased again");
    house.store.close().await;
}
