//! Sentinels name the master, and name another one after a failover.

use std::sync::Arc;
use std::time::Duration;

use event_connector::domain::id::Key;
use event_connector::store::redis::{Address, Options, Redis};
use event_connector::store::{Error, Heard, Outcome, Store};
use tokio::sync::mpsc;

use super::house::{key, write};
use crate::redis::{OwnServer, SAFE, free_ports};
use crate::support::{SECRET, Service, Setup, Stream, click, eventually, json_of};

/// What the Sentinels call the master.
const NAME: &str = "mymaster";

/// What the servers and the Sentinels want to be told.
const PASSWORDS: [&str; 2] = ["of-the-servers", "of+the/sentinels"];

/// A master, two replicas and the Sentinels that watch over them.
struct Group {
    servers: Vec<OwnServer>,
    sentinels: Vec<OwnServer>,
    sentinel_ports: Vec<String>,
}

impl Group {
    async fn start() -> Self {
        let ports = free_ports(3);
        let password = ["--requirepass", PASSWORDS[0], "--masterauth", PASSWORDS[0]];
        let servers = ports.iter().map(|port| {
            let at_once = ["--repl-diskless-sync-delay", "0"];
            let mut options = [&SAFE[..], &["--port", port], &password, &at_once].concat();
            if *port != ports[0] {
                options.extend(["--replicaof", "127.0.0.1", &ports[0]]);
            }
            OwnServer::start(&options)
        });
        let servers: Vec<_> = servers.collect();
        // Sentinels may promote one that has nothing yet.
        eventually("the replicas have everything", || async {
            let told = servers[0].say(&["info", "replication"]);
            match told.matches("state=online").count() {
                2 => Ok(()),
                _ => Err(told),
            }
        })
        .await;
        let sentinel_ports = free_ports(3);
        let sentinels = sentinel_ports.iter();
        let sentinels =
            sentinels.map(|port| OwnServer::sentinel(port, PASSWORDS[1], &watching(&ports[0])));
        let group = Self {
            sentinels: sentinels.collect(),
            servers,
            sentinel_ports,
        };
        for sentinel in &group.sentinels {
            eventually("a Sentinel knows everybody", || async {
                let told = sentinel.say(&["sentinel", "master", NAME]);
                let value = |name: &str| {
                    let mut lines = told.lines().skip_while(|line| *line != name);
                    lines.nth(1).unwrap_or_default().to_owned()
                };
                match ["flags", "num-slaves", "num-other-sentinels"].map(value) {
                    known if known == ["master", "2", "2"] => Ok(()),
                    other => Err(other),
                }
            })
            .await;
        }
        group
    }

    /// The address of a store whose master is called so.
    fn url(&self, master: &str) -> String {
        let hosts = self.sentinel_ports.iter();
        let hosts: Vec<_> = hosts.map(|port| format!("127.0.0.1:{port}")).collect();
        format!(
            "redis+sentinel://:{}@{}/{master}/1?sentinel_password=of%2Bthe/sentinels",
            PASSWORDS[0],
            hosts.join(",")
        )
    }

    /// A store whose master is called so, as this instance sees it.
    fn store(&self, master: &str, instance: &str) -> Redis {
        let options = Options {
            key_prefix: "shared".to_owned(),
            instance: instance.to_owned(),
            wait_replicas: 1,
            timeout: Duration::from_secs(1),
            ..Options::new(self.url(master).into())
        };
        Redis::new(&options).expect("an address")
    }

    /// Which of the replicas has been promoted.
    async fn promoted(&self) -> usize {
        eventually("a replica is promoted", || async {
            let is_master =
                |&server: &usize| self.servers[server].say(&["role"]).starts_with("master");
            [1, 2].into_iter().find(is_master).ok_or("not yet")
        })
        .await
    }
}

/// The configuration of a Sentinel that notices soon.
fn watching(port: &str) -> String {
    format!(
        "sentinel sentinel-pass {1}\nsentinel monitor {NAME} 127.0.0.1 {port} 2\n\
         sentinel auth-pass {NAME} {0}\nsentinel down-after-milliseconds {NAME} 500\n\
         sentinel failover-timeout {NAME} 2000\n",
        PASSWORDS[0], PASSWORDS[1]
    )
}

async fn post(service: &Service, number: usize) -> u16 {
    let request = service.client.post(format!("{}/webhook/acme", service.url));
    let request = request.header("x-posthog-secret", SECRET);
    let body = click("s1", "u1", &format!("Button {number}")).to_string();
    let answer = request.body(body).send().await.expect("an answer");
    answer.status().as_u16()
}

/// Posts clicks as a provider does, each until it is acknowledged.
async fn post_all(service: &Service, numbers: std::ops::Range<usize>) {
    for number in numbers {
        eventually("it is acknowledged", || async {
            match post(service, number).await {
                200 => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
}

fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
    let line = |number| format!("User clicked Button {number} on the team page");
    numbers.map(line).collect()
}

async fn listen(service: &Service) -> Stream {
    let request = service
        .client
        .get(format!("{}/stream/acme?since=0-0", service.url));
    Stream::new(request.bearer_auth(SECRET).send().await.expect("an answer"))
}

#[test]
fn who_is_named_in_an_address_is_told_without_secrets() {
    let told = |url: &str| Address::parse(url).map(|address| address.hosts());
    assert_eq!(
        told("redis+sentinel://user:s3cret@one:1,[::1],two/my.master/2?sentinel_password=s3cret"),
        Ok("the master my.master of the Sentinels one:1, ::1:26379, two:26379".to_owned())
    );
    assert_eq!(
        told("rediss+sentinel://one/main?protocol=resp3"),
        Ok("the master main of the Sentinels one:26379".to_owned())
    );
    assert_eq!(
        told("redis://user:s3cret@one/2,unix:///run/redis"),
        Ok("one:6379, /run/redis".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_on_at_the_replica_that_sentinels_promote() {
    let mut group = Group::start().await;
    let store: Arc<dyn Store> = Arc::new(group.store(NAME, "own"));
    let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis");
    let service = Service::with(Setup {
        store: Some(Box::new(move |_| store)),
        ..setup.and("REDIS_URL", &group.url(NAME))
    })
    .await;
    post_all(&service, 0..20).await;
    let mut listening = listen(&service).await;
    assert_eq!(listening.next_actions(20).await, lines(0..20));
    // One of those who are asked is gone as well; the others are enough.
    group.sentinels[0].kill();
    group.servers[0].kill();
    post_all(&service, 20..40).await;
    let promoted = group.promoted().await;
    assert!(group.servers[promoted].say(&["-n", "1", "dbsize"]).trim() != "0");
    assert_eq!(listening.next_actions(20).await, lines(20..40));
    assert_eq!(listen(&service).await.next_actions(40).await, lines(0..40));
    let health = json_of(service.get("/health").await).await;
    assert_eq!(health["redis"], "ok", "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_falls_silent_is_left_for_the_one_that_is_promoted() {
    let group = Group::start().await;
    let (own, other) = (group.store(NAME, "own"), group.store(NAME, "other"));
    let (tell, mut told) = mpsc::unbounded_channel();
    let hear = move |heard: Heard| {
        let _ = tell.send(matches!(heard, Heard::News(_)));
    };
    let listening = async {
        loop {
            let _ = own.listen(&hear).await;
        }
    };
    let walk = async {
        commits(&own, &key("before")).await;
        group.servers[0].stall();
        commits(&own, &key("after")).await;
        let promoted = group.promoted().await;
        eventually("it listens where the master is now", || async {
            match group.servers[promoted].say(&["pubsub", "numsub", "shared:news"]) {
                told if told.contains('1') => Ok(()),
                told => Err(told),
            }
        })
        .await;
        commits(&other, &key("heard")).await;
        assert!(told.recv().await.expect("news"));
        for known in ["before", "after", "heard"] {
            let stored = own.load(&key(known)).await.expect("readable");
            assert!(stored.is_some(), "{known}");
        }
    };
    tokio::select! {
        () = listening => {}
        () = walk => {}
    }
}

/// Commits something that others hear of, however often it takes.
async fn commits(store: &Redis, key: &Key) {
    eventually("it is committed", || async {
        let commit = Arc::new(write(key, 0, "").action("1").0);
        match store.commit(commit).await {
            Outcome::Committed | Outcome::Conflict(Some(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_sentinels_from_leading_anywhere_is_said_without_secrets() {
    let mut group = Group::start().await;
    let refused = async |store: Redis| {
        let refused = store.load(&key("s")).await.expect_err("no way");
        let Error::Unavailable(reason) = refused else {
            panic!("{refused:?}");
        };
        for secret in PASSWORDS {
            assert!(!reason.contains(secret), "{reason}");
        }
        reason.to_string()
    };
    assert_eq!(
        refused(group.store("another", "own")).await,
        "the Sentinels know no master named another that is up: its name is wrong, or a failover is under way"
    );
    let guessed = group.url(NAME).replace("/sentinels", "/wrong");
    let guessed = Redis::new(&Options::new(guessed.into())).expect("an address");
    let reason = refused(guessed).await;
    assert!(
        reason.contains("the Sentinels lead to no master mymaster: "),
        "{reason}"
    );
    assert!(reason.contains("authentication failed"), "{reason}");
    for sentinel in &mut group.sentinels {
        sentinel.kill();
    }
    let reason = refused(group.store(NAME, "own")).await;
    assert!(reason.contains("Connection refused"), "{reason}");
}
