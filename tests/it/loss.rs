//! Redis comes back without what it held: what instances have in memory is written again.

use std::sync::Arc;

use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::metrics::Metrics;
use event_connector::store::Store;
use serde_json::{Value, json};

use crate::redis::OwnServer;
use crate::support::instance::Instance;
use crate::support::{ADMIN_KEY, SECRET, Service, Setup, Stream, click, eventually, json_of};

/// Keeps nothing on disk.
const FORGETFUL: [&str; 2] = ["--appendonly", "no"];

/// Two instances on one Redis.
struct Stage {
    server: OwnServer,
    first: Service,
    second: Instance,
}

impl Stage {
    async fn set() -> Self {
        let server = OwnServer::start(&FORGETFUL);
        let store: Arc<dyn Store> = Arc::new(server.store("shared"));
        // A note that failed once is not tried again by itself.
        let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis")
            .and("CONNECTOR__DELIVERY__RETRY_BASE_MS", "300000")
            .and("CONNECTOR__REDIS__MIRROR", "true");
        let first = Service::with(Setup {
            store: Some(Box::new(move |_| store)),
            ..setup.and("REDIS_URL", &server.url())
        })
        .await;
        let second = first.sibling(Arc::new(server.store("shared"))).await;
        Self {
            server,
            first,
            second,
        }
    }

    fn urls(&self) -> [&str; 2] {
        [&self.first.url, &self.second.url]
    }

    /// Redis dies and comes back with nothing; everybody has noticed and done what is to be done.
    async fn lose(&mut self, restored: u64) {
        self.server.kill();
        // Who is refused meanwhile takes nothing of the memory away.
        for url in self.urls() {
            let request = self.first.client.post(format!("{url}/webhook/acme"));
            let request = request.header("x-posthog-secret", SECRET);
            let body = click("s1", "u1", "Refused").to_string();
            let answer = request.body(body).send().await.expect("an answer");
            assert_eq!(answer.status(), 503);
        }
        self.server.resume();
        let count = |metrics: &Metrics| metrics.commits.with_label_values(&["restored"]).get();
        eventually("sessions are written again", || async {
            let sum = count(&self.first.metrics) + count(&self.second.metrics);
            if sum >= restored { Ok(()) } else { Err(sum) }
        })
        .await;
    }

    /// Posts one click to an instance; answers what it came to: new actions, dropped ones.
    async fn post(&self, at: usize, session: &str, number: usize) -> (u64, u64) {
        let request = self
            .first
            .client
            .post(format!("{}/webhook/acme", self.urls()[at]));
        let request = request.header("x-posthog-secret", SECRET);
        let body = click(session, "u1", &format!("Button {number}")).to_string();
        let told = json_of(request.body(body).send().await.expect("an answer")).await;
        let count = |name: &str| told[name].as_u64().unwrap_or_else(|| panic!("{told}"));
        (count("actions"), count("dropped"))
    }

    async fn session(&self, at: usize, session: &str) -> Value {
        let url = format!("{}/sessions/acme/{session}", self.urls()[at]);
        let request = self.first.client.get(url).header("x-admin-key", ADMIN_KEY);
        json_of(request.send().await.expect("an answer")).await
    }

    async fn listen(&self, at: usize) -> Stream {
        let request = self
            .first
            .client
            .get(format!("{}/stream/acme?since=0-0", self.urls()[at]));
        Stream::new(request.bearer_auth(SECRET).send().await.expect("an answer"))
    }
}

fn line(number: usize) -> String {
    format!("User clicked Button {number} on the team page")
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_in_memory_outlive_a_redis_that_loses_everything() {
    let mut stage = Stage::set().await;
    for number in 0..3 {
        assert_eq!(stage.post(0, "s1", number).await, (1, 0));
    }
    assert_eq!(stage.first.chat("c1", "u1", "").await.status(), 200);
    stage.first.notes("c1", |notes| notes.len() == 1).await;
    let mut listening = stage.listen(1).await;
    assert_eq!(listening.next_actions(3).await, [0, 1, 2].map(line));
    stage.lose(1).await;
    // Before anything else has come in, from the instance that never had it.
    let told = stage.session(1, "s1").await;
    assert_eq!(told["link"]["conversation_id"], "c1", "{told}");
    eventually("it is mirrored again", || async {
        match stage.server.say(&["get", "autoplay:session_state:s1"]) {
            copy if copy.contains("c1") => Ok(()),
            other => Err(other),
        }
    })
    .await;
    // What was taken in is still known, and what is new goes where it belongs.
    assert_eq!(stage.post(1, "s1", 2).await, (0, 1));
    assert_eq!(stage.post(1, "s1", 3).await, (1, 0));
    let all = |notes: &[String]| notes.concat().contains("Button 3");
    stage.first.notes("c1", all).await;
    // The conversation leads to the session again.
    let (status, told) = {
        let answer = stage.first.chat("c1", "u1", "").await;
        (answer.status(), json_of(answer).await)
    };
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["session_linked"], json!(true), "{told}");
    // Whoever was listening goes on; nobody is told from memory what is gone.
    assert_eq!(listening.next_actions(1).await, [line(3)]);
    for at in [0, 1] {
        assert_eq!(stage.listen(at).await.next_actions(1).await, [line(3)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_of_several_memories_is_written_again() {
    for newest in [0, 1] {
        let mut stage = Stage::set().await;
        let stale = 1 - newest;
        assert_eq!(stage.post(stale, "s1", 0).await, (1, 0));
        for number in 1..6 {
            assert_eq!(stage.post(newest, "s1", number).await, (1, 0));
        }
        stage.lose(1).await;
        eventually("the newest memory is written", || async {
            let told = stage.session(stale, "s1").await;
            let version = told["version"].as_u64().unwrap_or_default();
            if version > 6 { Ok(()) } else { Err(told) }
        })
        .await;
        for number in 0..6 {
            for at in [0, 1] {
                assert_eq!(
                    stage.post(at, "s1", number).await,
                    (0, 1),
                    "{number} at {at}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_on_its_way_is_sent_although_the_outbox_is_gone() {
    let mut stage = Stage::set().await;
    let refused = Fault::before(Twist::error(503, "service_unavailable"));
    stage.first.intercom.script(Call::Reply, None, refused);
    assert_eq!(stage.post(0, "s1", 0).await, (1, 0));
    assert_eq!(stage.first.chat("c1", "u1", "").await.status(), 200);
    eventually("it was tried in vain", || async {
        let failed = stage
            .first
            .metrics
            .delivery_seconds
            .with_label_values(&["intercom"]);
        let failed = failed.get_sample_count();
        let failed_too = stage
            .second
            .metrics
            .delivery_seconds
            .with_label_values(&["intercom"]);
        match failed + failed_too.get_sample_count() {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await;
    stage.lose(1).await;
    let is_there = |notes: &[String]| notes.concat().contains("Button 0");
    stage.first.notes("c1", is_there).await;
}
