//! From a browser event to a receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event_connector::clock::Clock;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::receiver::{Answer, Receiver};
use super::{SECRET, pushing};
use crate::support::{Service, click, eventually, json_of, reads};

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_pushed_signed_and_as_subscribers_get_it() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let mut feed = service.listen("", &[]).await;
    service.click("s1", "u\u{2028}1", "Save é").await;
    let event = feed.next_event().await;
    let call = receiver.called(1).await.remove(0);
    assert_eq!(call.body, event.data.as_bytes(), "the bytes are the same");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(call.header("x-connector-attempt"), "1");

    let digest = mac(SECRET.as_bytes(), &[&call.body]);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        call.header("x-connector-signature"),
        format!("sha256={hex}")
    );
    let id = call.header("webhook-id");
    assert_eq!(call.header("x-connector-delivery"), id);
    let at = call.header("webhook-timestamp");
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("base64");
    let digest = mac(
        &key,
        &[id.as_bytes(), b".", at.as_bytes(), b".", &call.body],
    );
    let signature = format!("v1,{}", STANDARD.encode(digest));
    assert_eq!(call.header("webhook-signature"), signature);

    let shown = delivered(&service, id).await;
    assert_eq!(shown["platform"], "push");
    assert_eq!(
        (&shown["session_id"], &shown["conversation_id"]),
        (&json!("s1"), &json!(null))
    );
    assert_eq!(shown["payload"], call.json());
    assert_eq!(
        (&shown["text"], &shown["attempts"]),
        (&json!(null), &json!(1))
    );
    let metrics = service.get("/metrics").await.text().await.expect("text");
    for line in [
        "connector_push_attempts_total{outcome=\"delivered\"} 1",
        "connector_delivery_seconds_count{platform=\"push\"} 1",
        // What was pushed is marked as delivered without another commit of its session.
        "connector_commits_total{outcome=\"committed\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_a_session_is_kept_while_the_receiver_fails_now_and_then() {
    const CLICKS: usize = 12;
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let failures = [500, 200, 503, 503, 200, 408, 200, 425, 429, 200, 502];
    receiver.script(failures.into_iter().map(Answer::status));
    for n in 0..CLICKS {
        for session in ["s1", "s2", "s3"] {
            service
                .click(session, "u1", &format!("{session} {n}"))
                .await;
        }
    }
    let taken = receiver.took(3 * CLICKS).await;
    let mut by_session: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for call in &taken {
        let (session, _) = call.told();
        let index = call.json()["actions"][0]["index"]
            .as_u64()
            .expect("a number");
        by_session.entry(session).or_default().push(index);
    }
    let in_order: Vec<u64> = (0..CLICKS as u64).collect();
    assert_eq!(by_session.len(), 3);
    assert!(
        by_session.values().all(|told| *told == in_order),
        "{by_session:?}"
    );
    let ids: BTreeSet<&str> = taken.iter().map(|call| call.header("webhook-id")).collect();
    assert_eq!(ids.len(), taken.len(), "each has an id of its own");
    // A repetition has the id of what it repeats, and counts on.
    let calls = receiver.calls();
    for id in ids {
        let attempts: Vec<_> = calls
            .iter()
            .filter(|call| call.header("webhook-id") == id)
            .collect();
        assert!(attempts.iter().all(|call| call.body == attempts[0].body));
        let last = attempts
            .last()
            .expect("it arrived")
            .header("x-connector-attempt");
        let limited = attempts.iter().filter(|call| call.status == 429).count();
        assert_eq!(last, (attempts.len() - limited).to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_ok_is_lost_over_a_restart() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    receiver.otherwise(Answer::status(503));
    for n in 0..5 {
        service.click("s1", "u1", &n.to_string()).await;
        service.click("s2", "u2", &n.to_string()).await;
    }
    receiver.called(2).await;
    let _restarted = service.restart().await;
    receiver.otherwise(Answer::status(204));
    let taken = receiver.took(10).await;
    for session in ["s1", "s2"] {
        let own = taken.iter().filter(|call| call.told().0 == session);
        let told: Vec<u64> = own
            .map(|call| {
                call.json()["actions"][0]["index"]
                    .as_u64()
                    .expect("a number")
            })
            .collect();
        assert_eq!(told, [0, 1, 2, 3, 4], "{session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_end_nobody_saw_is_repeated_under_its_id_and_never_looked_for() {
    let receiver = Receiver::start().await;
    let setup = pushing(&receiver)
        .and("CONNECTOR__PUSH__TIMEOUT_MS", "5000")
        .and("CONNECTOR__DELIVERY__REQUEST_TIMEOUT_MS", "5000")
        .and("CONNECTOR__DELIVERY__LEASE_MS", "10000")
        .and("CONNECTOR__SHUTDOWN__GRACE_MS", "50");
    let service = Service::with(setup).await;
    receiver.script([Answer::Silence]);
    service.click("s1", "u1", "Save").await;
    receiver.called(1).await;
    let service = service.restart().await;
    let calls = receiver.called(2).await;
    let id = calls[1].header("webhook-id");
    assert_eq!(calls[0].header("webhook-id"), id);
    assert_eq!(calls[1].header("x-connector-attempt"), "2");
    let shown = delivered(&service, id).await;
    let history = shown["history"].as_array().expect("a list").iter();
    let told: Vec<_> = history
        .map(|call| (&call["call"], &call["outcome"]))
        .collect();
    let lost = (&json!("unknown"), &json!("lost"));
    assert_eq!(told, [lost, (&json!("post"), &json!("delivered"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_without_a_session_is_pushed_and_forgotten_with_its_user() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let mut event = click("", "u_bucket", "Save");
    event
        .as_object_mut()
        .expect("an object")
        .remove("session_id");
    assert_eq!(service.post("/webhook/acme", &event).await.status(), 200);
    let call = receiver.took(1).await.remove(0);
    assert_eq!(call.json()["session_id"], json!(null));
    assert_eq!(call.json()["user_id"], "u_bucket");
    let id = call.header("webhook-id");
    delivered(&service, id).await;
    let answer = service.delete("/users/acme/u_bucket").await;
    assert_eq!(answer.status(), 200);
    let path = format!("/deliveries/{id}");
    assert_eq!(service.get(&path).await.status(), 404);
    assert_eq!(service.files_with("u_bucket"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_as_many_calls_at_the_same_time_as_is_configured_for_endpoints() {
    const WORKERS: usize = 12;
    let receiver = Receiver::start().await;
    let setup = pushing(&receiver)
        .and("CONNECTOR__DELIVERY__ACCOUNT_WORKERS", "1")
        .and("CONNECTOR__PUSH__ENDPOINT_WORKERS", "12")
        .and("CONNECTOR__SHUTDOWN__GRACE_MS", "50");
    let service = Service::with(setup).await;
    receiver.otherwise(Answer::Silence);
    for n in 0..2 * WORKERS {
        service.click(&format!("s{n}"), "u1", "Save").await;
    }
    // None of them ends before all are there.
    assert_eq!(receiver.called(WORKERS).await.len(), WORKERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_no_more_calls_a_second_than_it_asks_for() {
    let receiver = Receiver::start().await;
    let (clock, hand) = Clock::manual(1_789_000_000.0);
    let mut setup = pushing(&receiver).and("CONNECTOR__PUSH__ENDPOINT_SECOND_MAX", "100");
    setup.clock = clock;
    setup.integration["push_second_max"] = json!(10);
    let service = Service::with(setup).await;
    for n in 0..25 {
        service.click(&format!("s{n}"), "u1", "Save").await;
    }
    let arrived = service.metrics.push_attempts.clone();
    let arrived = arrived.with_label_values(&["delivered"]);
    reads("arrived", 10, || arrived.get()).await;
    for count in [20, 25] {
        hand.advance(Duration::from_secs(1));
        eventually("more arrived", || {
            let seen = arrived.get();
            // The worker may look a moment later than the second ends.
            hand.advance(Duration::from_millis(u64::from(seen < count)));
            std::future::ready(if seen == count { Ok(()) } else { Err(seen) })
        })
        .await;
    }
    let mut calls_at: BTreeMap<String, usize> = BTreeMap::new();
    for call in receiver.calls() {
        let began_s = call.header("webhook-timestamp").to_owned();
        *calls_at.entry(began_s).or_default() += 1;
    }
    let at = |second, count| (format!("178900000{second}"), count);
    let wanted = BTreeMap::from([at(0, 10), at(1, 10), at(2, 5)]);
    assert_eq!(calls_at, wanted);
    let text = service.get("/metrics").await.text().await.expect("text");
    let paced = "connector_account_closures_total{platform=\"push\",reason=\"paced\"} 2";
    assert!(text.contains(paced), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_pushes_of_one_product_do_not_hold_each_other_up() {
    let receiver = Receiver::start().await;
    let mut setup = pushing(&receiver);
    setup.integration_type = "intercom";
    setup.integration = json!({});
    let service = Service::with(setup).await;
    let mut rows: serde_json::Value = serde_json::from_str(service.rows()).expect("rows");
    rows[0]["forward_url"] = json!(receiver.url("/in"));
    rows[0]["forward_secret"] = json!(SECRET);
    service.products.replace(&rows.to_string()).expect("a list");
    receiver.otherwise(Answer::status(410));
    service.click("s1", "u1", "Save").await;
    receiver.called(1).await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    service.click("s1", "u1", "Send").await;
    service.notes("c1", |notes| notes.len() == 2).await;
    assert_eq!(
        receiver.calls().len(),
        1,
        "a disabled endpoint is left alone"
    );
    eventually("both notes are known to the session", || async {
        let shown = service.show("s1").await["notes"]["part_ids"].clone();
        match shown.as_array().map(Vec::len) {
            Some(2) => Ok(()),
            _ => Err(shown),
        }
    })
    .await;
}

/// A push, as the service shows it once it has arrived.
async fn delivered(service: &Service, id: &str) -> Value {
    eventually("it is marked as delivered", || async {
        let shown = json_of(service.get(&format!("/deliveries/{id}")).await).await;
        if shown["status"] == "delivered" {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
    .await
}
