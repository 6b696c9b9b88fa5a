//! Stores of other programs: laid out otherwise, or by an earlier or a later one.

use std::sync::Arc;

use event_connector::domain::log::{EntryType, Offset};
use event_connector::store::erasure::Table;
use event_connector::store::redis::{Options, Redis};
use event_connector::store::{Error, FeedPage, Outcome, Store};

use super::erasure::{erase, named};
use super::house::{Draft, House, key, product, write};
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
    server.say(&["hset", "layout:layout", "buckets", "16/4"]);
    assert_eq!(
        refusal(&server.url(), 16).await,
        "the store has layout 4 of a newer program, and this one knows layouts up to 3"
    );
    let kept = server.say(&["hget", "layout:layout", "buckets"]);
    assert_eq!(kept.trim(), "16/4");
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
    assert_eq!(kept.trim(), "16/3");
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

/// Writes the entries of a log again, in the form that they had in layout 2: a field for everything.
const ENTRIES_PUT_BACK: &str = r#"
local log = KEYS[1]
local entries = redis.call('XRANGE', log, '-', '+')
redis.call('DEL', log)
for _, entry in ipairs(entries) do
  local fields = {}
  for f = 1, #entry[2], 2 do fields[entry[2][f]] = entry[2][f + 1] end
  local sequence, visible, before = string.match(fields.chain, '^(%d+) ([01]) (.*)$')
  local schema, kind, at, source, correlation, user = unpack(cjson.decode(fields.said))
  redis.call('XADD', log, entry[1], 'key', fields.key, 'sequence', sequence, 'schema', schema, 'type', kind, 'at', at,
    'source', source, 'correlation', correlation, 'user', user, 'body', fields.body, 'visible', visible,
    'before', before)
end
return #entries
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_layout_2_is_read_and_goes_on() {
    let server = OwnServer::start(&[]);
    let wrote = async |draft| wrote(&server, draft).await;
    let mut first = write(&key("s"), 0, "one")
        .action("1")
        .entry(EntryType::Linked, "2");
    first.0.effects.entries[1].user_id = Some("ada".into());
    wrote(first).await;
    wrote(write(&key("other"), 0, "one").action("3")).await;
    wrote(write(&key("s"), 1, "two").action("4")).await;
    let log = server.say(&["keys", "*log:shop"]);
    let put_back = server.say(&["eval", ENTRIES_PUT_BACK, "1", log.trim()]);
    assert_eq!(put_back.trim(), "4");
    server.say(&["hset", "layout:layout", "buckets", "16/2"]);

    let house = House {
        store: Arc::new(server.store("layout")),
        directory: None,
    };
    let feed = async || {
        let page = house
            .store
            .feed(&product("shop"), Offset::default(), 9)
            .await;
        page.expect("readable")
    };
    let before = feed().await;
    let told = |page: &FeedPage| {
        let bodies = page.entries.iter().map(|entry| entry.body.to_string());
        bodies.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told(&before), "1 3 4");
    let kept = server.say(&["hget", "layout:layout", "buckets"]);
    assert_eq!(kept.trim(), "16/3");

    house.wrote(write(&key("s"), 2, "three").action("5")).await;
    let after = feed().await;
    assert_eq!(told(&after), "1 3 4 5");
    let mut alike = after.entries[0].clone();
    let newest = after.entries[3].clone();
    (alike.offset, alike.sequence, alike.body) =
        (newest.offset, newest.sequence, newest.body.clone());
    assert_eq!(
        alike, newest,
        "the form is another one, and what it tells is not"
    );
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    let bodies: Vec<_> = history.iter().map(|entry| &*entry.body).collect();
    assert_eq!(bodies, ["5", "4", "2", "1"]);
    // Whoever comes too late is told of both.
    let late = write(&key("s"), 1, "late").knowing(1);
    let newest = house.conflicted(late).await.expect("there is a state");
    let news: Vec<_> = newest.news.iter().map(|entry| entry.sequence).collect();
    assert_eq!(news, [4, 3, 2]);
    // An erasure finds whom either is about.
    let mut new = write(&key("s"), 3, "four").entry(EntryType::Linked, "6");
    new.0.effects.entries[0].user_id = Some("ada".into());
    house.wrote(new).await;
    assert_eq!(erase(&house, &named("ada")).await, [(Table::Log, 2)]);
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    let bodies: Vec<_> = history.iter().map(|entry| &*entry.body).collect();
    assert_eq!(bodies, ["5", "4", "1"]);
}
