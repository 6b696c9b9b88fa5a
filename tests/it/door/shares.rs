//! What one product takes, others still have.

use std::sync::Arc;

use event_connector::store::sqlite::{Options, Sqlite};
use event_connector::store::{Commit, Store};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::raw::Raw;
use crate::around::Around;
use crate::support::{SECRET, Service, Setup, click, eventually, json_of, reads};

/// A service whose commits for the product `noisy` wait until the semaphore is closed.
pub(super) async fn stalling(setup: Setup) -> (Service, Arc<Semaphore>) {
    watched(setup, |_| {}).await
}

/// The same; `look` sees each of these commits when it begins to wait.
pub(super) async fn watched(
    setup: Setup,
    look: impl Fn(&Commit) + Send + Sync + 'static,
) -> (Service, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&gate);
    let setup = Setup {
        more_products: &["noisy", "loud"],
        store: Some(Box::new(move |path| {
            let spawn = |name: &str, work| Tasks::thread(name, work);
            let store = Sqlite::open(Options::new(path), &spawn).expect("a store");
            let store: Arc<dyn Store> = Arc::new(store);
            Arc::new(Around::new(store, move |store, commit| {
                let gate = Arc::clone(&own);
                let is_theirs = commit.product.as_str() != "acme";
                if is_theirs {
                    look(&commit);
                }
                async move {
                    if is_theirs {
                        let _ = gate.acquire().await;
                    }
                    store.commit(commit).await
                }
            }))
        })),
        ..setup
    };
    (Service::with(setup).await, gate)
}

pub(super) async fn held(service: &Service, count: i64) {
    let gauge = &service.metrics.ingest_requests_held;
    reads("the requests under way", count, || gauge.get()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_that_flood_do_not_make_another_fail() {
    let setup = Setup::with("CONNECTOR__HTTP__INGEST_REQUESTS_MAX", "10")
        .and("CONNECTOR__HTTP__INGEST_WAIT_MS", "0")
        .and("CONNECTOR__HTTP__PRODUCT_SHARE_PERCENT", "50");
    let (service, gate) = stalling(setup).await;
    let flood = async |product: &'static str| {
        let posts = (0..30).map(|number| {
            let body = click(&format!("s{number}"), "u", "Save");
            let service = &service;
            async move { service.post(&format!("/webhook/{product}"), &body).await }
        });
        join_all(posts).await
    };
    let watch = async {
        // Of ten, one takes five and another what is then half of the rest.
        held(&service, 7).await;
        for number in 0..40 {
            let session = format!("calm-{number}");
            service.click(&session, "u1", "Save").await;
        }
        assert_eq!(service.get("/readyz").await.status(), 200);
        assert_eq!(service.get("/metrics").await.status(), 200);
        assert_eq!(service.chat("c1", "u1", "").await.status(), 200);
        gate.close();
    };
    let both = async {
        let noisy = async {
            let first = flood("noisy");
            let second = async {
                held(&service, 5).await;
                flood("loud").await
            };
            tokio::join!(first, second)
        };
        tokio::join!(noisy, watch).0
    };
    let (noisy, loud) = both.await;
    for (answers, taken) in [(noisy, 5), (loud, 2)] {
        let (fine, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|one| one.status() == 200);
        assert_eq!(fine.len(), taken, "what was taken is kept");
        for answer in refused {
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            assert_eq!(json_of(answer).await["code"], "ingest_overloaded");
        }
    }
    for (product, refused) in [("noisy", 25), ("loud", 28), ("acme", 0)] {
        let counter = &service.metrics.share_exhausted;
        let counter = counter.with_label_values(&[product, "requests"]);
        assert_eq!(counter.get(), refused, "{product}");
    }
    held(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_arrive_at_once_are_bounded_for_each_product() {
    let setup = Setup::with("CONNECTOR__HTTP__BODIES_BYTES_MAX", "100000")
        .and("CONNECTOR__HTTP__PRODUCT_SHARE_PERCENT", "50");
    let (service, _gate) = stalling(setup).await;
    let mut slow = Vec::new();
    let gauge = &service.metrics.bodies_bytes;
    for number in 1..=5 {
        let mut client = Raw::connect(&service).await;
        client.begin("/webhook/noisy", 20_000).await;
        client.send(" ".repeat(10_000)).await;
        eventually("it is read", || async {
            if gauge.get() == number * 10_000 {
                Ok(())
            } else {
                Err(gauge.get())
            }
        })
        .await;
        slow.push(client);
    }
    let mut refused = Raw::connect(&service).await;
    refused.begin("/webhook/noisy", 10).await;
    refused.send("1234567890").await;
    let answer = refused.answer().await.expect("an answer");
    assert_eq!((answer.status, &*answer.code()), (503, "bodies_overloaded"));
    assert!((2..=10).contains(&answer.retry_after_s()));
    let counter = &service.metrics.share_exhausted;
    assert_eq!(counter.with_label_values(&["noisy", "bodies"]).get(), 1);
    // Others have what is left, and other endpoints have their own.
    service.click("s1", "u1", "Save").await;
    assert_eq!(service.chat("c1", "u1", "").await.status(), 200);
    drop(slow);
    reads("everything is given back", 0, || gauge.get()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_alone_is_taken_however_large() {
    let setup = Setup::with("CONNECTOR__HTTP__BODIES_BYTES_MAX", "1000");
    let (service, _gate) = stalling(setup).await;
    let body = click("s1", "u1", &"x".repeat(4000));
    assert_eq!(service.post("/webhook/acme", &body).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_nobody_takes_a_place() {
    let setup = Setup::with("CONNECTOR__HTTP__INGEST_REQUESTS_MAX", "1")
        .and("CONNECTOR__HTTP__INGEST_WAIT_MS", "0");
    let (service, gate) = stalling(setup).await;
    let url = format!("{}/webhook/noisy", service.url);
    let stranger = service.client.post(url).body("{}").send();
    assert_eq!(stranger.await.expect("an answer").status(), 401);
    let counter = &service.metrics.share_exhausted;
    let refused = counter.with_label_values(&["noisy", "requests"]);
    let first = service.click_for("noisy");
    let second = async {
        held(&service, 1).await;
        let status = service.click_for("noisy").await;
        assert_eq!((status, refused.get()), (503, 1), "one fills it");
        let stranger = service
            .client
            .post(format!("{}/webhook/noisy", service.url));
        let answer = stranger.bearer_auth(&SECRET[1..]).body("{}").send().await;
        assert_eq!(answer.expect("an answer").status(), 401);
        assert_eq!(refused.get(), 1);
        gate.close();
    };
    assert_eq!(tokio::join!(first, second).0, 200);
}

impl Service {
    pub(super) async fn click_for(&self, product: &str) -> u16 {
        let body = click("s1", "u1", "Save");
        let answer = self.post(&format!("/webhook/{product}"), &body).await;
        answer.status().as_u16()
    }
}
