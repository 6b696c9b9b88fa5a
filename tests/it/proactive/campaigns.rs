//! Entries of `proactive_intercom` as products write them: what they say, what is wrong with them, what bounds them.

use std::collections::BTreeMap;

use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::criteria::{
    Campaign, ENTRIES_MAX, LEVELS_MAX, NODES_MAX, parse,
};
use event_connector::domain::proactive::message::{DEFAULT_BODY, chips, tour_offer};
use event_connector::domain::proactive::trigger::Trigger;
use event_connector::domain::proactive::{Actions, Context, Flaw, Offer, Scalar, Seen};
use serde_json::{Map, Value, json};

use super::kept;

fn config(intercom: Value) -> Map<String, Value> {
    Map::from_iter([("proactive_intercom".to_owned(), intercom)])
}

/// A condition that holds for everybody.
fn always() -> Value {
    json!({"id": "a", "name": "A", "type": "user_property", "params": {"key": "x", "op": "not_exists"}})
}

fn entry() -> Value {
    json!({
        "id": "welcome",
        "name": "Welcome",
        "proactive_criteria": always(),
        "messages": [{"id": "m1", "label": "Show me"}],
    })
}

fn with(changes: Value) -> Value {
    let mut entry = entry();
    for (key, value) in changes.as_object().expect("changes are an object") {
        entry[key] = value.clone();
    }
    entry
}

fn offer(campaign: &Campaign) -> Option<Offer> {
    campaign.evaluate(&Context::new(
        0.0,
        &Actions::default(),
        None,
        &BTreeMap::new(),
    ))
}

fn pointers(flaws: &[Flaw]) -> Vec<&str> {
    flaws.iter().map(|flaw| &*flaw.pointer).collect()
}

/// The only entry, sound in itself, and where something is wrong with it.
fn read(entry: &Value) -> (Campaign, Vec<String>) {
    let (mut campaigns, flaws) = parse(&config(json!([entry])));
    let flaws = flaws.into_iter().map(|flaw| flaw.pointer);
    let campaign = campaigns.pop().expect("the entry stays");
    (campaign, flaws.collect())
}

#[test]
fn an_offer_says_what_its_entry_says() {
    let (plain, flaws) = read(&entry());
    let expected = Offer {
        trigger_id: "welcome".to_owned(),
        body: DEFAULT_BODY.to_owned(),
        reply_option_labels: vec!["Show me".to_owned()],
        metadata: Map::from_iter([
            ("name".to_owned(), json!("Welcome")),
            ("criteria_id".to_owned(), json!("a")),
            ("matched".to_owned(), json!(["a"])),
        ]),
        interaction_timeout_s: 10.0,
        cooldown_s: 30.0,
        user_tour_id: None,
    };
    assert_eq!(offer(&plain), Some(expected.clone()));
    assert!(flaws.is_empty(), "{flaws:?}");

    let (full, flaws) = read(&with(json!({
        "messages": [
            {"id": "m1", "label": " Not now "},
            {"id": "m2", "label": "Show me", "user_tour_exists": true, "user_tour_id": "flow"},
            {"id": "m3", "label": "Else", "user_tour_exists": true, "user_tour_id": "other"},
        ],
        "body": "  Shall we?  ",
        "interaction_timeout_s": 15,
        "cooldown_s": 600,
        "accept": "m3",
    })));
    assert_eq!(
        offer(&full),
        Some(Offer {
            body: "Shall we?".to_owned(),
            reply_option_labels: ["Else", "Not now", "Show me"].map(str::to_owned).to_vec(),
            interaction_timeout_s: 15.0,
            cooldown_s: 600.0,
            user_tour_id: Some("other".to_owned()),
            ..expected
        })
    );
    assert!(flaws.is_empty(), "{flaws:?}");
}

/// A condition with something wrong at a pointer below it, which would match if that were overlooked.
fn expect_never(condition: &Value, at: &str) {
    let either = json!({"id": "g", "name": "G", "operator": "OR", "conditions": [condition]});
    let (campaign, flaws) = read(&with(json!({"proactive_criteria": either})));
    let pointer = format!("/proactive_intercom/0/proactive_criteria/conditions/0{at}");
    assert_eq!(flaws, [pointer], "{condition}");
    let properties = BTreeMap::from([("k".into(), Scalar::Number(2.0))]);
    let actions = ["/a", "/b", "/b", "/b"].map(|url| Seen {
        canonical_url: url.into(),
        r#type: ActionType::Click,
        title: "Click it".into(),
        start: 0.0,
        end: 0.0,
    });
    let actions = kept(&actions);
    for now in [0.0, 1e9] {
        let context = Context::new(now, &actions, None, &properties);
        assert_eq!(campaign.evaluate(&context), None, "{condition}");
        assert_eq!(
            campaign.deadline(&context, f64::INFINITY),
            None,
            "{condition}"
        );
    }
}

#[test]
fn a_condition_that_nobody_knows_or_that_lacks_its_parameters_is_told_and_never_matches() {
    for (r#type, at) in [
        (json!("made_up"), "/type"),
        (json!(null), "/type"),
        (json!("url_change"), "/params"),
        (json!("rage_click"), "/params"),
    ] {
        expect_never(&json!({"id": "l", "name": "L", "type": r#type}), at);
    }
}

#[test]
fn a_condition_with_wrong_parameters_is_told_and_never_matches() {
    let long = "x".repeat(257);
    for (r#type, params, at) in [
        ("url_change", json!([]), ""),
        ("url_change", json!({"form": "/b"}), ""),
        ("url_change", json!({"to": 5}), "/to"),
        ("url_contains", json!({}), "/value"),
        ("url_contains", json!({"value": " "}), "/value"),
        ("url_matches", json!({"regex": "("}), "/regex"),
        ("url_matches", json!({"regex": "(?=/)"}), "/regex"),
        (
            "url_matches",
            json!({"regex": "(\\w{500}){500}|/"}),
            "/regex",
        ),
        ("user_property", json!({"key": "k", "op": "is"}), "/op"),
        ("user_property", json!({"key": "k", "op": "eq"}), "/value"),
        (
            "user_property",
            json!({"key": "k", "op": "gt", "value": "1"}),
            "/value",
        ),
        ("user_property", json!({"op": "exists"}), "/key"),
        ("recent_action", json!({"within_s": 5}), "/title_contains"),
        ("recent_action", json!({"type": "hover"}), "/type"),
        (
            "recent_action",
            json!({"title_contains": long}),
            "/title_contains",
        ),
        ("action_count", json!({"min": 0}), "/min"),
        ("action_count", json!({"min": 1.5}), "/min"),
        ("rage_click", json!({"min": 3}), "/within_s"),
        ("dwell", json!({"min_s": 0}), "/min_s"),
        ("idle", json!({"min_s": 1e300}), "/min_s"),
    ] {
        let leaf = json!({"id": "l", "name": "L", "type": r#type, "params": params});
        expect_never(&leaf, &format!("/params{at}"));
    }
}

#[test]
fn a_broken_entry_is_skipped_with_all_that_is_wrong_with_it() {
    let broken = json!({
        "id": "b",
        "proactive_criteria": {"id": "g", "name": "G", "operator": "and", "conditions": [
            {"name": "L", "type": "idle", "params": {"min_s": 5}},
            7,
            {"id": "l", "name": "L"},
            {"id": "l", "name": "L", "operator": "OR", "conditions": []},
        ]},
        "messages": [{"id": "m"}, {"id": "t", "label": "T", "user_tour_exists": true}, 5],
    });
    let (campaigns, flaws) = parse(&config(json!([broken, entry(), 5])));
    assert_eq!(campaigns.len(), 1);
    assert_eq!(campaigns[0].id(), "welcome");
    let expected = [
        "/0/name",
        "/0/proactive_criteria/operator",
        "/0/proactive_criteria/conditions/0/id",
        "/0/proactive_criteria/conditions/1",
        "/0/proactive_criteria/conditions/2/type",
        "/0/proactive_criteria/conditions/3/conditions",
        "/0/messages/0/label",
        "/0/messages/1/user_tour_id",
        "/0/messages/2",
        "/0",
        "/2",
    ];
    let expected = expected.map(|pointer| format!("/proactive_intercom{pointer}"));
    assert_eq!(pointers(&flaws), expected);
}

#[test]
fn what_an_entry_adds_wrongly_is_told_and_its_default_counts() {
    let (campaign, flaws) = read(&with(json!({
        "id": null,
        "messages": [{"id": "m", "label": null}],
        "body": "é".repeat(151),
        "interaction_timeout_s": "15",
        "cooldown_s": -1,
        "accept": "m",
    })));
    let expected = [
        "messages",
        "accept",
        "body",
        "interaction_timeout_s",
        "cooldown_s",
    ];
    let expected = expected.map(|name| format!("/proactive_intercom/0/{name}"));
    assert_eq!(flaws, expected);
    assert_eq!(campaign.id(), "proactive_intercom_0");
    let offer = offer(&campaign).expect("it matches");
    assert_eq!(offer.body, "é".repeat(150));
    assert_eq!(offer.reply_option_labels, [""; 0]);
    assert_eq!(
        (offer.interaction_timeout_s, offer.cooldown_s),
        (10.0, 30.0)
    );
}

#[test]
fn the_old_object_is_one_entry_and_old_names_bring_their_tours() {
    let mut old = with(
        json!({"messages": [{"id": "m", "label": "Ja", "offers_tour": true, "flow_id": "f"}]}),
    );
    let (campaigns, flaws) = parse(&config(old.clone()));
    assert_eq!(flaws, []);
    let offer = offer(&campaigns[0]).expect("it matches");
    assert_eq!(offer.user_tour_id.as_deref(), Some("f"));
    let fields = old.as_object_mut().expect("an entry is an object");
    fields.remove("proactive_criteria");
    let old = config(old);
    let (campaigns, flaws) = parse(&old);
    assert!(campaigns.is_empty() && flaws.is_empty());
    assert_eq!(tour_offer(&chips(&old), " JA ", "default"), Some("f"));
}

#[test]
fn a_list_and_an_object_are_all_that_there_can_be() {
    for nothing in [json!(null), json!([])] {
        assert_eq!(parse(&config(nothing)).1, []);
    }
    let (campaigns, flaws) = parse(&config(json!("x")));
    assert!(campaigns.is_empty());
    assert_eq!(pointers(&flaws), ["/proactive_intercom"]);
}

/// A condition below so many groups.
fn nested(groups: usize) -> Value {
    (0..groups).fold(
        always(),
        |inner, _| json!({"id": "g", "name": "G", "operator": "AND", "conditions": [inner]}),
    )
}

#[test]
fn a_tree_has_bounds() {
    let is_read = |criteria: Value| {
        let (campaigns, flaws) = parse(&config(json!([with(
            json!({"proactive_criteria": criteria})
        )])));
        assert_eq!(campaigns.is_empty(), !flaws.is_empty());
        assert!(flaws.len() <= 2, "one reason, and the entry: {flaws:?}");
        !campaigns.is_empty()
    };
    assert!(is_read(nested(LEVELS_MAX - 1)));
    assert!(!is_read(nested(LEVELS_MAX)));
    let wide = |leaves: usize| {
        let conditions = vec![always(); leaves];
        json!({"id": "g", "name": "G", "operator": "OR", "conditions": conditions})
    };
    assert!(is_read(wide(NODES_MAX - 1)));
    assert!(!is_read(wide(NODES_MAX)));
    assert!(!is_read(wide(NODES_MAX * 100)));
}

#[test]
fn a_product_has_so_many_entries() {
    let (campaigns, flaws) = parse(&config(json!(vec![entry(); ENTRIES_MAX + 2])));
    assert_eq!(campaigns.len(), ENTRIES_MAX);
    assert_eq!(
        pointers(&flaws),
        [format!("/proactive_intercom/{ENTRIES_MAX}")]
    );
}
