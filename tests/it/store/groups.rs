//! Commits that come together, and go to Redis together.

use std::sync::Arc;

use event_connector::domain::log::Offset;
use event_connector::store::redis::{Options, Redis};
use event_connector::store::{Error, Outcome, Store};
use futures_util::future::join_all;
use futures_util::poll;

use super::feed::bodies;
use super::house::{Draft, House, key, key_of, product, row, write};
use crate::redis::{OwnServer, SAFE};

/// What became of commits that one task makes at the same time.
async fn together(store: &dyn Store, drafts: impl IntoIterator<Item = Draft>) -> Vec<Outcome> {
    let commits = drafts
        .into_iter()
        .map(|draft| store.commit(Arc::new(draft.0)));
    join_all(commits).await
}

/// A word for each outcome.
fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Committed => "committed",
        Outcome::Conflict(Some(_)) => "conflict",
        Outcome::Conflict(None) => "conflict with nothing",
        Outcome::NotWritten(Error::Full) => "full",
        Outcome::NotWritten(_) => "not written",
        Outcome::Unknown(_) => "unknown",
    };
    outcomes.iter().map(word).collect()
}

pub(super) async fn commits_that_come_together_are_judged_one_by_one(house: &House) {
    let (late, taken) = (key("late"), row("taken"));
    house.wrote(write(&late, 0, "first")).await;
    let drafts = [
        write(&key("a"), 0, "a").action("1").action("2"),
        write(&late, 0, "too late").action("never"),
        write(&key("b"), 0, "b")
            .fact(taken.clone(), Some("b"), 9_000)
            .delivery("d", "lane")
            .action("3"),
        write(&key("c"), 0, "c")
            .if_row(taken.clone(), None)
            .fact(taken.clone(), Some("c"), 9_000)
            .action("never"),
        write(&key_of("bank", "a"), 0, "a").action("4"),
        write(&key("d"), 3, "from nowhere"),
        write(&late, 1, "second").action("5").due(2_000),
    ];
    let expected = [
        "committed",
        "conflict",
        "committed",
        "conflict with nothing",
        "committed",
        "conflict with nothing",
        "committed",
    ];
    assert_eq!(words(&together(&*house.store, drafts).await), expected);
    assert_eq!(house.fact(taken, 1_000).await.as_deref(), Some("b"));
    for (product_id, expected) in [("shop", &["1", "2", "3", "5"][..]), ("bank", &["4"])] {
        let page = house
            .store
            .feed(&product(product_id), Offset::default(), 99)
            .await;
        assert_eq!(bodies(&page.expect("readable")), expected, "{product_id}");
    }
    let newest = house.state(&late).await.expect("there");
    assert_eq!((newest.version, newest.sequence), (2, 1));
}

/// A store of its own, which has met its server.
async fn met(options: &[&str]) -> (OwnServer, Redis) {
    let server = OwnServer::start(options);
    let store = server.store("groups");
    meet(&store).await;
    (server, store)
}

/// The same, with groups of at most `group_max`, of which one is under way at a time.
async fn met_alone(group_max: usize) -> (OwnServer, Redis) {
    let server = OwnServer::start(&[]);
    let options = Options {
        group_max,
        connections: 1,
        ..Options::new(server.url().into())
    };
    let store = Redis::new(&options).expect("an address");
    meet(&store).await;
    (server, store)
}

async fn meet(store: &Redis) {
    let first = write(&key("first"), 0, "");
    assert_eq!(words(&together(store, [first]).await), ["committed"]);
}

fn many(names: std::ops::Range<u32>) -> impl Iterator<Item = Draft> {
    names.map(|name| write(&key(&format!("s{name}")), 0, "").action(&name.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_one_run_of_a_script() {
    let (server, store) = met(&[]).await;
    assert_eq!(server.say(&["config", "resetstat"]).trim(), "OK");
    let outcomes = together(&store, many(0..100)).await;
    assert_eq!(words(&outcomes), ["committed"; 100]);
    let told = server.say(&["info", "commandstats"]);
    assert!(told.contains("cmdstat_evalsha:calls=1,"), "{told}");
    // Where the newest entry is was written once, behind all of them.
    assert!(told.contains("cmdstat_xadd:calls=100,"), "{told}");
    assert!(told.contains("cmdstat_publish:calls=1,"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_a_bound_and_the_rest_goes_next() {
    let (server, store) = met_alone(10).await;
    assert_eq!(server.say(&["config", "resetstat"]).trim(), "OK");
    assert_eq!(
        words(&together(&store, many(1..36)).await),
        ["committed"; 35]
    );
    let told = server.say(&["info", "commandstats"]);
    assert!(told.contains("cmdstat_evalsha:calls=4,"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_them_meets_is_no_concern_of_the_others() {
    let (server, store) = met(&[]).await;
    let keys = server.say(&["keys", "*state:shop/session/first"]);
    let broken = keys.trim().replace("/first", "/s1");
    assert_eq!(server.say(&["set", &broken, "no hash"]).trim(), "OK");
    for others in [0..3, 3..4] {
        let drafts = many(others.clone()).chain(many(1..2));
        let outcomes = together(&store, drafts).await;
        for (outcome, name) in outcomes.iter().zip(others.chain(1..2)) {
            match (name, outcome) {
                (1, Outcome::Unknown(Error::Backend(reason))) => {
                    assert!(reason.contains("WRONGTYPE"), "{reason}");
                }
                (0 | 2 | 3, Outcome::Committed) => {}
                _ => panic!("s{name}: {outcome:?}"),
            }
        }
    }
    // The log goes on behind them.
    let page = store.feed(&product("shop"), Offset::default(), 9).await;
    assert_eq!(bodies(&page.expect("readable")), ["0", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_to_all_and_leaves_nothing() {
    let (server, store) = met(&SAFE).await;
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "1"]).trim(),
        "OK"
    );
    assert_eq!(words(&together(&store, many(0..20)).await), ["full"; 20]);
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "0"]).trim(),
        "OK"
    );
    assert_eq!(
        words(&together(&store, many(0..20)).await),
        ["committed"; 20]
    );
    let page = store.feed(&product("shop"), Offset::default(), 99).await;
    assert_eq!(page.expect("readable").entries.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_stopped_leaves_the_lead_to_the_next() {
    let (server, store) = met_alone(100).await;
    let commit = |name| {
        let draft = many(name..name + 1).next().expect("one");
        store.commit(Arc::new(draft.0))
    };
    let (mut leads, mut waits, mut follows) = (commit(1), commit(2), commit(3));
    // The first one gathers, and is stopped before it has sent anything; so is the one that would have followed it.
    for commit in [&mut leads, &mut waits, &mut follows] {
        assert!(poll!(commit).is_pending());
    }
    drop(leads);
    drop(waits);
    assert_eq!(words(&[follows.await]), ["committed"]);
    // A leader that is stopped with a group under way leaves it in doubt, and nobody waiting.
    let (mut leads, mut waits) = (commit(4), commit(5));
    assert!(poll!(&mut leads).is_pending() && poll!(&mut waits).is_pending());
    let paused = server.say(&["client", "pause", "1000", "all"]);
    assert_eq!(paused.trim(), "OK");
    for _ in 0..50 {
        assert!(poll!(&mut leads).is_pending());
        tokio::task::yield_now().await;
    }
    drop(leads);
    assert_eq!(words(&[waits.await]), ["unknown"]);
    assert_eq!(words(&[commit(6).await]), ["committed"]);
}
