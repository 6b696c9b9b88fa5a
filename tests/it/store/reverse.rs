//! Schemas forth and back: what the older one knows survives both ways.

use std::sync::Arc;

use event_connector::domain::action::{ActionType, Activity, NewAction, Provider};
use event_connector::domain::attempt::AttemptRecord;
use event_connector::domain::log::{Effects, OutboxChange};
use event_connector::domain::machine::{Encoded, Facts, Machine, Moment};
use event_connector::domain::session::{Held, Input, Link, Policy, Session};
use event_connector::store::Store;
use event_connector::store::sqlite::STEPS;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::house::{House, dead, delivered, draft, key, key_of, open, options, sqlite, write};

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

/// The stored form of a session whose first two actions have left its window since it settled.
fn busy_session() -> (Session, Encoded, Arc<[u8]>) {
    let policy = Policy::default();
    let key = key_of("shop", "busy");
    let mut session = Session::open(&key, &policy, 1_000.0);
    let mut settled = Arc::default();
    let mut newest = session.encode();
    for number in 0..18_u32 {
        let at = 1_000.0 + f64::from(number) + if number > 15 { 104.5 } else { 0.0 };
        let action = NewAction {
            duplicate_key: u64::from(number),
            r#type: ActionType::Click,
            title: String::new(),
            description: format!("\"step\" {number}\u{1f44b}"),
            at: Some(at + 0.1),
            raw_url: String::new(),
            canonical_url: String::new(),
            user_id: None,
            email: None,
        };
        let activity = Activity {
            actions: vec![action],
            ..Activity::new(Provider::Posthog, 0)
        };
        let mut moment = Moment {
            now: at,
            policy: &policy,
            facts: &mut Facts::default(),
            effects: &mut Effects::default(),
            correlation_id: "test".into(),
            new_id: &mut || unreachable!("nothing is delivered"),
        };
        session.handle(Input::Activity(activity.into()), &mut moment);
        newest = session.encode();
        if let Some(new) = &newest.settled {
            settled = new.onto(&settled);
        }
    }
    (session, newest, settled)
}

/// What waits in a session's window, and its stored form without anything settled in it.
fn whole(session: &Session) -> (Vec<Held>, Value) {
    let Link::Unlinked { window } = &session.link else {
        unreachable!("nobody links it")
    };
    let state = session.clone().encode().state;
    (
        window.to_vec(),
        serde_json::from_slice(&state).expect("JSON"),
    )
}

/// The state of a key once the database is taken back to an older schema.
fn in_schema(older: usize, directory: &TempDir, name: &str) -> Vec<u8> {
    let db = Connection::open(directory.path().join("store.db")).expect("readable");
    for version in (older + 1..=STEPS.len()).rev() {
        let down = STEPS[version - 1].down.expect("there is a way back");
        db.execute_batch(&format!(
            "BEGIN; {down} DELETE FROM refinery_schema_history WHERE version = {version}; COMMIT;"
        ))
        .expect("taken back");
    }
    let select = "SELECT state FROM keys WHERE name = ?1";
    db.query_row(select, [name], |row| row.get(0))
        .expect("there")
}

#[tokio::test]
async fn a_state_that_leaves_out_the_usual_says_it_in_an_older_schema() {
    let mut house = sqlite().await;
    let quiet = key_of("shop", "quiet");
    let mut session = Session::open(&quiet, &Policy::default(), 1_000.25);
    let state = session.encode().state;
    let state = str::from_utf8(&state).expect("text");
    assert_eq!(
        state,
        concat!(
            r#"{"id":"quiet","product":"shop","user":null,"fsm":{"state":"thinking","#,
            r#""last_interaction_at":1000.25},"active_at":1000.25,"seen":"","next_index":0,"#,
            r#""indexed":{"at":null}}"#,
        )
    );
    house.wrote(write(&quiet, 0, state)).await;
    house.store.close().await;
    let directory = house.directory.take().expect("a database has a directory");
    let older = in_schema(5, &directory, "quiet");
    let found: Value = serde_json::from_slice(&older).expect("JSON");
    let expected = json!({
        "id": "quiet",
        "product": "shop",
        "user": null,
        "fsm": {
            "session_id": "quiet",
            "state": "thinking",
            "last_interaction_at": 1000.25,
            "interaction_timeout_s": 20.0,
            "cooldown_period_s": 60.0,
            "proactive": {"anchor_at": 1000.25},
            "reactive": {"anchor_at": 1000.25},
        },
        "link": {"unlinked": {"window": []}},
        "active_at": 1000.25,
        "seen": "",
        "next_index": 0,
        "indexed": {"at": null},
    });
    assert_eq!(found, expected);
    for form in [older.as_slice(), state.as_bytes()] {
        assert_eq!(Session::decode(form, &[]).as_ref(), Ok(&session));
    }
}

#[tokio::test]
async fn what_has_settled_line_by_line_is_of_one_piece_in_schema_6() {
    let mut house = sqlite().await;
    let (session, newest, settled) = busy_session();
    let busy = key_of("shop", "busy");
    let text = |part: &[u8]| String::from_utf8(part.to_vec()).expect("text");
    let state = write(&busy, 0, &text(&newest.state)).settled(&text(&settled));
    house.wrote(state).await;
    house.store.close().await;
    let directory = house.directory.take().expect("a database has a directory");
    let state = in_schema(6, &directory, "busy");

    let db = Connection::open(directory.path().join("store.db")).expect("readable");
    let select = "SELECT s.state FROM settled s JOIN keys k ON k.id = s.key";
    let older: Vec<u8> = db.query_row(select, [], |row| row.get(0)).expect("there");
    let piece: Value = serde_json::from_slice(&older).expect("one document");
    assert_eq!(piece["window"].as_array().map(Vec::len), Some(16));
    let read = Session::decode(&state, &older).expect("readable");
    assert_eq!(whole(&read), whole(&session));
    drop(db);
    let again = open(options(&directory)).expect("taken again");
    let stored = again.load(&busy).await.expect("readable").expect("there");
    assert_eq!(stored.settled.strip_suffix(b"\n"), Some(&*older));
    again.close().await;
}

#[tokio::test]
async fn what_has_settled_is_whole_again_in_an_older_schema() {
    let mut house = sqlite().await;
    let (session, newest, settled) = busy_session();
    let (waiting, front) = whole(&session);
    assert!(waiting.len() < 18, "some have left");
    assert!(
        front["link"]["unlinked"]["window"]["settled"].as_u64() > Some(2),
        "{front}"
    );
    let text = |part: &[u8]| String::from_utf8(part.to_vec()).expect("text");
    assert!(text(&settled).lines().count() > 1, "{}", text(&settled));
    let busy = key_of("shop", "busy");
    let state = write(&busy, 0, &text(&newest.state)).settled(&text(&settled));
    house.wrote(state).await;
    house
        .wrote(write(&key("no state of a session"), 0, "{\"half"))
        .await;
    house.store.close().await;
    let directory = house.directory.take().expect("a database has a directory");
    let state = in_schema(3, &directory, "busy");

    let read = Session::decode(&state, &[]).expect("readable");
    assert_eq!(whole(&read).0, waiting);
    let known: Value = serde_json::from_slice(&state).expect("JSON");
    let seen = known["seen"].as_str().expect("whole");
    assert_eq!(seen.len(), 18 * 16, "no key is forgotten");
    let again = open(options(&directory)).expect("taken again");
    let stored = again.load(&busy).await.expect("readable").expect("there");
    assert_eq!(Session::decode(&stored.state, &stored.settled), Ok(read));
    again.close().await;
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
