//! Copies of a database in use, and what comes back from them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use event_connector::domain::log::Offset;
use event_connector::store::sqlite::upkeep::{
    Inventory, Restored, UpkeepError, backup, partial_path, restore,
};
use event_connector::store::sqlite::{Options, STEPS};
use event_connector::store::{Outcome, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::eventually;

use super::house::{House, delivered, draft, key, open, options, product, row, sqlite, write};

fn place(house: &House) -> &Path {
    let directory = house.directory.as_ref();
    directory.expect("a database has a directory").path()
}

/// A store of its own in the place where the backup is to come back.
fn elsewhere() -> (TempDir, Options) {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let options = options(&directory);
    (directory, options)
}

fn opened(options: Options) -> House {
    House {
        store: Arc::new(open(options).expect("it can be opened")),
        directory: None,
    }
}

/// The bodies of the feed of `shop` with their offsets.
async fn feed(house: &House) -> Vec<(Offset, String)> {
    let (mut all, mut after) = (Vec::new(), Offset::default());
    loop {
        let page = house.store.feed(&product("shop"), after, 1_000).await;
        let page = page.expect("readable");
        let count = page.entries.len();
        let pairs = page
            .entries
            .iter()
            .map(|one| (one.offset, one.body.to_string()));
        all.extend(pairs);
        after = page.scanned;
        if count < 1_000 {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_everything_acknowledged_before_it_began() {
    let house = sqlite().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let loading = async {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            house
                .wrote(
                    write(&key("s"), number, "state")
                        .at(1_000 + number)
                        .action(&number.to_string()),
                )
                .await;
            number += 1;
            acknowledged.store(number, Ordering::SeqCst);
        }
        number
    };
    let path = place(&house).join("store.db");
    let backing_up = async {
        let mut taken = Vec::new();
        eventually("something is written", || async {
            match acknowledged.load(Ordering::SeqCst) {
                0 => Err("nothing"),
                _ => Ok(()),
            }
        })
        .await;
        for round in 0..5 {
            let to = path.with_file_name(format!("backup-{round}.db"));
            let before = acknowledged.load(Ordering::SeqCst);
            let (from, target) = (path.clone(), to.clone());
            let (reply, answer) = tokio::sync::oneshot::channel();
            event_connector::tasks::Tasks::thread(
                "backup",
                Box::new(move || {
                    let _ = reply.send(backup(&from, &target, false));
                }),
            );
            let inventory = answer.await.expect("an end").expect("a backup");
            taken.push((to, before, inventory));
        }
        stop.store(true, Ordering::Relaxed);
        taken
    };
    let (written, taken) = tokio::join!(loading, backing_up);
    assert!(written > 0);
    let whole = feed(&house).await;

    for (from, before, inventory) in taken {
        assert!(
            inventory.entries >= before,
            "{} < {before}",
            inventory.entries
        );
        comes_back(&from, &inventory, &whole).await;
    }
}

/// Restores a backup elsewhere: the same entries at the same offsets up to one moment, and it goes on.
async fn comes_back(from: &Path, inventory: &Inventory, whole: &[(Offset, String)]) {
    assert!(!partial_path(from).exists());
    let mode = fs::metadata(from).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (_directory, options) = elsewhere();
    let restored = restore(&options, from, 1).expect("it comes back");
    assert_eq!(restored.replaced, None);
    assert_eq!(restored.inventory, *inventory);
    let copy = opened(options);
    let held = feed(&copy).await;
    assert_eq!(held, whole[..held.len()]);
    assert_eq!(held.len() as u64, inventory.entries);
    let head = held.last().expect("some").0;
    assert_eq!(inventory.heads, [(product("shop"), head)]);
    let base = held.len() as u64;
    copy.wrote(write(&key("s"), base, "on").action("on")).await;
    assert!(feed(&copy).await.last().expect("there").0 > head);
    copy.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_replaces_nothing_unless_told_to() {
    let house = sqlite().await;
    house.wrote(write(&key("s"), 0, "one").action("1")).await;
    let path = place(&house).join("store.db");
    let to = place(&house).join("kept.db");
    fs::write(&to, "a letter").expect("writable");
    assert!(matches!(
        backup(&path, &to, false),
        Err(UpkeepError::Exists(_))
    ));
    assert_eq!(fs::read_to_string(&to).expect("readable"), "a letter");
    let inventory = backup(&path, &to, true).expect("told to");
    assert_eq!((inventory.states, inventory.entries), (1, 1));
    let link = place(&house).join("link.db");
    std::os::unix::fs::symlink(&path, &link).expect("linkable");
    for itself in [&path, &link] {
        let refused = backup(&path, itself, true);
        assert!(
            matches!(refused, Err(UpkeepError::Itself(_))),
            "{refused:?}"
        );
    }
    let nowhere = place(&house).join("nowhere.db");
    assert!(matches!(
        backup(&nowhere, &to, true),
        Err(UpkeepError::Missing(_))
    ));
    assert!(!nowhere.exists());
    // What a broken-off backup left is in nobody's way.
    fs::write(partial_path(&to), vec![7; 100_000]).expect("writable");
    backup(&path, &to, true).expect("told to");
    assert!(!partial_path(&to).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_keeps_what_it_replaces_and_offsets_go_on_behind_it() {
    let house = sqlite().await;
    house
        .wrote(write(&key("s"), 0, "one").at(1_000).action("1"))
        .await;
    let path = place(&house).join("store.db");
    let kept = place(&house).join("kept.db");
    backup(&path, &kept, false).expect("a backup");
    house
        .wrote(write(&key("s"), 1, "two").at(5_000).action("2"))
        .await;
    let directory = house.directory.as_ref().expect("a directory");
    let own = options(directory);
    let refused = restore(&own, &kept, 7);
    assert!(matches!(refused, Err(UpkeepError::InUse(_))), "{refused:?}");
    house.store.close().await;

    let Restored { replaced, .. } = restore(&own, &kept, 7).expect("it is free");
    let replaced = replaced.expect("there was one");
    let again = opened(own);
    assert_eq!(again.state(&key("s")).await.expect("there").version, 1);
    // A slow clock does not make an offset that a reader has seen mean something else.
    again
        .wrote(write(&key("s"), 1, "other").at(2_000).action("other"))
        .await;
    let newest = feed(&again).await.pop().expect("there");
    assert_eq!(newest, (Offset { ms: 5_000, n: 1 }, "other".to_owned()));
    again.store.close().await;

    let before = opened(Options::new(replaced));
    assert_eq!(before.state(&key("s")).await.expect("there").version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_was_open_in_the_backup_is_looked_for_before_it_is_posted() {
    let house = sqlite().await;
    let three = write(&key("s"), 0, "")
        .at(1_000)
        .delivery("d1", "a")
        .delivery("d2", "b");
    house.wrote(three.delivery("d3", "c")).await;
    house
        .wrote(draft().at(1_500).change(delivered("d3", Some("p"))))
        .await;
    let path = place(&house).join("store.db");
    let kept = place(&house).join("kept.db");
    backup(&path, &kept, false).expect("a backup");
    let (_directory, options) = elsewhere();
    let restored = restore(&options, &kept, 1).expect("it comes back");
    assert_eq!(restored.unsettled, 2);
    let copy = opened(options);
    for lease in copy.lease(9_000).await {
        assert_eq!(lease.unsettled_since_ms, Some(1_000), "{}", lease.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_the_store_is_left_alone() {
    let house = sqlite().await;
    for base in 0..200 {
        let many = write(&key("s"), base, &"x".repeat(2_000)).action("1");
        house.wrote(many.fact(row("c"), Some("1"), 9_000)).await;
    }
    let path = place(&house).join("store.db");
    let good = place(&house).join("good.db");
    backup(&path, &good, false).expect("a backup");

    let (directory, own) = elsewhere();
    let survivor = opened(own.clone());
    survivor.wrote(write(&key("mine"), 0, "mine")).await;
    survivor.store.close().await;
    // The file of a running service, without the changes that are in its log.
    assert!(matches!(restore(&own, &path, 1), Err(UpkeepError::Live(_))));
    let bad = directory.path().join("bad.db");
    for spoil in [torn, overwritten] {
        fs::write(&bad, spoil(fs::read(&good).expect("readable"))).expect("writable");
        let refused = restore(&own, &bad, 1);
        assert!(
            matches!(refused, Err(UpkeepError::Damaged { .. })),
            "{refused:?}"
        );
    }
    fs::write(&bad, "a letter").expect("writable");
    assert!(restore(&own, &bad, 1).is_err());
    fs::remove_file(&bad).expect("removable");
    change(&bad, "CREATE TABLE letters (text TEXT)");
    let foreign = restore(&own, &bad, 1);
    assert!(
        matches!(foreign, Err(UpkeepError::NoStore(_))),
        "{foreign:?}"
    );
    fs::copy(&good, &bad).expect("copyable");
    change(
        &bad,
        "INSERT INTO refinery_schema_history VALUES (99, 'future', '', '1')",
    );
    let newer = restore(&own, &bad, 1).expect_err("newer").to_string();
    assert!(
        newer.contains(&format!("migrate --to {}", STEPS.len())),
        "{newer}"
    );

    assert_eq!(
        files_of_the_store(&directory),
        ["store.db", "store.db.lock"]
    );
    assert!(opened(own).state(&key("mine")).await.is_some());
}

/// Its second half is missing.
fn torn(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// Something else is in its middle.
fn overwritten(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xff);
    bytes
}

fn change(path: &Path, sql: &str) {
    let db = Connection::open(path).expect("openable");
    db.execute(sql, []).expect("writable");
}

fn files_of_the_store(directory: &TempDir) -> Vec<String> {
    let files = fs::read_dir(directory.path()).expect("readable");
    let names = files.map(|file| file.expect("readable").file_name().into_string());
    let mut names: Vec<_> = names.map(|name| name.expect("text")).collect();
    names.retain(|name| name.starts_with("store.db"));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_is_moved_aside_whole() {
    let house = sqlite().await;
    house.wrote(write(&key("s"), 0, "one").action("1")).await;
    let path = place(&house).join("store.db");
    let kept = place(&house).join("kept.db");
    backup(&path, &kept, false).expect("a backup");
    house.store.close().await;
    let directory = house.directory.as_ref().expect("a directory");
    let own = options(directory);
    fs::write(&path, "scribbles").expect("writable");
    fs::write(path.with_file_name("store.db-wal"), "more scribbles").expect("writable");
    let restored = restore(&own, &kept, 3).expect("it comes back");
    let aside = restored.replaced.expect("there was something");
    assert_eq!(fs::read_to_string(&aside).expect("readable"), "scribbles");
    let again = open(own).expect("it can be opened");
    let outcome = again.commit(Arc::new(write(&key("s"), 1, "two").0)).await;
    assert!(matches!(outcome, Outcome::Committed));
    again.close().await;
}
