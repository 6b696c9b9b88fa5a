//! What triggers look at is recalled from the log: after a restart, and by an instance that somebody was faster than.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{poll, reason, start};
use crate::instances::{post, service_of};
use crate::redis::{OwnServer, SAFE};
use crate::support::{Setup, json_of};

/// A product that offers help to whoever has done so many things.
fn patient(min: usize) -> Value {
    json!({"proactive_intercom": [{
        "id": "busy", "name": "Busy users",
        "proactive_criteria": {
            "id": "c1", "name": "does much", "type": "action_count", "params": {"min": min},
        },
        "messages": [{"id": "m1", "label": "Show me"}],
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_restart_counts() {
    let (service, _hand) = start(patient(4), &[]).await;
    for label in ["One", "Two", "Three"] {
        service.click("s1", "u1", label).await;
    }
    assert_eq!(reason(&poll(&service, "s1").await), "no_trigger");
    let service = service.restart().await;
    assert_eq!(reason(&poll(&service, "s1").await), "no_trigger");
    service.click("s1", "u1", "Four").await;
    let polled = poll(&service, "s1").await;
    assert_eq!(
        polled["proactive_trigger"]["trigger_id"], "busy",
        "{polled}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_elsewhere_counts_once() {
    let server = OwnServer::start(&SAFE);
    let setup = Setup {
        integration_type: "event_stream",
        integration: patient(40),
        ..Setup::default()
    };
    let first = service_of(&server, setup).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    let urls = [&first.url, &second.url];
    // In turns of different lengths, so that each instance has more or less to catch up with.
    let turns = (1..=8).flat_map(|length| vec![urls[length % 2]; length]);
    let turns: Vec<_> = turns.chain([urls[0]; 3]).collect();
    assert_eq!(turns.len(), 39);
    for (number, url) in turns.into_iter().enumerate() {
        let label = format!("Button {number}");
        assert_eq!(post(&first, url, "s1", &label).await, 200);
    }
    let ask = async |url: &str| {
        let answer = first.client.get(format!("{url}/context/acme/s1"));
        json_of(answer.send().await.expect("an answer")).await
    };
    for url in urls {
        assert_eq!(reason(&ask(url).await), "no_trigger");
    }
    assert_eq!(post(&first, urls[1], "s1", "One more").await, 200);
    let polled = ask(urls[0]).await;
    assert_eq!(
        polled["proactive_trigger"]["trigger_id"], "busy",
        "{polled}"
    );
    second.stop().await;
}
