//! Notifications of every version, and bodies that are none.

use event_connector::platform::intercom::webhook::{Author, Malformed, Notification, Topic, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(body: &Value) -> Notification {
    parse(body.to_string().as_bytes()).expect("this is a notification")
}

fn about(topic: &str, item: Value) -> Notification {
    read(&json!({
        "type": "notification_event",
        "id": "notif_1",
        "topic": topic,
        "data": {"type": "notification_event_data", "item": item},
    }))
}

fn who(notification: &Notification) -> (Option<&str>, Option<&str>, Option<&str>) {
    (
        notification.conversation.as_ref().map(|id| id.as_str()),
        notification.external_id.as_ref().map(|id| id.as_str()),
        notification.email.as_deref(),
    )
}

#[test]
fn a_new_conversation_names_its_author_and_contact() {
    let notification = about(
        "conversation.user.created",
        json!({
            "type": "conversation",
            "id": "215470012345",
            "source": {
                "body": "<p>Hi</p>",
                "author": {"type": "user", "id": "667d", "email": "Ada@Acme.example"},
            },
            "contacts": {
                "type": "contact.list",
                "contacts": [{"type": "contact", "id": "667d", "external_id": "u-70"}],
            },
            "conversation_parts": {"conversation_parts": [], "total_count": 0},
        }),
    );
    let wanted = (Some("215470012345"), Some("u-70"), Some("Ada@Acme.example"));
    assert_eq!(who(&notification), wanted);
    assert_eq!(notification.topic, Topic::UserCreated);
    assert_eq!(notification.id.as_deref(), Some("notif_1"));
    assert_eq!(notification.author, Author::Person);
}

#[test]
fn a_reply_in_a_conversation_that_a_teammate_began_names_the_person() {
    let notification = about(
        "conversation.user.replied",
        json!({
            "type": "conversation",
            "id": 387,
            "source": {"author": {"type": "admin", "id": "99", "email": "agent@acme.example"}},
            "contacts": {"contacts": [{"id": "667d", "external_id": 70}]},
            "conversation_parts": {"conversation_parts": [{
                "body": "plain text since 2.15",
                "author": {"type": "user", "id": "667d", "email": "joe@acme.example"},
            }]},
        }),
    );
    assert_eq!(
        who(&notification),
        (Some("387"), Some("70"), Some("joe@acme.example"))
    );
    assert_eq!(notification.topic, Topic::UserReplied);
    assert_eq!(notification.author, Author::Person);
}

#[test]
fn in_a_group_the_one_who_wrote_is_meant_and_nobody_lends_an_identity() {
    let group = |author: Value| {
        about(
            "conversation.user.replied",
            json!({
                "type": "conversation",
                "id": "1",
                "source": {"author": {"type": "user", "id": "a", "email": "a@acme.example"}},
                "contacts": {"contacts": [
                    {"id": "a", "external_id": "user-a"},
                    {"id": "b", "external_id": "user-b"},
                    {"id": "c"},
                ]},
                "conversation_parts": {"conversation_parts": [{"author": author}]},
            }),
        )
    };
    let b = group(json!({"type": "user", "id": "b", "email": "b@acme.example"}));
    assert_eq!(who(&b), (Some("1"), Some("user-b"), Some("b@acme.example")));
    let c = group(json!({"type": "lead", "id": "c", "email": "c@acme.example"}));
    assert_eq!(who(&c), (Some("1"), None, Some("c@acme.example")));
    let nobody = group(json!({"type": "lead", "id": "c"}));
    assert_eq!(who(&nobody), (Some("1"), None, None));
}

#[test]
fn the_shape_of_version_1_is_read_as_well() {
    let notification = about(
        "conversation.user.created",
        json!({
            "type": "conversation",
            "id": "147",
            "user": {"type": "user", "id": "5310", "user_id": "u-70", "email": "ada@acme.example"},
            "assignee": {"type": "nobody_admin", "id": null},
            "conversation_message": {
                "body": "<p>Hi</p>",
                "author": {"type": "user", "id": "5310"},
            },
        }),
    );
    assert_eq!(
        who(&notification),
        (Some("147"), Some("u-70"), Some("ada@acme.example"))
    );
    assert_eq!(notification.author, Author::Person);
}

#[test]
fn an_author_may_carry_the_external_identifier_alone() {
    for name in ["external_id", "user_id"] {
        let notification = about(
            "conversation.user.created",
            json!({"id": "1", "source": {"author": {"type": "contact", name: "u-1"}}}),
        );
        assert_eq!(who(&notification), (Some("1"), Some("u-1"), None));
    }
}

#[test]
fn a_teammates_address_is_never_taken_for_the_users() {
    let notification = about(
        "conversation.admin.replied",
        json!({
            "type": "conversation",
            "id": "1",
            "source": {"author": {"type": "admin", "id": "9", "email": "agent@acme.example"}},
            "conversation_parts": {"conversation_parts": [
                {"author": {"type": "bot", "id": "8", "email": "bot@acme.example"}},
            ]},
        }),
    );
    assert_eq!(who(&notification), (Some("1"), None, None));
    assert_eq!(notification.author, Author::Other);
    assert_eq!(
        notification.topic,
        Topic::Other("conversation.admin.replied".to_owned())
    );
    assert_eq!(notification.topic.as_str(), "other");
}

#[test]
fn a_ping_has_neither_identifier_nor_conversation() {
    let ping = json!({
        "type": "notification_event",
        "id": null,
        "topic": "ping",
        "data": {"item": {"type": "ping", "message": "zen", "id": "7"}},
    });
    let notification = read(&ping);
    assert_eq!(notification.topic, Topic::Ping);
    assert_eq!((notification.id, notification.conversation), (None, None));
    assert_eq!(notification.author, Author::Other);
}

#[test]
fn a_part_names_the_conversation_it_belongs_to() {
    let part = json!({"type": "conversation_part", "id": "5", "conversation_id": 12});
    let notification = about("conversation_part.redacted", part);
    assert_eq!(who(&notification).0, Some("12"));
}

#[test]
fn what_is_missing_or_of_another_type_is_left_out() {
    for item in [
        json!(null),
        json!([]),
        json!("text"),
        json!({"id": "", "source": 1, "contacts": "none", "conversation_parts": {"conversation_parts": 3}}),
        json!({"id": true, "contacts": {"contacts": [null, 1, {"external_id": ""}]}, "user": []}),
    ] {
        let notification = about("conversation.user.replied", item);
        assert_eq!(who(&notification), (None, None, None));
        assert_eq!(notification.author, Author::Person);
    }
    let bare = read(&json!({"topic": "conversation.user.created"}));
    assert_eq!(who(&bare), (None, None, None));
}

#[test]
fn a_body_that_is_no_notification_is_malformed() {
    assert_eq!(parse(b""), Err(Malformed::NotJson));
    assert_eq!(parse(b"{\"topic\": \"ping\""), Err(Malformed::NotJson));
    assert_eq!(
        parse("[".repeat(100_000).as_bytes()),
        Err(Malformed::NotJson)
    );
    for body in ["null", "[]", "{}", "{\"topic\": 5}", "\"ping\""] {
        assert_eq!(parse(body.as_bytes()), Err(Malformed::NoTopic), "{body}");
    }
}

/// JSON whose keys are those the parser looks at, with anything below them.
fn shape() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z@.]{0,6}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "data",
        "item",
        "type",
        "id",
        "source",
        "author",
        "contacts",
        "conversation_parts",
        "user",
        "external_id",
        "user_id",
        "email",
        "topic",
        "conversation_message",
        "conversation_id",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_can_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body);
    }

    #[test]
    fn no_shape_can_make_it_panic_or_lose_the_topic(item in shape()) {
        let notification = about("conversation.user.created", item);
        prop_assert_eq!(notification.topic, Topic::UserCreated);
    }
}
