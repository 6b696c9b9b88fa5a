//! What only a store that others share can do or suffer.

use std::sync::Arc;

use event_connector::domain::log::{IndexKey, Space};
use event_connector::store::redis::{Options, Redis};
use event_connector::store::{Error, Heard, NEWS_MAX, News, Outcome, Store};
use tokio::sync::mpsc;

use super::house::{Draft, House, draft, key, key_of, product, write};
use crate::redis::{OwnServer, SAFE};
use crate::support::eventually;

/// The news that `store` hears once it listens and `then` has happened.
async fn heard(server: &OwnServer, store: &Redis, then: impl Future<Output = ()>) -> News {
    let (tell, mut told) = mpsc::unbounded_channel();
    let hear = move |heard: Heard| {
        if let Heard::News(news) = heard {
            let _ = tell.send(news);
        }
    };
    let news = async {
        eventually("somebody listens", || async {
            match server
                .say(&["pubsub", "numsub", "news:news"])
                .lines()
                .nth(1)
            {
                Some("1") => Ok(()),
                other => Err(other.map(str::to_owned)),
            }
        })
        .await;
        then.await;
        told.recv().await.expect("news")
    };
    tokio::select! {
        ended = store.listen(&hear) => panic!("it ended: {ended:?}"),
        news = news => news,
    }
}

async fn wrote(store: &Redis, draft: super::house::Draft) {
    let outcome = store.commit(Arc::new(draft.0)).await;
    assert!(matches!(outcome, Outcome::Committed), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_hear_what_is_new_and_one_does_not_hear_oneself() {
    let server = OwnServer::start(&[]);
    let (own, other) = (server.store("news"), server.store("news"));
    let news = heard(&server, &own, async {
        wrote(&own, write(&key("s"), 0, "").action("own")).await;
        // Nobody has to look for what subscribers do not see.
        wrote(&other, write(&key("t"), 0, "")).await;
        wrote(&other, write(&key_of("bank", "x"), 0, "").action("1")).await;
    });
    let expected = News {
        product: product("bank"),
        is_for_feed: true,
        is_for_outbox: false,
        is_erasure: false,
        is_registration: false,
    };
    assert_eq!(news.await, expected);
    let news = heard(&server, &own, async {
        wrote(&other, write(&key("t"), 1, "").delivery("d", "lane")).await;
    });
    let expected = News {
        product: product("shop"),
        is_for_feed: false,
        is_for_outbox: true,
        is_erasure: false,
        is_registration: false,
    };
    assert_eq!(news.await, expected);
    let request = IndexKey::new(Space::Erasure, "ada");
    let news = heard(&server, &own, async {
        wrote(&other, draft().fact(request.clone(), Some("{}"), 9_000)).await;
        wrote(&other, draft().fact(request, None, 0)).await;
    });
    assert!(news.await.is_erasure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_read_is_set_aside_once() {
    let server = OwnServer::start(&[]);
    let house = House {
        store: Arc::new(server.store("aside")),
        directory: None,
    };
    for id in ["broken", "whole"] {
        house.wrote(write(&key(id), 0, id).action(id)).await;
    }
    let keys = server.say(&["keys", "*state:shop/session/broken"]);
    let field = ["hset", keys.trim(), "head", "1 1000 0 half"];
    assert_eq!(server.say(&field).trim(), "0");
    let refused = house.store.load(&key("broken")).await;
    assert!(matches!(
        refused,
        Err(Error::Unreadable { what: "state", .. })
    ));
    assert_eq!(house.state(&key("broken")).await, None);
    assert_eq!(house.store.depth().await.expect("sizes").quarantined, 1);
    assert!(house.state(&key("whole")).await.is_some());
    // Its log goes on where it was.
    house.wrote(write(&key("broken"), 0, "").action("2")).await;
    let history = house
        .store
        .history(&key("broken"), 9)
        .await
        .expect("readable");
    assert_eq!((history.len(), history[0].sequence), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_too_late_learns_what_the_log_has_since() {
    let server = OwnServer::start(&SAFE);
    let house = House {
        store: Arc::new(server.store("news")),
        directory: None,
    };
    house.wrote(write(&key("s"), 0, "1").action("1")).await;
    house.wrote(write(&key("t"), 0, "1").action("other")).await;
    house
        .wrote(write(&key("s"), 1, "2").action("2").action("3"))
        .await;
    let news = async |late: Draft| match house.store.commit(Arc::new(late.0)).await {
        Outcome::Conflict(Some(newest)) => {
            let told = newest
                .news
                .iter()
                .map(|entry| (entry.sequence, &*entry.body));
            told.map(|(sequence, body)| format!("{sequence} {body}"))
                .collect::<Vec<_>>()
        }
        outcome => panic!("{outcome:?}"),
    };
    let late = || write(&key("s"), 1, "late");
    assert_eq!(news(late().knowing(1)).await, ["3 3", "2 2"]);
    assert!(news(late().knowing(3)).await.is_empty());
    assert!(news(late()).await.is_empty(), "nobody asked");
    // More than are told at once: whoever misses some asks for them.
    let many = (4..=40).fold(write(&key("s"), 2, "3"), |draft, number| {
        draft.action(&number.to_string())
    });
    house.wrote(many).await;
    let told = news(late().knowing(1)).await;
    assert_eq!((told.len(), &*told[0]), (NEWS_MAX, "40 40"));
    // What cannot be read is not told, and is in nobody's way.
    let log = server.say(&["keys", "*log:shop"]);
    let entry = server.say(&["xadd", log.trim(), "*", "nonsense", "1"]);
    let state = server.say(&["keys", "*state:shop/session/s"]);
    let tail = format!("40 {}", entry.trim());
    server.say(&["hset", state.trim(), "tail", &tail]);
    assert!(news(late().knowing(1)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_leaves_the_append_only_file_too() {
    // One that syncs later writes later as well, while its disk is busy.
    let server = OwnServer::start(&SAFE);
    let house = House {
        store: Arc::new(server.store("scrub")),
        directory: None,
    };
    house.wrote(write(&key("s"), 0, "a secret of hers")).await;
    assert!(server.wrote_down("a secret of hers"));
    house.wrote(write(&key("s"), 1, "nothing")).await;
    assert!(server.wrote_down("a secret of hers"), "it is history");
    eventually("it is scrubbed", || async {
        match house.store.scrub().await.expect("allowed") {
            true => Ok(()),
            false => Err("not yet"),
        }
    })
    .await;
    assert!(!server.wrote_down("a secret of hers"));
    assert_eq!(
        &*house.state(&key("s")).await.expect("there").state,
        b"nothing"
    );
}

/// Lets `openssl` make the key and the certificate of a server on this machine.
fn certificate(home: &std::path::Path) -> [String; 2] {
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| {
        let path = home.join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    });
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    let made = made.expect("openssl runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    [key, certificate]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_reached_by_tls_as_a_user_with_a_password() {
    let home = tempfile::tempdir().expect("a directory");
    let [key, certificate] = certificate(home.path());
    let port = &crate::redis::free_ports(1)[0];
    let server = OwnServer::start(
        &[
            &["--tls-port", port, "--tls-auth-clients", "no"][..],
            &["--tls-key-file", &key, "--tls-cert-file", &certificate],
            &[
                "--user",
                "connector",
                "on",
                ">s3cret",
                "~own:*",
                "&own:*",
                "+@all",
                "-@dangerous",
                "+info",
            ],
        ]
        .concat(),
    );
    let url = |password: &str| format!("rediss://connector:{password}@localhost:{port}/0");
    let options = |url: String| Options {
        key_prefix: "own".to_owned(),
        root_certificates: std::fs::read(&certificate).ok(),
        ..Options::new(url.into())
    };
    let house = House {
        store: Arc::new(Redis::new(&options(url("s3cret"))).expect("an address")),
        directory: None,
    };
    house
        .wrote(write(&key_of("shop", "s"), 0, "one").action("1"))
        .await;
    assert!(house.state(&key_of("shop", "s")).await.is_some());
    assert!(
        server
            .say(&["keys", "own:*"])
            .contains("state:shop/session/s")
    );
    house.store.scrub().await.expect("it may be refused");

    let guessed = Redis::new(&options(url("guess"))).expect("an address");
    let refused = guessed
        .load(&key_of("shop", "s"))
        .await
        .expect_err("no way in");
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    assert!(!refused.to_string().contains("guess"));
    let stranger = Options {
        root_certificates: None,
        ..options(url("s3cret"))
    };
    let stranger = Redis::new(&stranger).expect("an address");
    let refused = stranger
        .load(&key_of("shop", "s"))
        .await
        .expect_err("nobody vouches");
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_instance_asks_little_however_many_products_there_are() {
    let server = OwnServer::start(&[]);
    let store = server.store("idle");
    for number in 0..1_000 {
        let key = key_of(&format!("p{number}"), "s");
        wrote(&store, write(&key, 0, "").action("1")).await;
    }
    let commands = || {
        let stats = server.say(&["info", "stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.expect("it counts")
            .trim()
            .parse::<u64>()
            .expect("a number")
    };
    let before = commands();
    store.claim_overdue(1, 2, 500).await.expect("claimable");
    store
        .lease(super::house::wanted(1, 9, 9))
        .await
        .expect("leasable");
    store.next_delivery_ms(&[]).await.expect("readable");
    store.depth().await.expect("countable");
    // Commands within scripts count as well: a few for each bucket, none for each product.
    let asked = commands() - before;
    assert!(asked < 4 * 5 * 16, "{asked} commands");
}
