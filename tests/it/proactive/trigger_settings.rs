//! What a product writes down about triggers, and what becomes of what cannot be used.

use event_connector::domain::proactive::trigger::{Look, Registry, Trigger, parse};
use event_connector::domain::proactive::{Context, Flaw, Properties};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::kept;
use super::triggers::{T0, builtin, read, walk};

fn pointers(flaws: &[Flaw]) -> Vec<&str> {
    flaws.iter().map(|flaw| flaw.pointer.as_str()).collect()
}

#[test]
fn a_product_has_no_triggers_until_it_asks_for_some() {
    let ids = |triggers: &Option<Vec<Box<dyn Trigger>>>| -> Option<Vec<String>> {
        let triggers = triggers.as_ref()?.iter();
        Some(triggers.map(|trigger| trigger.id().to_owned()).collect())
    };
    let none = parse(json!({"mode": "sse"}).as_object().expect("an object"));
    assert_eq!((ids(&none.0), none.1), (Some(vec![]), vec![]));

    let default = Some(vec!["canonical_url_ping_pong".to_owned()]);
    let (triggers, flaws) = read(&json!({}));
    assert_eq!((ids(&triggers), flaws), (default.clone(), vec![]));
    let (triggers, flaws) = read(&json!({"builtins": []}));
    assert_eq!(ids(&triggers), default);
    assert_eq!(pointers(&flaws), ["/proactive_triggers/builtins"]);

    let both = [
        builtin("user_page_dwell"),
        builtin("canonical_url_ping_pong"),
    ];
    let (triggers, flaws) = read(&json!({ "builtins": both }));
    let order = ["user_page_dwell", "canonical_url_ping_pong"].map(str::to_owned);
    assert_eq!((ids(&triggers), flaws), (Some(order.to_vec()), vec![]));
    let (triggers, flaws) = read(&json!({"builtins": both, "mode": "ping_pong_only"}));
    assert_eq!(ids(&triggers), default);
    assert_eq!(pointers(&flaws), ["/proactive_triggers/builtins"]);
}

#[test]
fn one_bad_builtin_rejects_everything_and_every_flaw_is_named() {
    let (triggers, flaws) = read(&json!({
        "registry": "mine",
        "builtins": [
            builtin("user_page_dwell"),
            {"id": "nope", "name": "", "description": 5, "cooldown_s": 0, "triggering_type": "now"},
            [],
        ],
    }));
    assert!(triggers.is_none());
    let row = "/proactive_triggers/builtins/1";
    let expected = [
        "/proactive_triggers/registry".to_owned(),
        "/proactive_triggers/builtins/2".to_owned(),
        format!("{row}/id"),
        format!("{row}/name"),
        format!("{row}/description"),
        format!("{row}/cooldown_s"),
        format!("{row}/triggering_type"),
    ];
    assert_eq!(pointers(&flaws), expected);
    for whole in [json!([]), json!("x"), json!(5)] {
        let (triggers, flaws) = read(&whole);
        assert!(triggers.is_none(), "{whole}");
        assert_eq!(pointers(&flaws), ["/proactive_triggers"], "{whole}");
    }
}

#[test]
fn what_cannot_be_used_beside_the_builtins_is_named_and_left_out() {
    let (triggers, flaws) = read(&json!({
        "dwell_threshold_seconds": "soon",
        "user_page_dwell_max_actions": -1,
        "section_url_rules": [{"prefix": "/a"}, {"prefix": "/b", "section_id": "b"}],
        "section_playbook": {"a/b": {"body": "x", "reply_option_labels": [5]}, "c": []},
        "predicates": [
            {"trigger_id": "own", "body": "b", "predicate": {"op": "sometimes"}},
            {"trigger_id": "own", "body": "b", "predicate": {"op": "always"}},
        ],
    }));
    let ids: Vec<String> = triggers
        .iter()
        .flatten()
        .map(|trigger| trigger.id().to_owned())
        .collect();
    assert_eq!(ids, ["canonical_url_ping_pong", "own"]);
    let expected = [
        "dwell_threshold_seconds",
        "user_page_dwell_max_actions",
        "section_url_rules/0/section_id",
        "section_playbook/a~1b/reply_option_labels/0",
        "section_playbook/c",
        "predicates/0/predicate/op",
    ];
    assert_eq!(
        pointers(&flaws),
        expected.map(|path| format!("/proactive_triggers/{path}"))
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let keys = proptest::sample::select(vec![
        "id",
        "builtins",
        "predicates",
        "predicate",
        "op",
        "n",
        "section_playbook",
        "section_url_rules",
        "dwell_threshold_seconds",
        "user_page_dwell_max_actions",
        "dwell_proactive_body",
        "mode",
        "body",
        "a/~b",
    ]);
    let words = prop_oneof![
        Just("always".to_owned()),
        Just("user_page_dwell".to_owned()),
        Just("1_0".to_owned()),
        Just("nan".to_owned()),
        "\\PC{0,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let entry = (keys.clone(), inner.clone());
        let entries = proptest::collection::vec(entry, 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            entries.prop_map(|entries| {
                let entries = entries.into_iter();
                Value::Object(
                    entries
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_down_is_read_without_a_panic(triggers in any_json(), pages in "[ab/ ]{0,8}") {
        let (read, flaws) = read(&triggers);
        prop_assert!(flaws.iter().all(|flaw| flaw.pointer.starts_with("/proactive_triggers")));
        prop_assert!(read.is_some() || !flaws.is_empty());
        let pages: Vec<&str> = pages.split('/').collect();
        let actions = kept(&walk(&pages));
        let registry = Registry::new(read.unwrap_or_default());
        let properties = Properties::new();
        let context = Context::new(T0 + 1000.0, &actions, None, &properties);
        let mut panicked = 0;
        registry.evaluate(&context, |_| false, |_, look| panicked += usize::from(look == Look::Panicked));
        prop_assert_eq!(panicked, 0);
    }
}
