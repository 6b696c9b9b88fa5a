//! More connections than are allowed.

use super::raw::Raw;
use crate::support::{Service, Setup, eventually};

async fn allowing(connections: &str) -> Service {
    Service::with(Setup::with("CONNECTOR__HTTP__CONNECTIONS_MAX", connections)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_takes_the_place_of_the_one_that_rests_longest() {
    let service = allowing("8").await;
    let mut resting = Vec::new();
    for _ in 0..8 {
        let mut client = Raw::connect(&service).await;
        assert_eq!(client.get("/healthz").await.status, 200);
        resting.push(client);
    }
    // The first is used again, so that the second rests longest.
    assert_eq!(resting[0].get("/healthz").await.status, 200);
    let mut newcomer = Raw::connect(&service).await;
    assert_eq!(newcomer.get("/healthz").await.status, 200);
    assert!(resting[1].answer().await.is_none(), "it made room");
    for (number, client) in resting.iter_mut().enumerate() {
        if number != 1 {
            assert_eq!(client.get("/healthz").await.status, 200, "{number} stays");
        }
    }
    let evicted = service.metrics.connections_closed.clone();
    assert_eq!(evicted.with_label_values(&["evicted"]).get(), 1);
    assert!(service.metrics.connections.get() <= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_silent_connections_keep_nobody_out() {
    let service = allowing("20").await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Raw::connect(&service).await);
    }
    let mut client = Raw::connect(&service).await;
    assert_eq!(client.get("/readyz").await.status, 200);
    eventually("only so many stay", || async {
        match service.metrics.connections.get() {
            open if open <= 20 => Ok(()),
            open => Err(open),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_are_in_use_one_more_is_told_to_come_back() {
    let service = allowing("3").await;
    let mut busy = Vec::new();
    for number in 1..=3 {
        let mut client = Raw::connect(&service).await;
        client.begin("/webhook/acme", 2).await;
        client.send("{").await;
        eventually("the body is being read", || async {
            match service.metrics.bodies_bytes.get() {
                held if held == number => Ok(()),
                held => Err(held),
            }
        })
        .await;
        busy.push(client);
    }
    let mut waits = Vec::new();
    for _ in 0..20 {
        let mut refused = Raw::connect(&service).await;
        refused
            .send("POST /chatbot-webhook/acme HTTP/1.1\r\n")
            .await;
        let answer = refused.answer().await.expect("an answer");
        let code = answer.code();
        assert_eq!((answer.status, &*code), (503, "too_many_connections"));
        assert_eq!(answer.header("connection"), Some("close"));
        waits.push(answer.retry_after_s());
        assert!(refused.answer().await.is_none());
    }
    assert!(waits.iter().all(|wait| (2..=10).contains(wait)));
    waits.dedup();
    assert!(waits.len() > 1, "they do not all come back together");
    let counter = &service.metrics.problems;
    let refused = counter.with_label_values(&["too_many_connections"]);
    assert_eq!(refused.get(), 20);

    busy[0].send("}").await;
    assert_eq!(busy[0].answer().await.expect("an answer").status, 200);
    // The seat is free once the answer is complete, a moment after it was read here.
    eventually("there is room", || async {
        let mut client = Raw::connect(&service).await;
        match client.get("/healthz").await.status {
            200 => Ok(()),
            status => Err(status),
        }
    })
    .await;
}
