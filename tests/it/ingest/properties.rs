//! What applications say of their users: what of it is kept, and that it arrives in the session.

use event_connector::domain::action::{PROPERTIES_MAX, Property};
use event_connector::ingest::Share;
use serde_json::{Value, json};

use super::batch_of;
use crate::support::{Service, json_of};

/// A PostHog capture event of session `S` with these properties beside the usual ones.
fn capture(name: &str, properties: &Value) -> Value {
    let mut event = json!({"event": name, "distinct_id": "u", "timestamp": "2026-05-18T09:14:07Z",
        "properties": {"$session_id": "S", "$current_url": "/x"}});
    for (key, value) in properties.as_object().into_iter().flatten() {
        event["properties"][key] = value.clone();
    }
    event
}

fn only_share(body: &Value) -> Share {
    let mut shares = batch_of(body).shares;
    assert_eq!(shares.len(), 1, "{body}");
    shares.remove(0)
}

/// What is kept, as name and value.
fn kept(body: &Value) -> Value {
    let properties = only_share(body).activity.properties;
    shown(&properties)
}

fn shown(properties: &[Property]) -> Value {
    let each = properties.iter();
    each.map(|one| json!([one.name, one.value])).collect()
}

#[test]
fn every_provider_says_it_in_its_own_way() {
    let hog = json!({"event": "$pageview", "session_id": "S", "distinct_id": "u",
        "current_url": "/x", "person": {"properties": {"plan": "trial", "seats": 3}}});
    assert_eq!(kept(&hog), json!([["plan", "trial"], ["seats", 3.0]]));

    let native = json!({
        "event": {"event": "$pageview", "distinct_id": "u", "properties": {
            "$session_id": "S", "$current_url": "/x", "$set": {"plan": "paid"}}},
        "person": {"properties": {"plan": "trial", "beta": true}},
    });
    assert_eq!(kept(&native), json!([["plan", "paid"], ["beta", true]]));

    let outer = json!({"event": "$set", "distinct_id": "u", "$set": {"role": "admin"},
        "properties": {"$session_id": "S"}});
    assert_eq!(kept(&outer), json!([["role", "admin"]]));

    let amplitude = json!({"events": [{"event_type": "Seen", "session_id": 5, "user_id": "u",
        "user_properties": {"plan": "trial", "beta": true, "seats": 3, "tags": null}}]});
    assert_eq!(
        kept(&amplitude),
        json!([["plan", "trial"], ["beta", true], ["seats", 3.0]])
    );
}

#[test]
fn what_counts_once_never_replaces_anything() {
    let event =
        |set: Value, once: Value| capture("$pageview", &json!({"$set": set, "$set_once": once}));
    let body = json!({"batch": [
        event(json!({"plan": "paid"}), json!({"plan": "free", "campaign": "spring"})),
        event(json!({}), json!({"plan": "free", "campaign": "summer"})),
    ]});
    let properties = only_share(&body).activity.properties;
    assert_eq!(
        shown(&properties),
        json!([["plan", "paid"], ["campaign", "spring"]])
    );
    let once: Vec<bool> = properties.iter().map(|one| one.once).collect();
    assert_eq!(once, [false, true]);
}

#[test]
fn only_what_can_be_compared_is_kept_and_no_secret() {
    let long = "é".repeat(300);
    let said = json!({
        "plan": "trial", "empty": "", "none": null, "list": [1], "object": {"a": 1},
        "$initial_referrer": "x", "": "nameless", "line\nbreak": "x",
        "password": "x", "Reset-Token": "x", "clientSecret": "x", "authorization": "x",
        "API Key": "x", "api_key_2": "x", "code": "x", "user_credentials": "x",
        "card": "4111 1111 1111 1111", "card_number": 4_111_111_111_111_111_u64,
        "home": "https://u:pw@app.example/?token=abc&tab=1", "nul": "a\0b", "long": long,
        ("n".repeat(128)): 1, ("m".repeat(129)): 2,
    });
    let kept = kept(&capture("$pageview", &json!({ "$set": said })));
    assert_eq!(
        kept,
        json!([
            ["plan", "trial"],
            ["empty", ""],
            ["home", "https://app.example/?token=REDACTED&tab=1"],
            ["nul", "ab"],
            ["long", "é".repeat(256)],
            ["n".repeat(128), 1.0],
        ])
    );
}

#[test]
fn at_most_so_many_are_kept_in_the_order_of_the_body() {
    let set: Value = (0..PROPERTIES_MAX + 3)
        .map(|at| (format!("p{at:02}"), json!(at)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let body = capture("$pageview", &json!({ "$set": set }));
    let activity = only_share(&body).activity;
    assert_eq!(activity.properties.len(), PROPERTIES_MAX);
    assert_eq!(&*activity.properties[PROPERTIES_MAX - 1].name, "p31");
    assert_eq!(activity.dropped_properties, 3);
}

#[test]
fn properties_go_where_identity_goes() {
    let said = json!({"$set": {"plan": "trial"}});
    let mut nameless = capture("$set", &said);
    nameless["distinct_id"] = json!("");
    assert_eq!(kept(&nameless), json!([["plan", "trial"]]));
    let mut nowhere = capture("$pageview", &said);
    nowhere["properties"]["$session_id"] = json!("");
    assert_eq!(kept(&nowhere), json!([]));
    // Nothing that is kept is nothing to open a session for.
    let mut nothing = capture("$set", &json!({"$set": {"token": "x"}}));
    nothing["distinct_id"] = json!("");
    assert_eq!(batch_of(&nothing).shares, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_arrives_in_the_session_and_leaves_with_its_user() {
    let service = Service::start().await;
    let post = async |event: Value| {
        let answer = service.post("/webhook/acme", &event).await;
        assert_eq!(answer.status(), 200);
        json_of(answer).await
    };
    let said = json!({"$set": {"plan": "Violetplan", "seats": 3, "password": "hunter2"}});
    post(capture("$pageview", &said)).await;
    let shown = service.show("S").await;
    assert_eq!(
        shown["user_properties"],
        json!({"plan": "Violetplan", "seats": 3.0})
    );

    // A session that names somebody else in a property stays what it is.
    let mut other = capture("$pageview", &json!({"$set": {"user_id": "u"}}));
    other["properties"]["$session_id"] = json!("T");
    other["distinct_id"] = json!("v");
    post(other).await;

    let many: serde_json::Map<_, _> = (0..40).map(|at| (format!("p{at}"), json!(at))).collect();
    post(capture("$pageleave", &json!({ "$set": many }))).await;
    // Eight found no room in the request, and two in the session.
    let metrics = service.get("/metrics").await.text().await.expect("text");
    assert!(
        metrics.contains("connector_user_properties_dropped_total 10\n"),
        "{metrics}"
    );

    assert!(!service.files_with("Violetplan").is_empty());
    assert!(service.files_with("hunter2").is_empty());
    assert_eq!(service.delete("/users/acme/u").await.status(), 200);
    assert!(service.files_with("Violetplan").is_empty());
    assert_eq!(service.get("/sessions/acme/S").await.status(), 404);
    assert_eq!(
        service.show("T").await["user_properties"],
        json!({"user_id": "u"})
    );
}
