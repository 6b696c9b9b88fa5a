//! Copies of session states where clients of the published SDK read them.

use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::domain::id::Key;
use event_connector::domain::log::Effects;
use event_connector::domain::machine::Machine;
use event_connector::domain::session::Session;
use event_connector::metrics::Metrics;
use event_connector::session::Written;
use event_connector::session::mirror::{Limits, Mirror};
use event_connector::store::Store;
use serde_json::{Value, json};

use crate::redis::{OwnServer, SAFE, Servers};
use crate::support::{SECRET, Service, Setup, click, eventually, json_of, reads};

/// A service that mirrors, on this server.
async fn service_on(server: &OwnServer) -> Service {
    service_with(server, "true").await
}

async fn service_with(server: &OwnServer, mirror: &str) -> Service {
    let store: Arc<dyn Store> = Arc::new(server.store("shared"));
    let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis")
        .and("REDIS_URL", &server.url())
        .and("CONNECTOR__REDIS__MIRROR", mirror);
    Service::with(Setup {
        store: Some(Box::new(move |_| store)),
        more_products: &["globex"],
        ..setup
    })
    .await
}

fn name(session: &str) -> String {
    format!("autoplay:session_state:{session}")
}

/// What is mirrored of a session; `null` when nothing is.
fn copy(server: &OwnServer, session: &str) -> Value {
    let text = server.say(&["get", &name(session)]);
    serde_json::from_str(&text).unwrap_or_default()
}

/// The copy of a session once `holds` is true of it.
async fn copied(server: &OwnServer, session: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the copy of {session}"), || async {
        let copy = copy(server, session);
        if holds(&copy) { Ok(copy) } else { Err(copy) }
    })
    .await
}

fn is_of(product: &'static str, version: u64) -> impl Fn(&Value) -> bool {
    move |copy| copy["metadata"] == json!({"product_id": product, "version": version})
}

fn written(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.mirror_writes.with_label_values(&[outcome]).get()
}

async fn click_in(service: &Service, product: &str, session: &str, label: &str) {
    let request = service
        .client
        .post(format!("{}/webhook/{product}", service.url));
    let request = request.header("x-posthog-secret", SECRET);
    let request = request.body(click(session, "u1", label).to_string());
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

/// A state as some instance has committed it.
struct Committed {
    key: Key,
    state: Session,
    version: u64,
}

impl Committed {
    /// The newest one.
    async fn read(service: &Service, session: &str) -> Self {
        let key = Key::session(&"acme".into(), &session.into());
        let stored = service.store.load(&key).await.expect("readable");
        let stored = stored.expect("it was committed");
        Self {
            state: Session::decode(&stored.state, &stored.settled).expect("a session"),
            version: stored.version,
            key,
        }
    }

    fn note(&self, mirror: &Mirror) {
        let written = Written {
            state: &self.state,
            version: self.version,
            effects: &Effects::default(),
        };
        mirror.note(&self.key, &written);
    }
}

/// What another instance has for copies, before it gets to write them.
fn slow_mirror(service: &Service, metrics: &Metrics, limits: Limits) -> Mirror {
    mirror_by(&Clock::system(), service, metrics, limits)
}

fn mirror_by(clock: &Clock, service: &Service, metrics: &Metrics, limits: Limits) -> Mirror {
    let states = service.store.session_states();
    Mirror::new(
        states.expect("a place for copies"),
        Arc::clone(&service.store),
        clock.clone(),
        metrics.clone(),
        limits,
    )
}

const ROOM: Limits = Limits {
    pending_max: 10,
    known_max: 10,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_mirrored_for_a_day_from_each_change_on() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    let clock = Clock::system();
    let began_s = clock.host_monotonic_s() - 1.0;
    service.click("s1", "u1", "Save").await;
    let first = copied(&server, "s1", is_of("acme", 1)).await;
    assert_eq!(first["_v"], 1);
    assert_eq!(first["session_id"], "s1");
    assert_eq!(first["current_state"], "thinking");
    assert_eq!(first["conversation_linked"], false);
    let at_s = first["last_interaction_at"].as_f64().expect("a time");
    assert!(
        (began_s..=clock.host_monotonic_s() + 1.0).contains(&at_s),
        "{at_s}"
    );
    assert_eq!(first["thinking"]["cooldown_started_at"], 0.0);

    assert_eq!(server.say(&["expire", &name("s1"), "100"]).trim(), "1");
    service.chat("c1", "u1", "").await;
    let linked = copied(&server, "s1", |copy| copy["conversation_id"] == "c1").await;
    assert_eq!(linked["current_state"], "reactive_assistance");
    let left_s: u64 = server
        .say(&["ttl", &name("s1")])
        .trim()
        .parse()
        .expect("seconds");
    assert!((86_300..=86_400).contains(&left_s), "{left_s}");
    let shown = service.show("s1").await;
    assert_eq!(
        linked["interaction_timeout_s"],
        shown["state"]["interaction_timeout_s"]
    );
    assert_eq!(
        written(&service.metrics, "failed") + written(&service.metrics, "dropped"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_without_a_session_are_not_mirrored() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    let mut event = click("", "u1", "Save");
    event["session_id"] = Value::Null;
    assert_eq!(service.post("/webhook/acme", &event).await.status(), 200);
    service.click("s1", "u1", "Save").await;
    copied(&server, "s1", is_of("acme", 1)).await;
    assert_eq!(server.say(&["keys", "autoplay:*"]).trim(), name("s1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_the_newest_state_behind() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    for session in ["s1", "s2", "s3"] {
        service.click(session, session, "Save").await;
    }
    for session in ["s1", "s2", "s3"] {
        let conversation = format!("c-{session}");
        assert_eq!(service.chat(&conversation, session, "").await.status(), 200);
    }
    service.stop().await;
    for session in ["s1", "s2", "s3"] {
        let copy = copy(&server, session);
        assert_eq!(copy["conversation_id"], format!("c-{session}"), "{copy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_leaves_the_state_as_it_was_copied_writes_nothing() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    service.click("s1", "u1", "One").await;
    copied(&server, "s1", is_of("acme", 1)).await;
    reads("it is written", 1, || written(&service.metrics, "written")).await;
    for label in ["Two", "Three"] {
        service.click("s1", "u1", label).await;
    }
    service.click("s2", "u1", "One").await;
    copied(&server, "s2", is_of("acme", 1)).await;
    reads("as often as needed", 2, || {
        written(&service.metrics, "written")
    })
    .await;
    assert!(is_of("acme", 1)(&copy(&server, "s1")));
    // Unless another instance may have changed it meanwhile.
    let sibling = service.sibling(Arc::new(server.store("shared"))).await;
    let request = service.client.post(format!("{}/webhook/acme", sibling.url));
    let request = request.header("x-posthog-secret", SECRET);
    let request = request.body(click("s2", "u1", "Two").to_string());
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    copied(&server, "s2", is_of("acme", 2)).await;
    service.click("s2", "u1", "Three").await;
    copied(&server, "s2", is_of("acme", 3)).await;
    sibling.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_renewed_and_a_forgotten_one_written_again() {
    let server = OwnServer::start(&SAFE);
    let service = service_with(&server, "false").await;
    let (clock, hand) = Clock::manual(1_700_000_000.0);
    let metrics = Metrics::new();
    let limits = Limits {
        known_max: 1,
        ..ROOM
    };
    let mirror = mirror_by(&clock, &service, &metrics, limits);
    let copy_after_a_click = async |session: &str, label: &str| {
        service.click(session, "u1", label).await;
        Committed::read(&service, session).await.note(&mirror);
        mirror.flush().await;
        written(&metrics, "written")
    };
    assert_eq!(copy_after_a_click("s1", "One").await, 1);
    hand.advance(Duration::from_secs(3599));
    assert_eq!(copy_after_a_click("s1", "Two").await, 1);
    hand.advance(Duration::from_secs(1));
    assert_eq!(copy_after_a_click("s1", "Three").await, 2);
    assert!(is_of("acme", 3)(&copy(&server, "s1")));
    assert_eq!(copy_after_a_click("s1", "Four").await, 2);
    // There is room for one.
    assert_eq!(copy_after_a_click("s2", "One").await, 3);
    assert_eq!(copy_after_a_click("s1", "Five").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_fails_no_commit_and_is_made_up_for_by_the_next() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    let allow = |keys: &str| {
        let told = server.say(&["acl", "setuser", "default", "resetkeys", keys]);
        assert_eq!(told.trim(), "OK");
    };
    allow("~shared:*");
    service.click("s1", "u1", "Save").await;
    reads("a write has failed", 1, || {
        written(&service.metrics, "failed")
    })
    .await;
    assert_eq!(service.get("/readyz").await.status(), 200);
    allow("~*");
    assert_eq!(copy(&server, "s1"), Value::Null);
    service.click("s1", "u1", "Close").await;
    copied(&server, "s1", is_of("acme", 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_bounded_and_a_newer_state_takes_the_place_of_an_older() {
    let server = OwnServer::start(&SAFE);
    let service = service_with(&server, "false").await;
    let metrics = Metrics::new();
    let limits = Limits {
        pending_max: 2,
        ..ROOM
    };
    let slow = slow_mirror(&service, &metrics, limits);
    for session in ["s1", "s2", "s3", "s1"] {
        service
            .click(session, "u1", &written(&metrics, "dropped").to_string())
            .await;
        Committed::read(&service, session).await.note(&slow);
    }
    assert_eq!(server.say(&["keys", "autoplay:*"]).trim(), "");
    slow.flush().await;
    assert_eq!(
        (written(&metrics, "written"), written(&metrics, "dropped")),
        (2, 1)
    );
    assert!(is_of("acme", 2)(&copy(&server, "s1")));
    assert!(is_of("acme", 1)(&copy(&server, "s2")));
    assert_eq!(copy(&server, "s3"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_comes_too_late_gives_way_to_the_newest_state() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    service.click("s1", "u1", "Save").await;
    let metrics = Metrics::new();
    let slow = slow_mirror(&service, &metrics, ROOM);
    Committed::read(&service, "s1").await.note(&slow);
    service.chat("c1", "u1", "").await;
    let newest = copied(&server, "s1", |copy| copy["conversation_id"] == "c1").await;
    slow.flush().await;
    let after = copy(&server, "s1");
    assert_eq!(after["conversation_id"], "c1");
    assert!(after["metadata"]["version"].as_u64() >= newest["metadata"]["version"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_two_products_has_the_key_and_that_is_counted() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    let takeovers = || service.metrics.mirror_takeovers.get();
    click_in(&service, "acme", "s1", "One").await;
    copied(&server, "s1", is_of("acme", 1)).await;
    assert_eq!(takeovers(), 0);
    click_in(&service, "globex", "s1", "One").await;
    copied(&server, "s1", is_of("globex", 1)).await;
    reads("it is counted", 1, takeovers).await;
    service.chat("c1", "u1", "").await;
    copied(&server, "s1", |copy| copy["conversation_id"] == "c1").await;
    reads("it is counted again", 2, takeovers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_not_in_the_mirror_either() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    service.click("s1", "u1", "Hers").await;
    service.click("s2", "u1", "Hers too").await;
    service.click("s3", "u2", "His").await;
    for session in ["s1", "s2", "s3"] {
        copied(&server, session, is_of("acme", 1)).await;
    }
    // The last to write under this identifier was another product.
    click_in(&service, "globex", "s2", "Theirs").await;
    copied(&server, "s2", is_of("globex", 1)).await;
    let metrics = Metrics::new();
    let slow = slow_mirror(&service, &metrics, ROOM);
    for session in ["s1", "s2"] {
        Committed::read(&service, session).await.note(&slow);
    }

    let answer = service.delete("/users/acme/u1").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(json_of(answer).await["erased"]["session"], 2);
    assert_eq!(copy(&server, "s1"), Value::Null);
    assert!(is_of("globex", 1)(&copy(&server, "s2")));
    assert!(is_of("acme", 1)(&copy(&server, "s3")));

    // Another instance still had copies to write, from before.
    slow.flush().await;
    for session in ["s1", "s2"] {
        assert_eq!(copy(&server, session), Value::Null, "{session}");
    }
    let left = server.say(&["keys", "autoplay:*"]);
    assert_eq!(left.trim(), name("s3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_programs_left_there_is_written_over() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    for (session, left) in [("s1", "{\"_v\": 2}"), ("s2", "no JSON"), ("s3", "")] {
        server.say(&["set", &name(session), left]);
        service.click(session, "u1", session).await;
        copied(&server, session, is_of("acme", 1)).await;
    }
    assert_eq!(service.metrics.mirror_takeovers.get(), 0);
    server.say(&["set", &name("s1"), "\u{fffd} no JSON"]);
    assert_eq!(service.delete("/users/acme/u1").await.status(), 200);
    assert_eq!(server.say(&["keys", "autoplay:*"]).trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_find_their_node_of_a_cluster() {
    let states = Servers::cluster().store("mirror").session_states();
    let states = states.expect("a place for copies");
    for session in ["s1", "s{1}", "}s{", "s 2"] {
        assert_eq!(states.put(session, "one").await.expect("written"), None);
        let replaced = states.put(session, "two").await.expect("written");
        assert_eq!(replaced.as_deref(), Some(&b"one"[..]));
        assert!(!states.remove(session, b"one").await.expect("an answer"));
        assert_eq!(
            states.get(session).await.expect("read").as_deref(),
            Some(&b"two"[..])
        );
        assert!(states.remove(session, b"two").await.expect("an answer"));
        assert_eq!(states.get(session).await.expect("read"), None);
    }
}
