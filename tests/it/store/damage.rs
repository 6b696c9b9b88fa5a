//! Rows that cannot be read are set aside and stop nothing else.

use event_connector::domain::log::Offset;
use event_connector::store::Error;
use rusqlite::Connection;

use super::feed::bodies;
use super::house::{House, draft, key, product, row, sqlite, write};

/// Damages the database behind the store's back.
fn damage(house: &House, sql: &str) {
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let db = Connection::open(directory.path().join("store.db")).expect("it can be opened");
    let changed = db.execute(sql, []).expect("it can be damaged");
    assert!(changed > 0, "{sql} damages something");
}

/// What has been set aside: what it was, where, and its bytes.
fn set_aside(house: &House) -> Vec<(String, String, Vec<u8>)> {
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let db = Connection::open(directory.path().join("store.db")).expect("it can be opened");
    let mut select = db
        .prepare("SELECT what, address, content FROM quarantine ORDER BY id")
        .expect("the table exists");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows = rows.expect("readable").collect::<Result<_, _>>();
    rows.expect("readable")
}

async fn quarantined(house: &House) -> u64 {
    house.store.depth().await.expect("countable").quarantined
}

#[tokio::test]
async fn an_unreadable_state_is_reported_once_and_kept_aside() {
    for column in [
        "version = -1",
        "version = 0",
        "sequence = -5",
        "commits = x'0102'",
    ] {
        let house = sqlite().await;
        house
            .wrote(write(&key("bad"), 0, "its bytes").action("1").due(1_000))
            .await;
        house.wrote(write(&key("good"), 0, "fine")).await;
        damage(
            &house,
            &format!("UPDATE keys SET {column} WHERE name = 'bad'"),
        );
        let read = house.store.load(&key("bad")).await;
        assert!(
            matches!(read, Err(Error::Unreadable { .. })),
            "{column}: {read:?}"
        );
        assert_eq!(house.state(&key("bad")).await, None);
        assert!(house.state(&key("good")).await.is_some());
        let aside = (
            "state".into(),
            "shop/session/bad".into(),
            b"its bytes".to_vec(),
        );
        assert_eq!(set_aside(&house), [aside]);
        assert_eq!(quarantined(&house).await, 1);
        house.wrote(write(&key("bad"), 0, "new").action("2")).await;
        assert_eq!(house.state(&key("bad")).await.expect("there").sequence, 2);
        house.store.close().await;
    }
}

#[tokio::test]
async fn a_commit_on_an_unreadable_state_finds_the_key_absent() {
    let house = sqlite().await;
    house.wrote(write(&key("s"), 0, "one")).await;
    damage(&house, "UPDATE keys SET commits = x'01'");
    assert_eq!(house.conflicted(write(&key("s"), 1, "two")).await, None);
    assert_eq!(quarantined(&house).await, 1);
    house.wrote(write(&key("s"), 0, "new")).await;
}

#[tokio::test]
async fn unreadable_entries_are_left_out_of_feed_and_history() {
    let house = sqlite().await;
    for base in 0..6 {
        house
            .wrote(write(&key("s"), base, "").action(&base.to_string()))
            .await;
    }
    damage(
        &house,
        "UPDATE log SET body = CAST(x'ff' AS TEXT) WHERE body = '1'",
    );
    damage(&house, "UPDATE log SET key = 999 WHERE body = '3'");
    damage(
        &house,
        "UPDATE log SET schema_version = -1 WHERE body = '5'",
    );
    let page = house
        .store
        .feed(&product("shop"), Offset::default(), 4)
        .await;
    let page = page.expect("readable");
    assert_eq!(bodies(&page), ["0", "2"]);
    assert_eq!(
        page.scanned,
        Offset { ms: 1_000, n: 3 },
        "all four were looked at"
    );
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    let bodies: Vec<_> = history.iter().map(|entry| &*entry.body).collect();
    assert_eq!(bodies, ["4", "2", "0"]);
    let aside = set_aside(&house);
    let addresses: Vec<_> = aside
        .iter()
        .map(|(_, address, _)| address.as_str())
        .collect();
    assert_eq!(addresses, ["shop/1000-1", "shop/1000-3", "shop/1000-5"]);
    assert_eq!(quarantined(&house).await, 3);
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 3);
}

#[tokio::test]
async fn an_unreadable_delivery_does_not_block_its_lane() {
    for column in [
        "kind = 'tour'",
        "attempts = -1",
        "product = 99",
        "body = CAST(x'ff' AS TEXT)",
    ] {
        let house = sqlite().await;
        let three = write(&key("s"), 0, "")
            .delivery("a1", "a")
            .delivery("a2", "a")
            .delivery("b1", "b");
        house.wrote(three).await;
        damage(
            &house,
            &format!("UPDATE outbox SET {column} WHERE id = 'a1'"),
        );
        let mut leased = house.leased_ids(1_000).await;
        leased.sort();
        assert_eq!(leased, ["a2", "b1"], "{column}");
        assert_eq!(quarantined(&house).await, 1);
        assert_eq!(set_aside(&house)[0].0, "delivery");
        house.store.close().await;
    }
}

#[tokio::test]
async fn an_unknown_kind_does_not_stop_the_sweeper() {
    let house = sqlite().await;
    house.wrote(write(&key("bad"), 0, "").due(1_000)).await;
    house.wrote(write(&key("good"), 0, "").due(2_000)).await;
    damage(&house, "UPDATE keys SET kind = 'tour' WHERE name = 'bad'");
    let overdue = house.store.claim_overdue(9_000, 9_100, 9).await;
    assert_eq!(overdue.expect("claimable"), [key("good")]);
    assert_eq!(quarantined(&house).await, 1);
}

#[tokio::test]
async fn an_unreadable_index_row_counts_as_absent() {
    let house = sqlite().await;
    house
        .wrote(
            draft()
                .fact(row("bad"), Some("1"), 9_000)
                .fact(row("good"), Some("2"), 9_000),
        )
        .await;
    damage(
        &house,
        "UPDATE index_rows SET value = CAST(x'ff' AS TEXT) WHERE id = 'bad'",
    );
    let rows = house
        .store
        .index(&product("shop"), &[row("bad"), row("good")], 1)
        .await;
    assert_eq!(rows.expect("readable"), [None, Some("2".into())]);
    assert_eq!(quarantined(&house).await, 1);
    damage(
        &house,
        "UPDATE index_rows SET value = CAST(x'ff' AS TEXT) WHERE id = 'good'",
    );
    house.wrote(draft().if_row(row("good"), None)).await;
    assert_eq!(quarantined(&house).await, 2);
}

#[tokio::test]
async fn a_parked_input_is_kept_for_an_operator() {
    let house = sqlite().await;
    let parked = house
        .store
        .park(&key("s"), 1_000, "it panics", "{\"a\":1}")
        .await;
    parked.expect("it can be parked");
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let db = Connection::open(directory.path().join("store.db")).expect("it can be opened");
    let row: (String, u64, String, String) = db
        .query_row("SELECT key, ms, reason, input FROM parked", [], |row| {
            let ms: i64 = row.get(1)?;
            Ok((row.get(0)?, ms.unsigned_abs(), row.get(2)?, row.get(3)?))
        })
        .expect("one row");
    let expected = (
        "shop/session/s".into(),
        1_000,
        "it panics".into(),
        "{\"a\":1}".into(),
    );
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_sequence_is_not_used_again_when_its_entry_is_set_aside() {
    let house = sqlite().await;
    house
        .wrote(write(&key("s"), 0, "").action("1").action("2"))
        .await;
    damage(
        &house,
        "UPDATE log SET schema_version = -1 WHERE body = '2'",
    );
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(history.len(), 1);
    let done = house.store.quarantine(&key("s"), "not JSON").await;
    done.expect("it can be set aside");
    house.wrote(write(&key("s"), 0, "").action("3")).await;
    assert_eq!(house.state(&key("s")).await.expect("there").sequence, 3);
}
