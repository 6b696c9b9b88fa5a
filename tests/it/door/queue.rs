//! Ingest requests that find no place wait for one, in order and for a while.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;

use super::shares::{held, stalling, watched};
use crate::support::{SECRET, Service, Setup, click, json_of, reads};

/// One request at a time is taken in; those that wait do so for as long as a test may last.
fn narrow() -> Setup {
    Setup::with("CONNECTOR__HTTP__INGEST_REQUESTS_MAX", "1")
        .and("CONNECTOR__HTTP__INGEST_WAIT_MS", "60000")
}

async fn waiting(service: &Service, count: i64) {
    let gauge = &service.metrics.ingest_requests_waiting;
    reads("the requests that wait", count, || gauge.get()).await;
}

fn refused(service: &Service, share: &str) -> u64 {
    let counter = &service.metrics.share_exhausted;
    counter.with_label_values(&["noisy", share]).get()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_enter_in_the_order_in_which_they_came_and_products_take_turns() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let (service, gate) = watched(narrow(), move |commit| {
        let state = commit.state.as_ref().expect("a session's");
        let session = state.key.session_id().expect("a session");
        let mut seen = seen.lock().expect("unpoisoned");
        seen.push(format!("{} {}", commit.product.as_str(), session.as_str()));
    })
    .await;
    let came = ["noisy", "noisy", "noisy", "noisy", "loud"];
    let requests = came.iter().enumerate().map(|(number, product)| {
        let service = &service;
        async move {
            // Each comes when the one before it is in its line.
            match i64::try_from(number).expect("a few") {
                0 => {}
                1 => held(service, 1).await,
                before => waiting(service, before - 1).await,
            }
            let body = click(&format!("s{number}"), "u", "Save");
            let answer = service.post(&format!("/webhook/{product}"), &body).await;
            assert_eq!(answer.status(), 200);
        }
    });
    let opening = async {
        waiting(&service, 4).await;
        // Strangers are told so at once, and nothing else has to wait.
        let url = format!("{}/webhook/noisy", service.url);
        let stranger = service.client.post(url).bearer_auth(&SECRET[1..]);
        let answer = stranger.body("{}").send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
        assert_eq!(service.chat("c1", "u1", "").await.status(), 200);
        assert_eq!(service.get("/readyz").await.status(), 200);
        gate.close();
    };
    tokio::join!(join_all(requests), opening);
    let order = order.lock().expect("unpoisoned").clone();
    let expected = ["noisy s0", "noisy s1", "loud s4", "noisy s2", "noisy s3"];
    assert_eq!(order, expected);
    assert_eq!(refused(&service, "requests"), 0);
    assert_eq!(service.metrics.ingest_wait_seconds.get_sample_count(), 4);
    held(&service, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_are_refused_at_once() {
    let setup = narrow().and("CONNECTOR__HTTP__INGEST_WAITING_MAX", "1");
    let (service, gate) = stalling(setup).await;
    let second = async {
        held(&service, 1).await;
        service.click_for("noisy").await
    };
    let third = async {
        waiting(&service, 1).await;
        let answer = service.post("/webhook/noisy", &serde_json::json!({})).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(json_of(answer).await["code"], "ingest_overloaded");
        assert_eq!(refused(&service, "waiting"), 1);
        gate.close();
    };
    let (first, second, ()) = tokio::join!(service.click_for("noisy"), second, third);
    assert_eq!((first, second), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_for_too_long_is_refused_and_leaves_the_line() {
    let setup = narrow().and("CONNECTOR__HTTP__INGEST_WAIT_MS", "20");
    let (service, gate) = stalling(setup).await;
    let others = async {
        held(&service, 1).await;
        for number in 1..=3 {
            assert_eq!(service.click_for("noisy").await, 503);
            assert_eq!(refused(&service, "requests"), number);
        }
        waiting(&service, 0).await;
        gate.close();
    };
    let (first, ()) = tokio::join!(service.click_for("noisy"), others);
    assert_eq!(first, 200, "who was taken in is not refused");
    assert_eq!(service.click_for("noisy").await, 200, "the place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_run_out_of_time_give_back_their_places_and_leave_the_line() {
    let setup = narrow().and("CONNECTOR__HTTP__REQUEST_TIMEOUT_MS", "300");
    let (service, gate) = stalling(setup).await;
    let answers = join_all((0..6).map(|_| service.click_for("noisy"))).await;
    assert_eq!(answers, [503; 6]);
    waiting(&service, 0).await;
    held(&service, 0).await;
    gate.close();
    assert_eq!(service.click_for("noisy").await, 200);
}
