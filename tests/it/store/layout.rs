//! Stores of other programs: laid out otherwise, or by an earlier or a later one.

use std::sync::Arc;

use event_connector::store::redis::{Options, Redis};
use event_connector::store::{Error, Outcome, Store};

use super::house::{Draft, House, key, write};
use crate::redis::{OwnServer, Servers};

/// Why a store with so many buckets is refused.
async fn refusal(url: &str, buckets: u16) -> String {
    let options = Options {
        key_prefix: "layout".to_owned(),
        buckets,
        ..Options::new(url.into())
    };
    let store = Redis::new(&options).expect("an address");
    match store.load(&key("s")).await {
        Err(Error::Unavailable(reason)) => reason.to_string(),
        found => panic!("{found:?}"),
    }
}

/// A commit of a state that is known to be there.
async fn wrote(server: &OwnServer, write: Draft) {
    let house = House {
        store: Arc::new(server.store("layout")),
        directory: None,
    };
    house.wrote(write).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_buckets_is_refused() {
    let server = Servers::one();
    let first = server.store("layout");
    let written = first.commit(Arc::new(write(&key("s"), 0, "").0)).await;
    assert!(matches!(written, Outcome::Committed));
    assert_eq!(
        refusal(&server.url, 8).await,
        "the store was laid out with redis.buckets = 16, and is asked for 8"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layout_of_a_newer_program_is_refused_and_left_alone() {
    let server = OwnServer::start(&[]);
    wrote(&server, write(&key("s"), 0, "")).await;
    server.say(&["hset", "layout:layout", "buckets", "16/3"]);
    assert_eq!(
        refusal(&server.url(), 16).await,
        "the store has layout 3 of a newer program, and this one knows layouts up to 2"
    );
    let kept = server.say(&["hget", "layout:layout", "buckets"]);
    assert_eq!(kept.trim(), "16/3");
}

/// The ids of commits that states of layout 1 have here.
const IDS: &str = "12345678";

/// Puts a state back into the form that it had in layout 1, in which every number was a field; answers where it is.
fn put_back(server: &OwnServer, name: &str) -> String {
    let at = server.say(&["keys", &format!("*state:shop/session/{name}")]);
    let at = at.trim();
    let told = ["head", "tail"].map(|field| server.say(&["hget", at, field]));
    let [head, tail] = told
        .each_ref()
        .map(|text| text.trim_end_matches('\n').split(' '));
    let names = ["version", "written", "due"].into_iter().zip(head);
    let names = names.chain(["sequence", "newest"].into_iter().zip(tail));
    server.say(&["hdel", at, "head", "tail"]);
    server.say(&["hset", at, "commits", IDS]);
    for (name, value) in names.filter(|named| *named != ("due", "0")) {
        server.say(&["hset", at, name, value]);
    }
    at.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_an_earlier_program_are_laid_out_anew() {
    let server = OwnServer::start(&[]);
    wrote(&server, write(&key("s"), 0, "one").action("1").due(5_000)).await;
    wrote(&server, write(&key("s"), 1, "two").action("2").due(6_000)).await;
    wrote(&server, write(&key("quiet"), 0, "quiet")).await;
    wrote(&server, write(&key("gone"), 0, "gone").action("3")).await;
    put_back(&server, "s");
    put_back(&server, "quiet");
    // Of a state that has aged, its tail is left.
    let gone = put_back(&server, "gone");
    server.say(&["hdel", &gone, "state", "version", "written", "commits"]);
    server.say(&["hset", "layout:layout", "buckets", "16"]);

    let house = House {
        store: Arc::new(server.store("layout")),
        directory: None,
    };
    let found = house.state(&key("s")).await.expect("there");
    assert_eq!(
        (found.version, found.sequence, found.written_ms),
        (2, 2, 1_000)
    );
    assert_eq!(found.commits.as_flattened(), IDS.as_bytes());
    assert_eq!(&*found.state, b"two");
    assert_eq!(house.state(&key("quiet")).await.expect("there").version, 1);
    assert_eq!(house.state(&key("gone")).await, None);
    let kept = server.say(&["hget", "layout:layout", "buckets"]);
    assert_eq!(kept.trim(), "16/2");
    // All of it goes on: the log, the deadline that is taken away, and the sequence of what is gone.
    house.wrote(write(&key("s"), 2, "three").action("4")).await;
    house
        .wrote(write(&key("gone"), 0, "again").action("5"))
        .await;
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    let sequences: Vec<_> = history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [3, 2, 1]);
    let again = house.state(&key("gone")).await.expect("there");
    assert_eq!((again.version, again.sequence), (1, 2));
    let due = house.store.claim_overdue(9_000, 10_000, 9).await;
    assert_eq!(due.expect("readable"), []);
}
