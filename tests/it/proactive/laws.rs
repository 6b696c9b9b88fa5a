//! What products may configure is anything: it is read, evaluated and told of.

use std::collections::BTreeMap;

use event_connector::domain::action::ActionType;
use event_connector::domain::fsm::{Periods, TourRegistry};
use event_connector::domain::proactive::criteria::parse;
use event_connector::domain::proactive::message::{chips, pending_flow_id, tour_offer};
use event_connector::domain::proactive::trigger::Trigger;
use event_connector::domain::proactive::{Actions, Context, Seen};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[test]
fn tours_say_what_is_wrong_and_leave_to_the_session_what_is_null() {
    let config = json!({"tour_registry": [
        {"id": "a", "user_tour_id": 6, "interaction_timeout_s": null, "cooldown_period_s": "5"},
        {"id": true, "user_tour_id": "f", "user_tour_name": "Führung"},
        {"user_tour_id": "g"},
        "x",
    ]});
    let config = config.as_object().expect("a configuration is an object");
    let (tours, flaws) = TourRegistry::of_product(config);
    let tours = tours.expect("there is a list");
    let numbered = tours.get_by_user_tour_id("6").expect("a number is a name");
    assert_eq!(numbered.id, "a");
    let expected = Periods {
        interaction_timeout_s: None,
        cooldown_period_s: Some(120.0),
    };
    assert_eq!(numbered.periods, expected);
    let named = tours.get_by_user_tour_id("f").expect("its tour is known");
    assert_eq!(named.user_tour_name.as_deref(), Some("Führung"));
    assert_eq!(named.periods, Periods::default());
    assert_eq!(tours.get("a"), Some(numbered));
    let expected = ["/0/cooldown_period_s", "/1/id", "/2", "/3"];
    let expected = expected.map(|pointer| format!("/tour_registry{pointer}"));
    let pointers: Vec<&str> = flaws.iter().map(|flaw| &*flaw.pointer).collect();
    assert_eq!(pointers, expected);
}

/// A sound entry, so that others are found around it.
fn entry(criteria: &Value) -> Value {
    json!({"id": "e", "name": "E", "proactive_criteria": criteria, "messages": [{"id": "m", "label": "M"}]})
}

fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = json!({"id": "l", "name": "L", "type": "user_property", "params": {"key": "x", "op": "not_exists"}});
    let word = prop_oneof![
        "\\PC{0,6}",
        prop::sample::select(vec![
            "AND",
            "OR",
            "idle",
            "dwell",
            "url_matches",
            "eq",
            "[a-z]+",
            "1"
        ])
        .prop_map(str::to_owned),
    ];
    let key = prop::sample::select(vec![
        "id",
        "name",
        "type",
        "operator",
        "conditions",
        "params",
        "proactive_criteria",
        "messages",
        "label",
        "user_tour_exists",
        "user_tour_id",
        "flow_id",
        "min_s",
        "min",
        "regex",
        "value",
        "key",
        "op",
        "body",
        "accept",
        "cooldown_s",
        "interaction_timeout_s",
    ]);
    let flat = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        Just(leaf.clone()),
        Just(entry(&leaf)),
    ];
    flat.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8).prop_map(|fields| {
                let named = fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(named.collect())
            }),
        ]
    })
}

proptest! {
    /// Whatever is configured is read, evaluated and told of; flaws point to what is there or missing below it.
    #[test]
    fn nothing_that_is_configured_panics(entries in prop::collection::vec(arbitrary(), 0..4), stored in "\\PC{0,20}") {
        let list = Value::from(entries);
        let properties = BTreeMap::new();
        let nothing = Actions::default();
        let context = Context::new(0.0, &nothing, None, &properties);
        for intercom in [list.clone(), list[0].clone()] {
            let config = Map::from_iter([("proactive_intercom".to_owned(), intercom)]);
            let (campaigns, flaws) = parse(&config);
            for campaign in &campaigns {
                let _ = campaign.evaluate(&context);
                let _ = campaign.deadline(&context, f64::INFINITY);
                prop_assert!(!campaign.id().is_empty());
            }
            for flaw in &flaws {
                prop_assert!(flaw.pointer.starts_with("/proactive_intercom"));
                let above = flaw.pointer.rsplit_once('/').map_or("", |(above, _)| above);
                let root = Value::Object(config.clone());
                prop_assert!(above.ends_with("/params") || above.ends_with("/proactive_criteria")
                    || root.pointer(above).is_some(), "{}", flaw.pointer);
            }
            let chips = chips(&config);
            prop_assert!(chips.iter().all(|chip| !chip.label.is_empty() && !chip.id.is_empty()));
            let _ = tour_offer(&chips, &stored, "");
            let tours = Map::from_iter([("tour_registry".to_owned(), list.clone())]);
            let _ = TourRegistry::of_product(&tours);
        }
        let _ = pending_flow_id(&stored, "");
    }
}

/// Clicks on two things of one page, at these whole seconds.
fn clicks(times: &[(u8, bool)]) -> Actions {
    let click = |(at, is_first): &(u8, bool)| Seen {
        canonical_url: "https://app.example/team".into(),
        r#type: ActionType::Click,
        title: if *is_first { "Save" } else { "Send" }.into(),
        start: f64::from(*at),
        end: f64::from(*at),
    };
    times.iter().map(click).collect()
}

proptest! {
    /// A rage is found whichever way the actions arrived: what is looked at does not depend on their order.
    #[test]
    fn a_rage_is_so_many_clicks_on_one_thing_within_the_time(
        mut times in prop::collection::vec((0..40_u8, any::<bool>()), 0..12),
        min in 1..5_usize,
        within_s in 1..8_u8,
    ) {
        let leaf = json!({
            "id": "l", "name": "L", "type": "rage_click",
            "params": {"min": min, "within_s": within_s},
        });
        let config = json!({"proactive_intercom": [entry(&leaf)]});
        let (campaigns, flaws) = parse(config.as_object().expect("an object"));
        prop_assert_eq!(flaws, vec![]);
        let properties = BTreeMap::new();
        let is_found = |times: &[(u8, bool)]| {
            let actions = clicks(times);
            let context = Context::new(100.0, &actions, None, &properties);
            campaigns[0].evaluate(&context).is_some()
        };
        let is_rage = times.iter().any(|(last, thing)| {
            let burst = times.iter().filter(|(at, other)| {
                other == thing && at <= last && last - at <= within_s
            });
            burst.count() >= min
        });
        prop_assert_eq!(is_found(&times), is_rage);
        times.sort_unstable();
        prop_assert_eq!(is_found(&times), is_rage);
    }
}
