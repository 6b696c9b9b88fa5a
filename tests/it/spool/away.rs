//! Redis is away for every instance.

use std::sync::Arc;

use event_connector::store::Store;
use serde_json::json;

use super::{
    ROOM_BYTES, feed, lines, listen, post, post_all, service_with, shares, spool_in, stage,
    until_empty,
};
use crate::redis::{OwnServer, SAFE};
use crate::support::{Service, Setup, json_of};

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_while_redis_is_away_is_told_in_order_once_it_is_back() {
    let (mut server, _folder, service) = stage().await;
    let url = service.url.clone();
    assert_eq!(post_all(&service, &url, 0..3).await, 0);
    let mut listening = listen(&service, &url).await;
    assert_eq!(listening.next_actions(3).await, lines(0..3));
    server.kill();
    assert_eq!(post_all(&service, &url, 3..10).await, 7);
    // A provider repeats what it was told of, and what it was not.
    assert_eq!(post_all(&service, &url, 2..5).await, 3);
    assert_eq!(service.chat("c1", "u1", "").await.status(), 503);
    assert_eq!(service.get("/sessions/acme/s1").await.status(), 503);
    let answer = service.delete("/users/acme/u1").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(json_of(answer).await["code"], "spool_in_use");
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status(), 200);
    let told = json_of(ready).await;
    assert_eq!(told["spool"]["entries"], 10, "{told}");
    let warnings = told["warnings"].to_string();
    for said in ["the store is unavailable: ", "kept in the spool"] {
        assert!(warnings.contains(said), "{told}");
    }
    let metrics = service.get("/metrics").await.text().await.expect("text");
    assert!(
        metrics.contains("connector_spool_entries 10\n"),
        "{metrics}"
    );
    assert!(!metrics.contains("connector_spool_bytes 0\n"), "{metrics}");
    server.resume();
    until_empty(&service, &url).await;
    assert_eq!(post_all(&service, &url, 10..12).await, 0);
    // The stream was open all the time, and has missed nothing.
    assert_eq!(listening.next_actions(9).await, lines(3..12));
    assert_eq!(feed(&service, &url, 12).await, lines(0..12));
    assert_eq!(shares(&service.metrics, "kept"), 10);
    assert_eq!(shares(&service.metrics, "fed"), 10);
    let events = |outcome| {
        let labels = ["acme", "posthog", outcome];
        service.metrics.events.with_label_values(&labels).get()
    };
    assert_eq!((events("action"), events("dropped")), (12, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_activity_in_before_redis_is_there() {
    let mut server = OwnServer::start(&SAFE);
    server.kill();
    let folder = tempfile::tempdir().expect("a directory");
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    let service = service_with(server.store("shared"), spool).await;
    let url = service.url.clone();
    assert_eq!(post_all(&service, &url, 0..5).await, 5);
    server.resume();
    until_empty(&service, &url).await;
    assert_eq!(feed(&service, &url, 5).await, lines(0..5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spooled_outlives_the_service() {
    let (mut server, folder, service) = stage().await;
    let url = service.url.clone();
    assert_eq!(post_all(&service, &url, 0..2).await, 0);
    server.kill();
    assert_eq!(post_all(&service, &url, 2..6).await, 4);
    service.stop().await;
    let files = std::fs::read_dir(folder.path()).expect("readable");
    for file in files {
        use std::os::unix::fs::PermissionsExt;
        let file = file.expect("readable");
        let mode = file.metadata().expect("readable").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    assert_eq!(spool.depth().entries, 4);
    let next = service
        .sibling_with(Arc::new(server.store("shared")), Some(spool))
        .await;
    // What comes in now goes behind it.
    assert_eq!(post_all(&service, &next.url, 6..8).await, 2);
    server.resume();
    until_empty(&service, &next.url).await;
    assert_eq!(feed(&service, &next.url, 8).await, lines(0..8));
    next.stop().await;
    // Nothing of it is left on the disk.
    let bytes = std::fs::read(folder.path().join("spool.db")).expect("readable");
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        !text.contains("Button"),
        "the spool still holds what has left it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_refuses_and_keeps_what_it_has() {
    let mut server = OwnServer::start(&SAFE);
    let folder = tempfile::tempdir().expect("a directory");
    let spool = spool_in(folder.path(), 2_000).await;
    let service = service_with(server.store("shared"), spool).await;
    let url = service.url.clone();
    server.kill();
    let mut taken = 0;
    let refused = loop {
        let (status, told) = post(&service, &url, "s1", taken).await;
        if status != 200 {
            break (status, told);
        }
        taken += 1;
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert_eq!(refused.1["code"], "spool_full");
    assert!((1..10).contains(&taken), "{taken}");
    assert_eq!(shares(&service.metrics, "refused"), 1);
    server.resume();
    until_empty(&service, &url).await;
    assert_eq!(feed(&service, &url, taken).await, lines(0..taken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_is_waited_for() {
    let (server, _folder, service) = stage().await;
    let url = service.url.clone();
    assert_eq!(post_all(&service, &url, 0..2).await, 0);
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "1"]).trim(),
        "OK"
    );
    assert_eq!(post_all(&service, &url, 2..5).await, 3);
    assert_eq!(
        server.say(&["config", "set", "maxmemory", "0"]).trim(),
        "OK"
    );
    until_empty(&service, &url).await;
    assert_eq!(feed(&service, &url, 5).await, lines(0..5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_take_its_share_stops_nobody_else() {
    let (mut server, _folder, service) = stage().await;
    let url = service.url.clone();
    for session in ["bad", "good"] {
        assert_eq!(post(&service, &url, session, 1).await.0, 200);
    }
    // What is stored of one of them becomes unfit for anything.
    let keys = server.say(&["keys", "shared*state:*bad"]);
    let key = keys.lines().next().expect("it is stored").to_owned();
    assert_eq!(server.say(&["set", &key, "of another type"]).trim(), "OK");
    server.kill();
    for session in ["bad", "good", "bad", "good"] {
        let (status, told) = post(&service, &url, session, 2).await;
        assert_eq!((status, &told["spooled"]), (200, &json!(1)), "{told}");
    }
    server.resume();
    let told = feed(&service, &url, 3).await;
    assert_eq!(told, lines([1, 1, 2]));
    until_empty(&service, &url).await;
    let outcomes = ["fed", "parked"].map(|outcome| shares(&service.metrics, outcome));
    assert_eq!(outcomes, [2, 2]);
    assert_eq!(server.say(&["del", &key]).trim(), "1");
    assert_eq!(service.delete("/users/acme/u1").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spool_activity_is_refused_and_readiness_says_so() {
    let mut server = OwnServer::start(&SAFE);
    let store = server.store("shared");
    let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis").and("REDIS_URL", &server.url());
    let service = Service::with(Setup {
        store: Some(Box::new(move |_| Arc::new(store) as Arc<dyn Store>)),
        ..setup
    })
    .await;
    let ready = json_of(service.get("/readyz").await).await;
    assert_eq!(
        ready["warnings"],
        json!(["there is no spool; while the store is away activity is refused"])
    );
    server.kill();
    let (status, told) = post(&service, &service.url, "s1", 1).await;
    assert_eq!((status, &told["code"]), (503, &json!("store_unavailable")));
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let told = json_of(ready).await["detail"].to_string();
    assert!(told.contains("the store is unavailable: "), "{told}");
}
