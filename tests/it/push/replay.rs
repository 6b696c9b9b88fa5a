//! Sending many again, and sending a test.

use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::{SECRET, pushing};
use crate::support::{Service, Setup, eventually, json_of};

async fn replay(service: &Service, filters: &str) -> Value {
    let answer = service
        .operate(&format!("/deliveries/replay?{filters}"))
        .await;
    let status = answer.status();
    let told = json_of(answer).await;
    assert_eq!(status, 202, "{told}");
    told
}

/// Waits until so many deliveries of a status are listed.
async fn counted(service: &Service, status: &str, count: usize) {
    eventually(status, || async {
        let page = json_of(
            service
                .get(&format!("/deliveries?limit=200&status={status}"))
                .await,
        )
        .await;
        let found = page["deliveries"].as_array().map_or(0, Vec::len);
        if found == count { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_of_a_product_are_sent_again_page_by_page() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    receiver.otherwise(Answer::status(400));
    for n in 0..7 {
        service.click("s1", "u1", &n.to_string()).await;
    }
    counted(&service, "dead", 7).await;
    receiver.otherwise(Answer::status(200));
    let mut seen = Vec::new();
    let mut filters = "product_id=acme&limit=3".to_owned();
    loop {
        let told = replay(&service, &filters).await;
        let page = told["replayed"].as_array().expect("a list").clone();
        assert!(page.len() <= 3 && page.iter().all(|one| one["id"] == one["sent_as"]));
        seen.extend(page);
        let Some(cursor) = told["next_cursor"].as_str() else {
            break;
        };
        filters = format!("product_id=acme&limit=3&cursor={cursor}");
    }
    assert_eq!(seen.len(), 7);
    counted(&service, "delivered", 7).await;
    receiver.took(7).await;
    assert_eq!(receiver.calls().len(), 14, "each was sent again once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_what_was_delivered_is_sent_again_under_new_ids_oldest_first() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    for n in 0..4 {
        service.click("s1", "u1", &n.to_string()).await;
    }
    let first = receiver.took(4).await;
    counted(&service, "delivered", 4).await;
    let told = replay(&service, "product_id=acme&status=delivered").await;
    assert_eq!(told["replayed"].as_array().map(Vec::len), Some(4));
    assert_eq!(told["next_cursor"], json!(null));
    let again = receiver.took(8).await.split_off(4);
    for (before, after) in first.iter().zip(&again) {
        assert_eq!(before.body, after.body);
        assert_ne!(before.header("webhook-id"), after.header("webhook-id"));
    }
    let none = replay(
        &service,
        "product_id=acme&status=delivered&until=2000-01-01T00:00:00Z",
    )
    .await;
    assert_eq!(none["replayed"], json!([]));
    let other = replay(&service, "product_id=other&status=delivered").await;
    assert_eq!(other["replayed"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_many_again_wants_an_operator_and_a_product() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let answer = service.operate("/deliveries/replay?status=dead").await;
    assert_eq!(answer.status(), 400);
    assert_eq!(json_of(answer).await["code"], "invalid_filter");
    for path in [
        "/deliveries/replay?product_id=acme",
        "/deliveries/test/acme",
    ] {
        let request = service.client.post(format!("{}{path}", service.url));
        assert_eq!(
            request.send().await.expect("an answer").status(),
            401,
            "{path}"
        );
    }
    assert!(receiver.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_sent_once_and_what_came_back_is_told() {
    let receiver = Receiver::start().await;
    let service = Service::with(pushing(&receiver)).await;
    let answer = service.operate("/deliveries/test/acme").await;
    assert_eq!(answer.status(), 200);
    let told = json_of(answer).await;
    assert_eq!(
        (&told["outcome"], &told["http_status"]),
        (&json!("delivered"), &json!(200))
    );
    let call = receiver.called(1).await.remove(0);
    assert_eq!(
        call.header("webhook-id"),
        told["id"].as_str().expect("an identifier")
    );
    assert_eq!(call.json()["type"], "test");
    assert_eq!(call.header("authorization"), format!("Bearer {SECRET}"));

    let sorry = Answer::Plain(500, Vec::new(), format!("no room for {SECRET}"));
    receiver.script([sorry]);
    let told = json_of(service.operate("/deliveries/test/acme").await).await;
    assert_eq!(told["reason"], "the endpoint answered 500");
    let excerpt = told["excerpt"].as_str().expect("a text");
    assert!(
        excerpt.starts_with("no room for") && !excerpt.contains(SECRET),
        "{excerpt}"
    );
    assert_eq!(receiver.calls().len(), 2, "a test is not repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_for_a_product_without_a_target_is_refused() {
    let service = Service::with(Setup::default()).await;
    let answer = service.operate("/deliveries/test/acme").await;
    assert_eq!(answer.status(), 409);
    assert_eq!(json_of(answer).await["code"], "no_push_target");
    assert_eq!(
        service.operate("/deliveries/test/nobody").await.status(),
        404
    );
}
