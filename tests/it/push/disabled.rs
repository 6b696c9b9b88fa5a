//! Endpoints that are disabled, and how they are called again.

use event_connector::delivery::admission::{Change, Gate, Limits, Sign, Terms, Why};
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::{pushing, row};
use crate::support::{Service, eventually, json_of, reads};

async fn waiting(service: &Service) -> Vec<Value> {
    let page = json_of(
        service
            .get("/deliveries?platform=push&status=waiting")
            .await,
    )
    .await;
    page["deliveries"].as_array().expect("a list").clone()
}

/// The delivery that is back in the outbox after so many calls.
async fn back_after(service: &Service, calls: u64) -> Value {
    eventually("it is back", || async {
        let waiting = waiting(service).await;
        let found = waiting.iter().find(|one| one["attempts"] == calls);
        found.cloned().ok_or(waiting)
    })
    .await
}

/// Waits until the only endpoint is disabled, or no longer.
async fn is_disabled(service: &Service, wanted: bool) {
    let gauge = service.metrics.endpoints_disabled.clone();
    reads("disabled endpoints", i64::from(wanted), || gauge.get()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_410_is_left_alone_until_it_is_another_one() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    receiver.otherwise(Answer::status(410));
    service.click("s1", "u1", "first").await;
    receiver.called(1).await;
    is_disabled(&service, true).await;
    for session in ["s1", "s2", "s3"] {
        service.click(session, "u1", "later").await;
    }
    let closed = eventually("the reason is shown", || async {
        let closed = waiting(&service).await;
        let reason = json!("the endpoint answered 410 and is disabled");
        let is_told = closed.iter().any(|one| one["error"] == reason);
        if is_told && closed.len() == 4 {
            Ok(closed)
        } else {
            Err(closed)
        }
    })
    .await;
    let calls: u64 = closed
        .iter()
        .filter_map(|one| one["attempts"].as_u64())
        .sum();
    assert_eq!((calls, receiver.calls().len()), (1, 1));
    let text = service.get("/metrics").await.text().await.expect("text");
    for line in [
        "connector_endpoints_disabled 1",
        "connector_account_closures_total{platform=\"push\",reason=\"disabled\"} 1",
        "connector_push_attempts_total{outcome=\"disabled\"} 1",
    ] {
        assert!(text.contains(line), "{line}");
    }

    receiver.otherwise(Answer::status(200));
    let other = row(&receiver.url("/in"), "another secret than before");
    service.products.replace(&other).expect("a list");
    let taken = receiver.took(4).await;
    let of_s1: Vec<_> = taken.iter().filter(|call| call.told().0 == "s1").collect();
    let attempt = of_s1[0].header("x-connector-attempt");
    assert_eq!(attempt, "1", "waiting is no attempt");
    assert!(of_s1[0].json()["actions"][0]["index"] == 0);
    is_disabled(&service, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_has_a_disabled_endpoint_tried_again() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    receiver.otherwise(Answer::status(410));
    service.click("s1", "u1", "Save").await;
    is_disabled(&service, true).await;
    let id = back_after(&service, 1).await["id"].clone();
    let path = format!("/deliveries/{}/replay", id.as_str().expect("an identifier"));
    assert_eq!(service.operate(&path).await.status(), 202);
    back_after(&service, 2).await;
    is_disabled(&service, true).await;
    receiver.otherwise(Answer::status(200));
    assert_eq!(service.operate(&path).await.status(), 202);
    receiver.took(1).await;
    is_disabled(&service, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_only_fails_is_disabled_and_its_pushes_wait() {
    let receiver = Receiver::start().await;
    let setup = pushing(&receiver).and("CONNECTOR__PUSH__DISABLE_AFTER_S", "0.3");
    let service = Service::with(setup).await;
    receiver.otherwise(Answer::status(503));
    service.click("s1", "u1", "Save").await;
    is_disabled(&service, true).await;
    let words = "the endpoint answered 503; the endpoint has only failed for long and is disabled";
    eventually("the reason is shown", || async {
        let waiting = waiting(&service).await;
        let error = waiting.first().map(|one| one["error"].clone());
        if error == Some(json!(words)) {
            Ok(())
        } else {
            Err(error)
        }
    })
    .await;
    receiver.otherwise(Answer::status(200));
    let answer = service.operate("/deliveries/test/acme").await;
    assert_eq!(json_of(answer).await["outcome"], "delivered");
    let taken = receiver.took(2).await;
    assert_eq!(taken[0].json()["type"], "test");
    assert_eq!(taken[1].told().0, "s1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_too_long_is_a_dead_letter_that_can_be_sent_again() {
    const COUNT: usize = 40;
    let receiver = Receiver::start().await;
    let setup = pushing(&receiver).and("CONNECTOR__DELIVERY__GIVE_UP_AFTER_S", "0.5");
    let service = Service::with(setup).await;
    receiver.otherwise(Answer::status(410));
    service.click("s0", "u1", "first").await;
    is_disabled(&service, true).await;
    for n in 0..COUNT {
        let session = format!("s{}", n % 7);
        service.click(&session, "u1", &format!("later {n}")).await;
    }
    let expired = service.metrics.push_attempts.clone();
    let expired = expired.with_label_values(&["expired"]);
    reads("given up", COUNT as u64 + 1, || expired.get()).await;
    assert_eq!(waiting(&service).await, Vec::<Value>::new());
    let dead = service.get("/deliveries?status=dead&limit=200").await;
    let dead = json_of(dead).await["deliveries"].clone();
    let words =
        "it waited for longer than delivery.give_up_after_s, because the endpoint is disabled";
    let dead = dead.as_array().expect("a list");
    assert_eq!(dead.len(), COUNT + 1);
    for delivery in dead {
        assert_eq!(delivery["error"], words);
    }
    assert_eq!(receiver.calls().len(), 1, "nobody was called for it");

    receiver.otherwise(Answer::status(200));
    let replayed = service
        .operate("/deliveries/replay?product_id=acme&limit=200")
        .await;
    assert_eq!(replayed.status(), 202);
    receiver.took(COUNT + 1).await;
    assert_eq!(expired.get(), COUNT as u64 + 1, "none is given up again");
}

const LIMITS: Limits = Limits {
    account_workers: 2,
    breaker_failures: 2,
    breaker_pause_ms: 1_000,
    breaker_pause_cap_ms: 1_000,
    refused_probe_ms: 1_000,
    rate_pause_ms: 1_000,
    rate_pause_cap_ms: 1_000,
};

const DAY_MS: u64 = 86_400_000;

const DISABLED_AFTER_5_DAYS: Terms = Terms {
    workers: None,
    second_max: None,
    disable_after_ms: Some(5 * DAY_MS),
};

fn call(gate: &mut Gate, now_ms: u64, sign: Sign) -> Option<Change> {
    let ticket = gate.admit(now_ms, &LIMITS).expect("a call may begin");
    gate.settle(ticket, sign, None, (now_ms, 0.5), &LIMITS)
}

#[test]
fn only_failures_without_a_success_in_between_disable_an_endpoint() {
    let mut gate = Gate::new(DISABLED_AFTER_5_DAYS);
    for day in 0..5 {
        assert_eq!(call(&mut gate, day * DAY_MS, Sign::Rejected), None);
    }
    assert_eq!(call(&mut gate, 5 * DAY_MS - 1, Sign::Works), None);
    assert!(gate.is_as_new(5 * DAY_MS));
    for day in 5..10 {
        let limited = Sign::Limited { after_ms: None };
        assert_eq!(call(&mut gate, day * DAY_MS, limited), None);
        assert!(!gate.is_as_new(day * DAY_MS + 5_000), "it is remembered");
    }
    let change = call(&mut gate, 10 * DAY_MS, Sign::Rejected);
    assert_eq!(change, Some(Change::Shut(Why::Disabled)));
    assert!(gate.is_disabled());
    assert_eq!(
        (gate.opens_ms(0), gate.places(u64::MAX - 1, &LIMITS)),
        (None, 0)
    );
}

#[test]
fn an_endpoint_that_is_silent_for_long_is_disabled_by_a_probe() {
    let mut gate = Gate::new(DISABLED_AFTER_5_DAYS);
    assert_eq!(call(&mut gate, 0, Sign::Silent), None);
    assert_eq!(
        call(&mut gate, 0, Sign::Silent),
        Some(Change::Shut(Why::Silent))
    );
    let change = call(&mut gate, 5 * DAY_MS, Sign::Silent);
    assert_eq!(change, Some(Change::Shut(Why::Disabled)));
}

#[test]
fn a_disabled_endpoint_opens_by_a_success_that_an_operator_asked_for_and_nothing_else() {
    let mut gate = Gate::new(Terms::default());
    assert_eq!(
        call(&mut gate, 0, Sign::Gone),
        Some(Change::Shut(Why::Disabled))
    );
    for sign in [Sign::Gone, Sign::Silent, Sign::Rejected] {
        gate.invite();
        assert_eq!(call(&mut gate, 1, sign), None, "{sign:?}");
        assert!(
            gate.is_disabled() && gate.places(DAY_MS, &LIMITS) == 0,
            "{sign:?}"
        );
    }
    gate.invite();
    assert_eq!(
        call(&mut gate, 2, Sign::Works),
        Some(Change::Opened(Why::Disabled))
    );
    assert!(gate.is_as_new(2));
}

#[test]
fn a_vendor_that_fails_for_long_is_never_disabled() {
    let mut gate = Gate::default();
    for day in 0..100 {
        let change = call(&mut gate, day * DAY_MS, Sign::Silent);
        assert_ne!(change, Some(Change::Shut(Why::Disabled)));
    }
}
