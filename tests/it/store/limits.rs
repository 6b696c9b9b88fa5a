//! Groups, bounds, and what happens when they are reached.

use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use event_connector::store::sqlite::{Options, Sqlite, Work};
use event_connector::store::{Error, Outcome, Retention, Store};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::house::{FOR_EVER, House, key, open, options, write};

const BIG: usize = 4_000;

fn house(directory: TempDir, options: impl FnOnce(&TempDir) -> Options) -> House {
    House {
        store: Arc::new(open(options(&directory)).expect("the database can be opened")),
        directory: Some(directory),
    }
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// A database whose writer waits for a sign.
struct Paused {
    store: Sqlite,
    /// Dropped, it lets the writer begin.
    start: Sender<()>,
    /// Fails once the writer has ended.
    ended: Receiver<()>,
}

fn paused(options: Options) -> Paused {
    let (start, started) = channel::<()>();
    let (running, ended) = channel::<()>();
    let writers = Mutex::new(Some((started, running)));
    let spawn = |name: &str, work: Work| {
        let gate = match name {
            "store-write" => writers.lock().expect("unpoisoned").take(),
            _ => None,
        };
        let work = move || {
            let running = gate.map(|(started, running)| {
                // Nobody sends: this ends when the other side is dropped.
                let _ = started.recv();
                running
            });
            work();
            drop(running);
        };
        Tasks::thread(name, Box::new(work));
    };
    let store = Sqlite::open(options, &spawn).expect("the database can be opened");
    Paused {
        store,
        start,
        ended,
    }
}

fn bytes(directory: &TempDir, file: &str) -> u64 {
    fs::metadata(directory.path().join(file)).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_failed_commit_in_a_group_fails_alone() {
    let directory = temporary();
    let Paused { store, start, .. } = paused(options(&directory));
    let commits: Vec<_> = (0..200)
        .map(|number| {
            let mut commit = write(&key(&format!("s{number}")), 0, "one").action("x");
            if number == 77 {
                // No number at all is what the database refuses to hold as a time.
                commit.0.effects.entries[0].at = f64::NAN;
            }
            Arc::new(commit.0)
        })
        .collect();
    let conflict = Arc::new(write(&key("s3"), 0, "late").action("x").0);
    let dependent = Arc::new(write(&key("s3"), 1, "two").action("y").0);
    let all = commits.into_iter().chain([conflict, dependent]);
    let mut pending = Box::pin(join_all(all.map(|commit| store.commit(commit))));
    // One look puts every commit into the queue before the writer takes the first.
    assert!(futures_util::poll!(&mut pending).is_pending());
    drop(start);
    let outcomes = pending.await;
    for (number, outcome) in outcomes.iter().enumerate() {
        let expected = match number {
            77 => matches!(outcome, Outcome::NotWritten(Error::Backend(_))),
            200 => matches!(outcome, Outcome::Conflict(Some(newest)) if newest.version == 1),
            _ => matches!(outcome, Outcome::Committed),
        };
        assert!(expected, "{number}: {outcome:?}");
    }
    assert!(store.load(&key("s77")).await.expect("readable").is_none());
    let stored = store.load(&key("s3")).await.expect("readable");
    assert_eq!(stored.expect("there").version, 2);
    let depth = store.depth().await.expect("countable");
    assert_eq!(depth.log_bytes, 200, "what was rolled back is not counted");
    store.close().await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_keeps_what_it_took() {
    let directory = temporary();
    let Paused { store, start, .. } = paused(Options {
        queue_max: 10,
        ..options(&directory)
    });
    let commits = (0..30).map(|number| Arc::new(write(&key(&number.to_string()), 0, "").0));
    let mut pending = Box::pin(join_all(commits.map(|commit| store.commit(commit))));
    assert!(futures_util::poll!(&mut pending).is_pending());
    drop(start);
    let outcomes = pending.await;
    let (taken, refused) = outcomes.split_at(10);
    assert!(taken.iter().all(|o| matches!(o, Outcome::Committed)));
    assert!(
        refused
            .iter()
            .all(|o| matches!(o, Outcome::NotWritten(Error::Overloaded)))
    );
    let outcome = store.commit(Arc::new(write(&key("after"), 0, "").0)).await;
    assert!(matches!(outcome, Outcome::Committed));
    store.close().await;
}

#[tokio::test]
async fn a_dropped_store_finishes_what_it_accepted() {
    let directory = temporary();
    let Paused {
        store,
        start,
        ended,
    } = paused(options(&directory));
    let commits = (0..20).map(|number| Arc::new(write(&key(&number.to_string()), 0, "").0));
    let mut pending = Box::pin(join_all(commits.map(|commit| store.commit(commit))));
    assert!(futures_util::poll!(&mut pending).is_pending());
    drop(pending);
    drop(store);
    drop(start);
    assert!(ended.recv().is_err(), "nothing is ever sent");
    let house = house(directory, options);
    for number in 0..20 {
        assert!(house.state(&key(&number.to_string())).await.is_some());
    }
    house.store.close().await;
}

/// Writes ever new states with entries until the store is full, and answers how many fitted.
async fn fill(house: &House, label: &str) -> u64 {
    for number in 0..10_000 {
        let id = format!("{label}{number}");
        let commit = write(&key(&id), 0, &"s".repeat(BIG)).action(&"b".repeat(BIG));
        match house.commit(commit).await {
            Outcome::Committed => {}
            Outcome::NotWritten(Error::Full) => return number,
            other => panic!("{other:?}"),
        }
    }
    panic!("the store is never full");
}

#[tokio::test]
async fn a_full_store_says_so_and_recovers_once_space_returns() {
    let directory = temporary();
    let path = directory.path().join("store.db");
    let small = Options {
        bytes_max: Some(2 << 20),
        ..options(&directory)
    };
    let house = house(directory, |_| small.clone());
    let fitted = fill(&house, "a").await;
    assert!(fitted > 100, "{fitted}");
    let refused = key(&format!("a{fitted}"));
    assert_eq!(house.state(&refused).await, None);
    assert!(house.state(&key("a0")).await.is_some(), "reads go on");
    let ready = house.store.ready().await;
    assert!(matches!(ready, Err(Error::Full)), "{ready:?}");

    let keep = Retention {
        log_bytes_max: 0,
        state_ms: 0,
        ..FOR_EVER
    };
    let aged = house
        .store
        .age(9_000, keep)
        .await
        .expect("ageing needs no space");
    assert_eq!((aged.entries, aged.states), (fitted, fitted));
    let ready = house.store.ready().await;
    assert!(
        ready.is_ok(),
        "asking tries whether there is room: {ready:?}"
    );
    let fitted_again = fill(&house, "b").await;
    assert!(fitted_again * 10 > fitted * 9, "{fitted_again} of {fitted}");
    assert!(fs::metadata(&path).expect("it exists").len() <= 2 << 20);
    house.store.close().await;

    let larger = open(Options {
        bytes_max: Some(4 << 20),
        ..small
    });
    let larger = larger.expect("the database can be opened");
    let outcome = larger
        .commit(Arc::new(write(&refused, 0, &"s".repeat(BIG)).0))
        .await;
    assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
    larger.close().await;
}

#[tokio::test]
async fn the_file_stays_bounded_while_everything_ages() {
    let directory = temporary();
    let house = house(directory, |directory| Options {
        checkpoint_pages: 20,
        ..options(directory)
    });
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let keep = Retention {
        log_ms: 5,
        state_ms: 5,
        outbox_ms: 5,
        ..FOR_EVER
    };
    let mut sizes = Vec::new();
    for now_ms in 1_000..1_060 {
        let commits = (0..40).map(|number| {
            let id = format!("{now_ms}-{number}");
            let commit = write(&key(&id), 0, &"s".repeat(BIG)).at(now_ms);
            let commit = commit.action(&"b".repeat(BIG)).delivery(&id, &id);
            let commit = commit.change(super::house::withdrawn(&id));
            house.store.commit(Arc::new(commit.0))
        });
        for outcome in join_all(commits).await {
            assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
        }
        house.store.age(now_ms, keep).await.expect("ageing works");
        sizes.push(bytes(directory, "store.db") + bytes(directory, "store.db-wal"));
    }
    // Each round writes 320,000 bytes that are old five rounds later.
    let (early, late) = (sizes[19], sizes[59]);
    assert!(late < early * 3 / 2, "{early} bytes became {late}");
    house.store.close().await;
}

#[tokio::test]
async fn the_write_ahead_log_stays_bounded_under_constant_load() {
    let directory = temporary();
    let house = house(directory, |directory| Options {
        checkpoint_pages: 200,
        ..options(directory)
    });
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let mut largest = 0;
    for base in 0..400 {
        let commits = (0..4).map(|number| {
            let commit = write(&key(&number.to_string()), base, &"s".repeat(BIG));
            house
                .store
                .commit(Arc::new(commit.action(&"b".repeat(BIG)).0))
        });
        for outcome in join_all(commits).await {
            assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
        }
        largest = largest.max(bytes(directory, "store.db-wal"));
    }
    // Six thousand pages are written; four times two hundred may wait, and one more group.
    assert!(largest < 1_000 * 4_120, "{largest} bytes");
    house.store.close().await;
}
