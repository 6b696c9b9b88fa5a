//! From one version of the schema to the next, and back.

use std::fs;
use std::path::PathBuf;

use event_connector::domain::log::Offset;
use event_connector::store::Error;
use event_connector::store::sqlite::upkeep::{UpkeepError, migrate, plan};
use event_connector::store::sqlite::{Options, STEPS, SchemaError, Step};
use rusqlite::Connection;
use tempfile::TempDir;

use super::house::{House, key, open, options, product, row, sqlite, successors_steps, write};

/// The newest version of this program.
fn ours() -> u32 {
    u32::try_from(STEPS.len()).expect("few")
}

/// How the program's successor opens the database.
fn successors(directory: &TempDir) -> Options {
    Options {
        steps: successors_steps(),
        ..options(directory)
    }
}

/// A closed database with one of everything, in its directory.
async fn furnished() -> TempDir {
    let mut house = sqlite().await;
    let all = write(&key("s"), 0, "one")
        .action("kept")
        .delivery("d1", "a")
        .fact(row("c"), Some("1"), 9_000);
    house.wrote(all).await;
    house.store.close().await;
    house.directory.take().expect("a database has a directory")
}

/// Opens, checks that everything of [`furnished`] is there, and writes the state once more.
async fn goes_on(options: Options, version: u64) {
    let house = House {
        store: std::sync::Arc::new(open(options).expect("the file is free")),
        directory: None,
    };
    assert_eq!(
        house.state(&key("s")).await.expect("there").version,
        version
    );
    let shop = product("shop");
    let page = house.store.feed(&shop, Offset::default(), 9);
    assert_eq!(
        page.await.expect("readable").entries.len(),
        usize::try_from(version).expect("few")
    );
    assert_eq!(house.fact(row("c"), 1).await.as_deref(), Some("1"));
    assert_eq!(house.store.depth().await.expect("countable").outbox, 1);
    house
        .wrote(write(&key("s"), version, "more").action("more"))
        .await;
    house.store.close().await;
}

fn copies(directory: &TempDir) -> Vec<String> {
    let names = fs::read_dir(directory.path()).expect("readable");
    let names = names.map(|entry| entry.expect("readable").file_name().into_string());
    let mut names: Vec<_> = names.map(|name| name.expect("text")).collect();
    names.retain(|name| name.ends_with(".bak"));
    names.sort();
    names
}

#[tokio::test]
async fn what_a_version_wrote_is_read_by_the_next_and_after_the_way_back_by_itself() {
    let directory = furnished().await;
    let later = successors(&directory);
    goes_on(later.clone(), 1).await;
    let old = open(options(&directory))
        .err()
        .expect("the older program refuses");
    let way_back = format!("migrate --to {}", ours());
    assert!(old.to_string().contains(&way_back), "{old}");

    let planned = plan(&later, Some(ours())).expect("there is a way");
    assert_eq!((planned.from, planned.to), (ours() + 1, ours()));
    assert_eq!(
        migrate(&later, Some(ours())).expect("the file is free"),
        planned
    );
    goes_on(options(&directory), 2).await;
    goes_on(later.clone(), 3).await;
    assert!(
        migrate(&later, None)
            .expect("the file is free")
            .steps
            .is_empty()
    );
}

#[tokio::test]
async fn the_file_is_copied_beside_itself_before_it_changes_and_only_then() {
    let directory = furnished().await;
    goes_on(options(&directory), 1).await;
    assert!(copies(&directory).is_empty(), "nothing was due");

    let later = successors(&directory);
    goes_on(later.clone(), 2).await;
    let kept = format!("store.db.v{}.bak", ours());
    assert_eq!(copies(&directory), [kept.as_str()]);
    // The copy is a store of the older version as it was.
    let copy = Options::new(directory.path().join(&kept));
    goes_on(copy, 2).await;

    migrate(&later, Some(ours())).expect("the file is free");
    let newer = format!("store.db.v{}.bak", ours() + 1);
    assert_eq!(
        copies(&directory),
        [newer.as_str()],
        "the earlier one is gone"
    );

    fs::remove_file(directory.path().join(&newer)).expect("removable");
    let frugal = Options {
        backup_before_upgrade: false,
        ..later
    };
    goes_on(frugal, 3).await;
    assert!(!copies(&directory).contains(&kept));
}

#[tokio::test]
async fn a_file_that_cannot_be_copied_is_not_upgraded() {
    let directory = furnished().await;
    // A directory lies where the copy would go.
    let in_the_way = directory.path().join(format!("store.db.v{}.bak", ours()));
    fs::create_dir(&in_the_way).expect("creatable");
    let refused = open(successors(&directory)).err().expect("refused");
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    fs::remove_dir(&in_the_way).expect("removable");
    goes_on(options(&directory), 1).await;
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_version_before_it() {
    let directory = furnished().await;
    let broken = Step {
        up: "CREATE TABLE half (done TEXT) STRICT; INSERT INTO nowhere VALUES (1);",
        ..successors_steps()[STEPS.len()]
    };
    let steps: Vec<Step> = STEPS.iter().copied().chain([broken]).collect();
    let failing = Options {
        steps: Vec::leak(steps),
        ..options(&directory)
    };
    let refused = open(failing.clone()).err().expect("refused").to_string();
    assert!(refused.contains("nowhere"), "{refused}");
    let db = Connection::open(&failing.path).expect("openable");
    let half = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'half'");
    assert!(!half.expect("readable").exists([]).expect("readable"));
    drop(db);
    goes_on(options(&directory), 1).await;
}

#[tokio::test]
async fn a_database_in_use_is_not_migrated() {
    let house = sqlite().await;
    let directory = house
        .directory
        .as_ref()
        .expect("a database has a directory");
    let later = successors(directory);
    assert!(matches!(migrate(&later, None), Err(UpkeepError::InUse(_))));
    // What would be done can be asked at any time.
    assert_eq!(plan(&later, None).expect("readable").steps.len(), 1);
    house.store.close().await;
    assert_eq!(
        migrate(&later, None).expect("the file is free").steps.len(),
        1
    );
}

#[tokio::test]
async fn versions_that_nobody_knows_and_files_that_are_no_store_are_refused() {
    let directory = furnished().await;
    let refusal = |to: u32| match plan(&options(&directory), Some(to)) {
        Err(UpkeepError::Schema { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    for to in [0, ours() + 1, 99] {
        let is_unknown = matches!(refusal(to), SchemaError::Unknown { wanted, .. } if wanted == to);
        assert!(is_unknown, "{to}");
    }
    let nowhere = Options::new(directory.path().join("nowhere.db"));
    assert!(matches!(
        migrate(&nowhere, None),
        Err(UpkeepError::Missing(_))
    ));
    assert!(!nowhere.path.exists(), "asking creates nothing");
    let other: PathBuf = directory.path().join("other.db");
    let db = Connection::open(&other).expect("creatable");
    db.execute("CREATE TABLE letters (text TEXT)", [])
        .expect("writable");
    drop(db);
    let other = migrate(&Options::new(other), None);
    assert!(matches!(other, Err(UpkeepError::NoStore(_))), "{other:?}");
}
