//! What a database in a file does: it stays, it is alone, it comes back after a crash.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use event_connector::domain::log::Offset;
use event_connector::store::sqlite::{Options, STEPS, Sqlite, Synchronous};
use event_connector::store::{Error, Outcome, Retention, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use super::house::{
    FOR_EVER, House, delivered, draft, key, open, options, product, retry, row, sqlite, write,
};

/// Opens the database of a directory again.
fn again(directory: TempDir) -> House {
    let store = open(options(&directory)).expect("the database can be opened again");
    House {
        store: std::sync::Arc::new(store),
        directory: Some(directory),
    }
}

fn directory(house: &mut House) -> TempDir {
    house.directory.take().expect("a database has a directory")
}

fn refused(opened: Result<Sqlite, Error>) -> String {
    match opened {
        Err(Error::Unavailable(reason)) => reason.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the database was opened"),
    }
}

#[tokio::test]
async fn everything_is_there_after_closing_and_opening() {
    let mut house = sqlite().await;
    let first = write(&key("s"), 0, "one")
        .at(5_000)
        .due(6_000)
        .action("kept")
        .delivery("d1", "a")
        .delivery("d2", "a")
        .fact(row("c"), Some("1"), 9_000);
    house.wrote(first).await;
    house.lease(5_000).await;
    let unsettled = event_connector::store::Retry {
        unsettled_since_ms: Some(5_000),
        ..retry("d1", 5_500)
    };
    house
        .store
        .retry(unsettled)
        .await
        .expect("it can be put back");
    let before = house.state(&key("s")).await;
    let page = house
        .store
        .feed(&product("shop"), Offset::default(), 9)
        .await;
    house.store.close().await;

    let house = again(directory(&mut house));
    assert_eq!(house.state(&key("s")).await, before);
    let page_again = house
        .store
        .feed(&product("shop"), Offset::default(), 9)
        .await;
    let (page, page_again) = (page.expect("readable"), page_again.expect("readable"));
    assert_eq!(page_again.entries, page.entries);
    assert_eq!(house.fact(row("c"), 1).await.as_deref(), Some("1"));
    let lease = house.lease(5_500).await.remove(0);
    assert_eq!((lease.attempt, lease.unsettled_since_ms), (2, Some(5_000)));
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 4);
    let overdue = house.store.claim_overdue(6_000, 7_000, 9).await;
    assert_eq!(overdue.expect("claimable"), [key("s")]);
}

#[tokio::test]
async fn offsets_go_on_after_a_restart_with_an_empty_log_and_a_slow_clock() {
    let mut house = sqlite().await;
    house
        .wrote(write(&key("s"), 0, "").at(5_000).action("1"))
        .await;
    let keep = event_connector::store::Retention {
        log_ms: 0,
        ..FOR_EVER
    };
    house.store.age(9_000, keep).await.expect("ageing works");
    house.store.close().await;

    let house = again(directory(&mut house));
    house
        .wrote(write(&key("s"), 1, "").at(1_000).action("2"))
        .await;
    let page = house
        .store
        .feed(&product("shop"), Offset::default(), 9)
        .await;
    let page = page.expect("readable");
    assert_eq!(page.trimmed, Offset { ms: 5_000, n: 0 });
    assert_eq!(page.entries[0].offset, Offset { ms: 5_000, n: 1 });
}

#[tokio::test]
async fn what_was_committed_survives_a_crash() {
    let house = sqlite().await;
    for base in 0..50 {
        house
            .wrote(write(&key("s"), base, "state").action("x"))
            .await;
    }
    house.wrote(draft().fact(row("c"), Some("1"), 9_000)).await;

    // What a crash leaves behind is the files as they are, with nobody tidying up.
    let from = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let crashed = tempfile::tempdir().expect("a temporary directory can be made");
    for file in ["store.db", "store.db-wal"] {
        fs::copy(from.path().join(file), crashed.path().join(file)).expect("it can be copied");
    }
    let survivor = again(crashed);
    assert_eq!(
        survivor.state(&key("s")).await,
        house.state(&key("s")).await
    );
    assert_eq!(survivor.fact(row("c"), 1).await.as_deref(), Some("1"));
    let history = survivor.store.history(&key("s"), 99).await;
    assert_eq!(history.expect("readable").len(), 50);
    survivor
        .wrote(write(&key("s"), 50, "after").action("x"))
        .await;
}

#[tokio::test]
async fn closing_leaves_one_file_without_a_write_ahead_log() {
    let mut house = sqlite().await;
    house
        .wrote(write(&key("s"), 0, "one").delivery("d", "a"))
        .await;
    house.wrote(draft().change(delivered("d", None))).await;
    house.store.close().await;
    let directory = directory(&mut house);
    let mut files: Vec<_> = fs::read_dir(directory.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["store.db", "store.db.lock"]);
}

#[tokio::test]
async fn a_second_handle_is_refused_until_the_first_is_closed() {
    let mut house = sqlite().await;
    let directory = directory(&mut house);
    let reason = refused(open(options(&directory)));
    assert!(reason.contains("in use"), "{reason}");

    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(directory.path().join("store.db"), &link).expect("linkable");
    let reason = refused(open(Options::new(link)));
    assert!(reason.contains("in use"), "{reason}");

    house.wrote(write(&key("s"), 0, "one")).await;
    house.store.close().await;
    assert!(again(directory).state(&key("s")).await.is_some());
}

#[tokio::test]
async fn a_history_ends_where_the_rows_of_removed_entries_are_used_again() {
    let mut house = sqlite().await;
    let three = write(&key("a"), 0, "").action("1").action("2").action("3");
    house.wrote(three).await;
    let nothing = Retention {
        log_ms: 0,
        ..FOR_EVER
    };
    let aged = house.store.age(9_000, nothing).await.expect("ageing works");
    assert_eq!(aged.entries, 3);
    house.store.close().await;

    // What numbered the rows has forgotten how far it was: they are given again from the first.
    let house = again(directory(&mut house));
    house
        .wrote(write(&key("b"), 0, "").action("x").action("y"))
        .await;
    for base in 1..3 {
        let next = write(&key("a"), base, "").action(&format!("{}", base + 3));
        house.wrote(next).await;
    }
    for (id, expected) in [("a", &["5", "4"][..]), ("b", &["y", "x"])] {
        let history = house.store.history(&key(id), 9).await.expect("readable");
        let told: Vec<_> = history.iter().map(|entry| entry.body.to_string()).collect();
        assert_eq!(told, expected, "{id}");
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_by_name_and_left_alone() {
    let mut house = sqlite().await;
    house.wrote(write(&key("s"), 0, "one")).await;
    house.store.close().await;
    let directory = directory(&mut house);
    let db = Connection::open(directory.path().join("store.db")).expect("readable");
    let future = "INSERT INTO refinery_schema_history VALUES (99, 'future', '', '1')";
    db.execute(future, []).expect("writable");
    drop(db);
    let reason = refused(open(options(&directory)));
    assert!(reason.contains("schema 99"), "{reason}");
    let known = format!("up to {}", STEPS.len());
    assert!(reason.contains(&known), "{reason}");

    let db = Connection::open(directory.path().join("store.db")).expect("readable");
    db.execute("DELETE FROM refinery_schema_history WHERE version = 99", [])
        .expect("writable");
    drop(db);
    assert!(again(directory).state(&key("s")).await.is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("store.db");
    let text = "a letter to somebody\n".repeat(1_000);
    fs::write(&path, &text).expect("writable");
    let reason = refused(open(options(&directory)));
    assert!(reason.contains("not a database"), "{reason}");
    assert_eq!(fs::read_to_string(&path).expect("readable"), text);
}

/// The files of a store that was killed, with a log of `commits` transactions.
async fn crashed(commits: u64) -> TempDir {
    let house = sqlite().await;
    for base in 0..commits {
        house
            .wrote(write(&key("s"), base, "state").action("x"))
            .await;
    }
    let from = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let crashed = tempfile::tempdir().expect("a temporary directory can be made");
    for file in ["store.db", "store.db-wal"] {
        fs::copy(from.path().join(file), crashed.path().join(file)).expect("it can be copied");
    }
    crashed
}

#[tokio::test]
async fn a_log_damaged_before_later_commits_is_refused_and_left_alone() {
    let directory = crashed(20).await;
    let path = directory.path().join("store.db-wal");
    let whole = fs::read(&path).expect("readable");
    for place in [1, whole.len() / 2] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(&path, &damaged).expect("writable");
        let reason = refused(open(options(&directory)));
        assert!(reason.contains("damaged"), "{reason}");
        assert!(reason.contains("truncate -s"), "{reason}");
        assert_eq!(fs::read(&path).expect("readable"), damaged);
    }
    fs::write(&path, &whole).expect("writable");
    let house = again(directory);
    let stored = house.state(&key("s")).await.expect("there");
    assert_eq!(stored.version, 20);
}

#[tokio::test]
async fn a_log_torn_in_its_last_commit_is_recovered_up_to_there() {
    let directory = crashed(20).await;
    let path = directory.path().join("store.db-wal");
    let mut log = fs::read(&path).expect("readable");
    let last = log.len() - 100;
    log[last] ^= 1;
    fs::write(&path, log).expect("writable");
    let house = again(directory);
    let stored = house.state(&key("s")).await.expect("there");
    assert_eq!(stored.version, 19);
    house.wrote(write(&key("s"), 19, "after").action("x")).await;
}

#[tokio::test]
async fn a_log_without_its_database_is_refused_and_left_alone() {
    let directory = crashed(3).await;
    let path = directory.path().join("store.db-wal");
    let log = fs::read(&path).expect("readable");
    fs::remove_file(directory.path().join("store.db")).expect("removable");
    let reason = refused(open(options(&directory)));
    assert!(reason.contains("missing or empty"), "{reason}");
    assert_eq!(fs::read(&path).expect("readable"), log);
}

#[tokio::test]
async fn missing_directories_are_made_and_files_are_private() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("not/yet/there.db");
    let store = open(Options {
        synchronous: Synchronous::Full,
        ..Options::new(&path)
    });
    let store = store.expect("the database can be opened");
    let outcome = store
        .commit(std::sync::Arc::new(write(&key("s"), 0, "one").0))
        .await;
    assert!(matches!(outcome, Outcome::Committed));
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = format!("{}{suffix}", path.display());
        let mode = fs::metadata(Path::new(&file))
            .expect("it exists")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
    }
    store.close().await;
}
