//! Several instances on one Redis behave as one, and say how safe it is.

use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::metrics::Metrics;
use event_connector::store::Store;
use event_connector::store::redis::{Options, Redis};
use serde_json::{Value, json};

use crate::offers::offering;
use crate::redis::{OwnServer, SAFE, free_ports};
use crate::support::{SECRET, Service, Setup, Stream, click, eventually, json_of};

/// A service whose store is on this server.
async fn service_on(server: &OwnServer) -> Service {
    service_of(server, Setup::default()).await
}

/// The same, of another product.
pub(crate) async fn service_of(server: &OwnServer, setup: Setup) -> Service {
    let store: Arc<dyn Store> = Arc::new(server.store("shared"));
    let setup = setup.and("CONNECTOR__STORE__BACKEND", "redis");
    let setup = setup.and("REDIS_URL", &server.url());
    Service::with(Setup {
        store: Some(Box::new(move |_| store)),
        ..setup
    })
    .await
}

pub(crate) async fn post(service: &Service, url: &str, session: &str, label: &str) -> u16 {
    let request = service.client.post(format!("{url}/webhook/acme"));
    let request = request.header("x-posthog-secret", SECRET);
    let request = request.body(click(session, "u1", label).to_string());
    request.send().await.expect("an answer").status().as_u16()
}

async fn listen(service: &Service, url: &str) -> Stream {
    let request = service.client.get(format!("{url}/stream/acme?since=0-0"));
    Stream::new(request.bearer_auth(SECRET).send().await.expect("an answer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_be_served_by_any_instance() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    let mut feeds = [
        listen(&first, &first.url).await,
        listen(&first, &second.url).await,
    ];
    let urls = [&first.url, &second.url];
    for number in 0..20 {
        let url = urls[number % 2];
        assert_eq!(
            post(&first, url, "s1", &format!("Button {number}")).await,
            200
        );
    }
    // The link is made on one of them, and the pause ends on whichever holds the session then.
    assert_eq!(first.chat("c1", "u1", "").await.status(), 200);
    first.notes("c1", |notes| notes.len() == 1).await;
    for number in 20..40 {
        let url = urls[number % 2];
        assert_eq!(
            post(&first, url, "s1", &format!("Button {number}")).await,
            200
        );
    }
    let all = |notes: &[String]| notes.concat().matches("User clicked").count() == 40;
    let notes = first.notes("c1", all).await.concat();
    for number in 0..40 {
        let line = format!("User clicked Button {number} on");
        assert_eq!(notes.matches(&line).count(), 1, "{line}: {notes}");
    }
    let mut told = Vec::new();
    for feed in &mut feeds {
        told.push(feed.next_actions(40).await);
    }
    assert_eq!(told[0], told[1]);
    let expected: Vec<_> = (0..40)
        .map(|number| format!("User clicked Button {number} on the team page"))
        .collect();
    assert_eq!(told[0], expected);
    let conflicts = |metrics: &Metrics| metrics.commits.with_label_values(&["conflict"]).get();
    assert!(conflicts(&first.metrics) + conflicts(&second.metrics) > 0);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_to_another_instance_is_recognised() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    for url in [&first.url, &second.url, &first.url] {
        assert_eq!(post(&first, url, "s1", "Save").await, 200);
    }
    assert_eq!(post(&first, &second.url, "s1", "Close").await, 200);
    let told = listen(&first, &first.url).await.next_actions(2).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("Close"), "{told:?}");
}

/// Asks eight times at once for each of these sessions, in turn on either instance; the offers that were answered.
async fn offered(client: &reqwest::Client, urls: [&str; 2], sessions: &[&str]) -> Vec<Value> {
    let polls = sessions.iter().flat_map(|session| {
        (0..8).map(move |number| format!("{}/context/acme/{session}", urls[number % 2]))
    });
    let polls = polls.map(|url| async { client.get(url).send().await.expect("an answer") });
    let mut offered = Vec::new();
    for answer in futures_util::future::join_all(polls).await {
        assert_eq!(answer.status(), 200);
        let polled = json_of(answer).await;
        if polled["proactive_trigger"].is_object() {
            offered.push(polled);
        }
    }
    offered
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_ask_two_instances_at_once_get_one_offer_and_no_more_than_the_product_may_make()
{
    let server = OwnServer::start(&SAFE);
    let setup = Setup {
        integration_type: "event_stream",
        integration: offering(json!({})),
        ..Setup::with("CONNECTOR__PROACTIVE__PRODUCT_MINUTE_MAX", "3")
    };
    let first = service_of(&server, setup).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    let urls = [&*first.url, &*second.url];
    let sessions = ["s1", "s2", "s3", "s4", "s5", "s6"];
    for (number, session) in sessions.iter().enumerate() {
        let status = post(&first, urls[number % 2], session, "Get help").await;
        assert_eq!(status, 200);
    }
    let clock = Clock::system();
    let minute = || (clock.now_s() / 60.0).floor();
    let began = minute();
    let one = offered(&first.client, urls, &sessions[..1]).await;
    assert_eq!(one.len(), 1, "{one:?}");
    let rest = offered(&first.client, urls, &sessions[1..]).await;
    // A minute may end meanwhile, and then there is another three.
    let most = if minute() > began { 5 } else { 2 };
    assert!((2..=most).contains(&rest.len()), "{rest:?}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_has_acknowledged_outlives_its_end() {
    let mut server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    for number in 0..10 {
        assert_eq!(
            post(&service, &service.url, "s1", &format!("Button {number}")).await,
            200
        );
    }
    server.kill();
    for _ in 0..20 {
        assert_eq!(post(&service, &service.url, "s1", "Lost").await, 503);
    }
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert_eq!(json_of(ready).await["code"], "store_unavailable");
    let health = json_of(service.get("/health").await).await;
    assert_eq!(health["redis"], "degraded");
    server.resume();
    eventually("it is ready again", || async {
        match service.get("/readyz").await.status().as_u16() {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    // Whichever connection has its turn.
    for number in 10..30 {
        let label = format!("Button {number}");
        assert_eq!(post(&service, &service.url, "s1", &label).await, 200);
    }
    // It may also come back before anybody has noticed.
    server.kill();
    server.resume();
    for number in 30..50 {
        let label = format!("Button {number}");
        assert_eq!(post(&service, &service.url, "s1", &label).await, 200);
    }
    let told = listen(&service, &service.url).await.next_actions(50).await;
    let expected: Vec<_> = (0..50)
        .map(|number| format!("User clicked Button {number} on the team page"))
        .collect();
    assert_eq!(told, expected);
    eventually("Redis is well", || async {
        let health = json_of(service.get("/health").await).await;
        match health["redis"] == "ok" {
            true => Ok(()),
            false => Err(health),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_scripts_are_sent_again() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    assert_eq!(post(&service, &service.url, "s1", "One").await, 200);
    assert_eq!(server.say(&["script", "flush"]).trim(), "OK");
    assert_eq!(post(&service, &service.url, "s1", "Two").await, 200);
    let told = listen(&service, &service.url).await.next_actions(2).await;
    assert_eq!(told.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_refused_and_recovers() {
    let server = OwnServer::start(&SAFE);
    let service = service_on(&server).await;
    assert_eq!(post(&service, &service.url, "s1", "One").await, 200);
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "1"]).trim(),
        "OK"
    );
    let request = service.client.post(format!("{}/webhook/acme", service.url));
    let request = request.header("x-posthog-secret", SECRET);
    let request = request.body(click("s1", "u1", "Two").to_string());
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(json_of(refused).await["code"], "store_full");
    let ready = service.get("/readyz").await;
    let told = json_of(ready).await;
    assert_eq!(told["code"], "store_full", "{told}");
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "0"]).trim(),
        "OK"
    );
    assert_eq!(post(&service, &service.url, "s1", "Two").await, 200);
    let told = listen(&service, &service.url).await.next_actions(2).await;
    assert!(told[1].contains("Two"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_become_a_replica_is_left_for_the_one_in_its_place() {
    let ports = free_ports(2);
    let old = OwnServer::start(&[&SAFE[..], &["--port", &ports[0]]].concat());
    let new = OwnServer::start(&[&SAFE[..], &["--port", &ports[1]]].concat());
    let follow = |server: &OwnServer, port: &str| {
        assert_eq!(server.say(&["replicaof", "127.0.0.1", port]).trim(), "OK");
    };
    let service = service_on(&old).await;
    assert_eq!(post(&service, &service.url, "s1", "One").await, 200);
    follow(&new, &ports[0]);
    eventually("the new one has everything", || async {
        let info = new.say(&["info", "replication"]);
        match info.contains("master_link_status:up") {
            true => Ok(()),
            false => Err(info),
        }
    })
    .await;
    assert_eq!(new.say(&["replicaof", "no", "one"]).trim(), "OK");
    // The old one is still there, keeps its connections and takes no writes.
    follow(&old, &ports[1]);
    new.take_the_place_of(&old);
    eventually("commits succeed again", || async {
        match post(&service, &service.url, "s1", "Two").await {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let told = listen(&service, &service.url).await.next_actions(2).await;
    assert!(
        told[0].contains("One") && told[1].contains("Two"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_too_few_replicas_have() {
    let ports = free_ports(2);
    let main = OwnServer::start(&[&SAFE[..], &["--port", &ports[0]]].concat());
    let options = ["--port", &ports[1], "--replicaof", "127.0.0.1", &ports[0]];
    let mut replica = OwnServer::start(&options);
    let store = Options {
        wait_replicas: 1,
        timeout: Duration::from_secs(1),
        ..Options::new(main.url().into())
    };
    let store: Arc<dyn Store> = Arc::new(Redis::new(&store).expect("an address"));
    let service = Service::with(Setup {
        store: Some(Box::new(move |_| store)),
        ..Setup::default()
    })
    .await;
    let commits = async |label: &str| {
        eventually("a replica has it", || async {
            match post(&service, &service.url, "s1", label).await {
                200 => Ok(()),
                other => Err(other),
            }
        })
        .await;
    };
    commits("One").await;
    replica.kill();
    assert_eq!(post(&service, &service.url, "s1", "Two").await, 503);
    replica.resume();
    commits("Two").await;
    commits("Three").await;
    let told = listen(&service, &service.url).await.next_actions(3).await;
    for (line, label) in told.iter().zip(["One", "Two", "Three"]) {
        assert!(line.contains(label), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_may_lose_something_are_named() {
    let warnings = async |options: &[&str]| {
        let server = OwnServer::start(options);
        let service = service_on(&server).await;
        let ready = service.get("/readyz").await;
        assert_eq!(ready.status(), 200);
        let told = json_of(ready).await;
        // One that is not of Redis: this service has no spool.
        let warnings = told["warnings"].as_array().cloned().unwrap_or_default();
        let of_redis = warnings.iter().filter_map(Value::as_str);
        let of_redis = of_redis.filter(|warning| !warning.contains("spool"));
        of_redis.collect::<Vec<_>>().concat()
    };
    assert_eq!(warnings(&SAFE).await, "");
    assert!(
        warnings(&["--appendonly", "no"])
            .await
            .contains("appendonly yes")
    );
    let everysec = warnings(&["--appendonly", "yes"]).await;
    assert!(everysec.contains("about a second"), "{everysec}");
    let evicting = warnings(&[&SAFE[..], &["--maxmemory-policy", "allkeys-lru"]].concat()).await;
    assert!(evicting.contains("evicts by allkeys-lru"), "{evicting}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_on_one_instance_is_not_told_by_another() {
    let server = OwnServer::start(&SAFE);
    let first = service_on(&server).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    assert_eq!(post(&first, &first.url, "s1", "Hers").await, 200);
    // The other one has it in memory for its subscribers.
    let mut listening = listen(&first, &second.url).await;
    assert_eq!(listening.next_actions(1).await.len(), 1);
    // A busy disk may take longer than the answer waits.
    eventually("it is erased", || async {
        match first.delete("/users/acme/u1").await.status().as_u16() {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    eventually("nobody tells it any more", || async {
        let request = click("s2", "u2", "His").to_string();
        let posted = first.client.post(format!("{}/webhook/acme", first.url));
        let posted = posted.header("x-posthog-secret", SECRET).body(request);
        assert_eq!(posted.send().await.expect("an answer").status(), 200);
        let told = listen(&first, &second.url).await.next_actions(1).await;
        match told[0].contains("His") {
            true => Ok(()),
            false => Err(told),
        }
    })
    .await;
}
