//! Who actions belong to, and how redeliveries are told (contract 3.6.7, 3.6.8).

use event_connector::domain::action::Identity;
use event_connector::ingest::Share;
use serde_json::{Value, json};

use super::{action_of, batch_of, hog};

fn event(name: &str, session: &str, user: &str, properties: &Value) -> Value {
    let mut event = json!({"event": name, "distinct_id": user, "timestamp": "2026-05-18T09:14:07Z",
        "properties": {"$session_id": session, "$current_url": "/x"}});
    for (key, value) in properties.as_object().into_iter().flatten() {
        event["properties"][key] = value.clone();
    }
    event
}

fn identity(user: &str, email: Option<&str>, stated: bool) -> Identity {
    Identity {
        user_id: Some(user.into()),
        email: email.map(str::to_owned),
        stated,
    }
}

fn session(share: &Share) -> Option<&str> {
    share.session.as_ref().map(|id| id.as_str())
}

#[test]
fn identities_come_in_order_and_without_repetition() {
    let batch = batch_of(&json!({"batch": [
        event("$pageview", "S", "anon", &json!({})),
        event("$pageview", "S", "anon", &json!({})),
        event("$identify", "S", "u", &json!({"$set": {"email": "Ada@x.example"}})),
        event("$pageleave", "S", "u", &json!({})),
        event("$pageview", "T", "v", &json!({"email": "not an address"})),
    ]}));
    assert_eq!(batch.shares.len(), 2);
    assert_eq!(
        batch.shares[0].activity.identities,
        [
            identity("anon", None, false),
            identity("u", Some("Ada@x.example"), true),
            identity("u", None, false),
        ]
    );
    assert_eq!(
        batch.shares[1].activity.identities,
        [identity("v", None, false)]
    );
}

#[test]
fn a_share_may_be_identity_alone() {
    let batch = batch_of(&event("$identify", "S", "u", &json!({})));
    assert_eq!(batch.shares.len(), 1);
    assert_eq!(batch.shares[0].activity.actions, []);
    assert_eq!(
        batch.shares[0].activity.identities,
        [identity("u", None, true)]
    );
}

#[test]
fn without_a_session_identity_goes_nowhere() {
    let nowhere = batch_of(&event("$identify", "", "u", &json!({})));
    assert_eq!(nowhere.shares, []);
    let batch = batch_of(&json!([
        event("$pageview", "", "u", &json!({})),
        event("$pageview", " ", "v", &json!({})),
        event("$pageview", "", "u", &json!({})),
        event("$pageview", "", "", &json!({})),
    ]));
    let counts: Vec<_> = batch
        .shares
        .iter()
        .map(|share| share.activity.actions.len())
        .collect();
    assert_eq!(counts, [2, 1, 1]);
    assert!(batch.shares.iter().all(|share| share.session.is_none()));
    assert!(
        batch
            .shares
            .iter()
            .all(|share| share.activity.identities.is_empty())
    );
    assert_ne!(batch.shares[0].spread, batch.shares[1].spread);
    assert_eq!(batch.shares[2].spread, batch.shares[2].activity.body_key);
}

#[test]
fn the_user_and_the_address_come_from_the_best_source() {
    let native = |properties: Value| {
        let body = json!({
            "event": {"event": "$pageview", "distinct_id": "d", "properties": properties},
            "person": {"properties": {"email": "person@x.example"}},
        });
        let action = action_of(&body);
        (action.user_id.map(|id| id.to_string()), action.email)
    };
    let at = |extra: Value| {
        let mut properties = json!({"$session_id": "S", "$current_url": "/x"});
        for (key, value) in extra.as_object().into_iter().flatten() {
            properties[key] = value.clone();
        }
        native(properties)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        at(json!({"$user_id": "u"})),
        (some("u"), some("person@x.example"))
    );
    assert_eq!(
        at(json!({"email": "own@x.example"})),
        (some("d"), some("own@x.example"))
    );
    assert_eq!(
        at(json!({"email": "a@b@c"})),
        (some("d"), some("person@x.example"))
    );
    assert_eq!(
        at(json!({"$user_id": {}, "email": 7})),
        (some("d"), some("person@x.example"))
    );
}

#[test]
fn sessions_of_every_provider_have_one_form() {
    let fullstory = |id: &str| {
        batch_of(&json!({"page_url": "/x", "target_text": "Go", "session_id": id, "user_id": "u"}))
    };
    assert_eq!(session(&fullstory("60%3A11").shares[0]), Some("60:11"));
    assert_eq!(session(&fullstory("60:11").shares[0]), Some("60:11"));
    let amplitude = |id: Value| {
        batch_of(&json!({"events": [{"event_type": "Seen", "device_id": "D", "session_id": id}]}))
    };
    for (id, expected) in [
        (json!(1_789_000_300_123_u64), "1789000300123"),
        (json!(1_789_000_300_123.0), "1789000300123"),
        (json!("1789000300123"), "1789000300123"),
        (json!(0), "D"),
        (json!("-1"), "D"),
        (json!(null), "D"),
    ] {
        assert_eq!(session(&amplitude(id).shares[0]), Some(expected));
    }
}

#[test]
fn a_redelivery_has_the_key_of_the_original() {
    let key = |body: &Value| action_of(body).duplicate_key;
    let plain = hog(&json!({"button_or_link_text": "a"}));
    assert_ne!(key(&plain), key(&hog(&json!({"button_or_link_text": "b"}))));
    // A body of its own is compared by content, not by the order of its keys.
    let text = plain.to_string();
    let mut fields: Vec<_> = plain.as_object().into_iter().flatten().collect();
    fields.reverse();
    let reversed: serde_json::Map<_, _> = fields
        .into_iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let reversed = Value::Object(reversed);
    assert_ne!(reversed.to_string(), text);
    assert_eq!(key(&reversed), key(&plain));

    let native = |uuid: &str, url: &str| json!({"event": {"uuid": uuid, "event": "$pageview", "properties": {"$current_url": url}}});
    assert_eq!(key(&native("1", "/a")), key(&native("1", "/b")));
    assert_ne!(key(&native("1", "/a")), key(&native("2", "/a")));

    let amplitude = |time: u64, plan: &str| {
        json!({"events": [{"event_type": "Seen", "session_id": 5, "time": time,
            "user_properties": {"plan": plan}}]})
    };
    assert_eq!(
        key(&amplitude(1_789_000_000_000, "a")),
        key(&amplitude(1_789_000_000_000, "b"))
    );
    assert_ne!(
        key(&amplitude(1_789_000_000_000, "a")),
        key(&amplitude(1_789_000_000_001, "a"))
    );
}

#[test]
fn keys_are_the_same_in_every_release() {
    let native = json!({"event": {"uuid": "0196e310-0001", "event": "$pageview",
        "properties": {"$current_url": "/a"}}});
    let keys = [
        action_of(&native).duplicate_key,
        action_of(&json!({"event": "seen", "session_id": "S", "n": [1, -2, 0.5, null, true]}))
            .duplicate_key,
        action_of(&json!({"events": [{"event_type": "Seen", "session_id": 5}]})).duplicate_key,
        batch_of(&json!([event("$pageview", "", "u", &json!({}))])).shares[0].spread,
    ];
    assert_eq!(
        keys,
        [
            663_297_168_231_983_611,
            2_337_903_520_004_867,
            18_288_489_023_254_085_161,
            6_381_629_898_778_681_129,
        ]
    );
}
