//! What comes in while Redis is away is kept on the instance's own disk, and told once Redis is back.

mod away;
mod cut;
mod file;

use std::path::Path;
use std::sync::Arc;

use event_connector::metrics::Metrics;
use event_connector::spool::{Options, Spool};
use event_connector::store::Store;
use event_connector::store::redis::Redis;
use event_connector::tasks::Tasks;
use serde_json::Value;
use tempfile::TempDir;

use crate::redis::{OwnServer, SAFE};
use crate::support::{SECRET, Service, Setup, Stream, click, eventually, json_of};

/// Room for more than any of these tests sends.
const ROOM_BYTES: u64 = 1 << 20;

/// A spool in this folder; the one before may still be letting go of its file.
async fn spool_in(folder: &Path, bytes_max: u64) -> Spool {
    let options = Options {
        path: folder.join("spool.db"),
        bytes_max,
        queue_max: 4096,
        group_max: 512,
    };
    eventually("the spool opens", || async {
        Spool::open(&options, &|name, work| Tasks::thread(name, work)).map_err(|e| e.to_string())
    })
    .await
}

/// A service on a Redis, with a spool.
async fn service_with(store: Redis, spool: Spool) -> Service {
    let setup = Setup::with("CONNECTOR__STORE__BACKEND", "redis")
        .and("REDIS_URL", "redis://it.is.opened.already:1")
        .and("CONNECTOR__SPOOL__BYTES_MAX", &ROOM_BYTES.to_string());
    Service::with(Setup {
        store: Some(Box::new(move |_| Arc::new(store) as Arc<dyn Store>)),
        spool: Some(spool),
        ..setup
    })
    .await
}

/// A service with a spool and the server that its store is on.
async fn stage() -> (OwnServer, TempDir, Service) {
    let server = OwnServer::start(&SAFE);
    let folder = tempfile::tempdir().expect("a directory");
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    let service = service_with(server.store("shared"), spool).await;
    (server, folder, service)
}

/// Posts one click and answers the status and what was said.
async fn post(service: &Service, url: &str, session: &str, number: usize) -> (u16, Value) {
    let request = service.client.post(format!("{url}/webhook/acme"));
    let request = request.header("x-posthog-secret", SECRET);
    let label = format!("Button {number}");
    let request = request.body(click(session, "u1", &label).to_string());
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), json_of(answer).await)
}

/// Posts clicks that must all be taken in; answers how many of them were spooled.
async fn post_all(service: &Service, url: &str, numbers: std::ops::Range<usize>) -> u64 {
    let mut spooled = 0;
    for number in numbers {
        let (status, told) = post(service, url, "s1", number).await;
        assert_eq!(status, 200, "{told}");
        spooled += told["spooled"].as_u64().unwrap_or_default();
    }
    spooled
}

/// The feed of a product from its beginning.
async fn listen(service: &Service, url: &str) -> Stream {
    let request = service.client.get(format!("{url}/stream/acme?since=0-0"));
    Stream::new(request.bearer_auth(SECRET).send().await.expect("an answer"))
}

/// Its first actions.
async fn feed(service: &Service, url: &str, count: usize) -> Vec<String> {
    listen(service, url).await.next_actions(count).await
}

fn lines(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let line = |number| format!("User clicked Button {number} on the team page");
    numbers.into_iter().map(line).collect()
}

fn shares(metrics: &Metrics, outcome: &str) -> u64 {
    metrics.spool_shares.with_label_values(&[outcome]).get()
}

async fn until_empty(service: &Service, url: &str) {
    eventually("the spool is empty and the store is there", || async {
        let ready = service.client.get(format!("{url}/readyz")).send().await;
        let told = json_of(ready.expect("an answer")).await;
        match told["spool"]["entries"] == 0 && told["warnings"].is_null() {
            true => Ok(()),
            false => Err(told),
        }
    })
    .await;
}
