//! Kills migrations, up and down, at arbitrary moments: the version before or the version after is
//! found, and everything that was there.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::store::sqlite::upkeep::{migrate, plan};
use event_connector::store::sqlite::{Options, STEPS, Sqlite, Step};
use event_connector::store::{Commit, Outcome, StateWrite, Store};
use event_connector::tasks::Tasks;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

/// The first argument of this binary when it is to migrate back and forth until it is killed.
pub(crate) const FLAG: &str = "--migrate-for-ever";

/// How many sessions are in the database.
const SESSIONS: u32 = 300;

/// A step that takes long enough to be killed in the middle of it.
const UP: &str = "
    CREATE TABLE copies (id INTEGER PRIMARY KEY, state BLOB) STRICT;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
    INSERT INTO copies (state) SELECT k.state FROM keys k, n;
    -- a place for a mistake
    UPDATE keys SET written_ms = written_ms + 1000000;
    CREATE INDEX copies_state ON copies (state);";

const DOWN: &str = "
    UPDATE keys SET written_ms = written_ms - 1000000;
    -- a place for a mistake
    DROP TABLE copies;";

/// What breaks a step into two transactions.
const MISTAKE: &str = "COMMIT; BEGIN;";

fn options(path: &Path, is_broken: bool) -> Options {
    let text = |sql: &'static str| -> &'static str {
        let place = "-- a place for a mistake";
        if is_broken {
            Box::leak(sql.replace(place, MISTAKE).into_boxed_str())
        } else {
            sql
        }
    };
    let next = Step {
        name: Box::leak(format!("V{}__killed", STEPS.len() + 1).into_boxed_str()),
        up: text(UP),
        down: Some(text(DOWN)),
    };
    let steps: Vec<Step> = STEPS.iter().copied().chain([next]).collect();
    Options {
        steps: Vec::leak(steps),
        backup_before_upgrade: false,
        ..Options::new(path)
    }
}

fn ours() -> u32 {
    u32::try_from(STEPS.len()).expect("few")
}

/// Migrates up and down until killed. Arguments: the database, whether the step is broken.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let path = arguments.next().expect("a database");
    let is_broken = arguments.next().expect("whether it is broken") == "true";
    let options = options(Path::new(&path), is_broken);
    loop {
        for to in [ours() + 1, ours()] {
            if let Err(error) = migrate(&options, Some(to)) {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
}

/// Fills a database, then kills `rounds` migrations of it and looks at it after each.
pub(crate) async fn kill(rounds: u32, is_broken: bool) -> Result<String, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = directory.path().join("store.db");
    fill(&options(&path, is_broken)).await?;
    let clock = Clock::system();
    let mut chance = StdRng::seed_from_u64(u64::from(rounds));
    let (mut before, mut after) = (0, 0);
    for round in 1..=rounds {
        let mut child = Command::new(std::env::current_exe().expect("our own path"))
            .arg(FLAG)
            .arg(&path)
            .arg(is_broken.to_string())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        clock
            .sleep(Duration::from_micros(chance.random_range(3_000..120_000)))
            .await;
        let _ = child.kill();
        let _ = child.wait();
        match look(&options(&path, is_broken))
            .map_err(|reason| format!("round {round}: {reason}"))?
        {
            true => after += 1,
            false => before += 1,
        }
    }
    reopen(&options(&path, is_broken)).await?;
    Ok(format!(
        "{rounds} kills, {before} left the version before and {after} the one after"
    ))
}

async fn fill(options: &Options) -> Result<(), String> {
    let first = Options {
        steps: STEPS,
        ..options.clone()
    };
    let store = Sqlite::open(first, &|name, work| Tasks::thread(name, work))
        .map_err(|error| error.to_string())?;
    for number in 0..SESSIONS {
        let key =
            event_connector::domain::id::Key::session(&"acme".into(), &format!("s{number}").into());
        let commit = Commit {
            id: u64::from(number).to_be_bytes(),
            product: "acme".into(),
            now_ms: 1_000,
            state: Some(StateWrite {
                key,
                base: 0,
                is_restored: false,
                known: None,
                state: vec![b'x'; 500].into(),
                settled: None,
                due_ms: None,
                as_of_ms: 1_000,
            }),
            effects: Default::default(),
            guards: Vec::new(),
        };
        match store.commit(commit.into()).await {
            Outcome::Committed => {}
            other => return Err(format!("{other:?}")),
        }
    }
    store.close().await;
    Ok(())
}

/// Checks that the database is wholly of one version; answers whether of the later one.
fn look(options: &Options) -> Result<bool, String> {
    let version = plan(options, None).map_err(|error| error.to_string())?.from;
    let db = Connection::open(&options.path).map_err(|error| error.to_string())?;
    let number = |sql: &str| -> Result<i64, String> {
        db.query_row(sql, [], |row| row.get(0))
            .map_err(|error| error.to_string())
    };
    let is_later = version > ours();
    let tables = number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'copies%'")?;
    if tables != if is_later { 2 } else { 0 } {
        return Err(format!("schema {version} with {tables} of its objects"));
    }
    if is_later && number("SELECT count(*) FROM copies")? != i64::from(SESSIONS) * 20 {
        return Err("a half-filled table".to_owned());
    }
    let moved = if is_later { 1_001_000 } else { 1_000 };
    let whole =
        format!("SELECT count(*) FROM keys WHERE written_ms = {moved} AND length(state) = 500");
    match number(&whole)? {
        count if count == i64::from(SESSIONS) => {}
        count => return Err(format!("schema {version}, and {count} rows that suit it")),
    }
    let checked: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if checked == "ok" {
        Ok(is_later)
    } else {
        Err(checked)
    }
}

/// The older program opens what the last way back left.
async fn reopen(options: &Options) -> Result<(), String> {
    migrate(options, Some(ours())).map_err(|error| error.to_string())?;
    let first = Options {
        steps: STEPS,
        ..options.clone()
    };
    let store = Sqlite::open(first, &|name, work| Tasks::thread(name, work))
        .map_err(|error| error.to_string())?;
    store.close().await;
    Ok(())
}
