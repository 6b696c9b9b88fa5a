//! What an application says of its user, as a session keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_connector::domain::action::{Activity, PROPERTIES_MAX, Property};
use event_connector::domain::proactive::Scalar;
use serde_json::json;

use super::stage::{Stage, T0, action};

fn says(name: &str, value: Scalar) -> Property {
    Property {
        name: name.into(),
        value,
        once: false,
    }
}

fn text(value: &str) -> Scalar {
    Scalar::Text(value.into())
}

#[test]
fn the_newest_value_counts_unless_it_was_to_count_once() {
    let mut stage = Stage::new();
    stage.says(&[
        says("plan", text("trial")),
        says("seats", Scalar::Number(3.0)),
    ]);
    stage.act(T0, &[action("a", T0)]);
    let first = Property {
        once: true,
        ..says("plan", text("free"))
    };
    let new = Property {
        once: true,
        ..says("campaign", text("spring"))
    };
    stage.says(&[first, new, says("seats", Scalar::Number(4.0))]);
    stage.act(T0 + 1.0, &[action("b", T0 + 1.0)]);
    let expected: BTreeMap<Arc<str>, Scalar> = BTreeMap::from([
        ("plan".into(), text("trial")),
        ("campaign".into(), text("spring")),
        ("seats".into(), Scalar::Number(4.0)),
    ]);
    assert_eq!(stage.session.properties, expected);
}

#[test]
fn names_beyond_the_bound_are_dropped_and_counted() {
    let mut stage = Stage::new();
    let names: Vec<String> = (0..PROPERTIES_MAX).map(|at| format!("p{at}")).collect();
    let all: Vec<Property> = names
        .iter()
        .map(|name| says(name, Scalar::Flag(true)))
        .collect();
    stage.says(&all);
    stage.act(T0, &[action("a", T0)]);
    assert_eq!(stage.dropped_properties, 0);
    stage.says(&[says("late", text("no room")), says("p0", text("new"))]);
    stage.act(T0 + 1.0, &[action("b", T0 + 1.0)]);
    assert_eq!(stage.dropped_properties, 1);
    assert_eq!(stage.session.properties.len(), PROPERTIES_MAX);
    assert_eq!(stage.session.properties["p0"], text("new"));
}

#[test]
fn a_session_of_whose_user_nothing_is_said_is_stored_as_before() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    let state = String::from_utf8_lossy(&stage.stored.state).into_owned();
    assert!(!state.contains("properties"), "{state}");
}

#[test]
fn no_property_looks_like_a_member_of_ours() {
    let mut stage = Stage::new();
    stage.says(&[
        says("user", text("u_1")),
        says("user_id", text("u_1")),
        says("email", text("a@b.example")),
    ]);
    stage.act(T0, &[action("a", T0)]);
    let state = String::from_utf8_lossy(&stage.stored.state).into_owned();
    for mark in [
        r#""user":"u_1""#,
        r#""user_id":"u_1""#,
        r#"["user","u_1"]"#,
        r#"["email","a@b.example"]"#,
    ] {
        assert!(!state.contains(mark), "{state}");
    }
}

#[test]
fn activity_that_an_earlier_version_spooled_is_read() {
    let spooled = json!({
        "provider": "posthog", "body_key": 7, "identities": [], "actions": [],
    });
    let read: Activity = serde_json::from_value(spooled.clone()).expect("readable");
    assert_eq!(read.properties, []);
    assert_eq!(serde_json::to_value(&read).expect("writable"), spooled);
}
