//! The conditions of a campaign: each matches once and is held back once, and waits for no more than it has to.

use std::collections::BTreeMap;

use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::criteria::{Campaign, parse};
use event_connector::domain::proactive::trigger::Trigger;
use event_connector::domain::proactive::{Actions, Context, Scalar, Seen};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::kept;

const NOW: f64 = 1_700_000_000.0;

const HOME: &str = "https://app.example/home";
const BILLING: &str = "https://app.example/billing/:id";
const TEAM: &str = "https://app.example/team";

/// An action that many seconds ago.
fn seen(ago_s: f64, url: &str, r#type: ActionType, title: &str) -> Seen<'static> {
    Seen {
        canonical_url: url.to_owned().into(),
        r#type,
        title: title.to_owned().into(),
        start: NOW - ago_s,
        end: NOW - ago_s,
    }
}

fn view(ago_s: f64, url: &str) -> Seen<'static> {
    seen(ago_s, url, ActionType::Pageview, "Open page")
}

fn click(ago_s: f64, title: &str) -> Seen<'static> {
    seen(ago_s, HOME, ActionType::Click, title)
}

fn leaf(r#type: &str, params: Value) -> Value {
    json!({"id": format!("l_{type}", type = r#type), "name": "L", "type": r#type, "params": params})
}

fn group(operator: &str, conditions: &[Value]) -> Value {
    json!({"id": "g", "name": "G", "operator": operator, "conditions": conditions})
}

/// A campaign with nothing wrong with it.
fn campaign(criteria: &Value) -> Campaign {
    let entry = json!({"id": "e", "name": "E", "proactive_criteria": criteria, "messages": [{"id": "m", "label": "M"}]});
    let config = Map::from_iter([("proactive_intercom".to_owned(), json!([entry]))]);
    let (mut campaigns, flaws) = parse(&config);
    assert_eq!(flaws, [], "{criteria}");
    campaigns.pop().expect("a sound entry is a campaign")
}

fn matches(criteria: &Value, actions: &[Seen<'_>]) -> bool {
    let (actions, none) = (kept(actions), BTreeMap::new());
    let context = &Context::new(NOW, &actions, None, &none);
    campaign(criteria).evaluate(context).is_some()
}

fn deadline(criteria: &Value, actions: &[Seen<'_>]) -> Option<f64> {
    let (actions, none) = (kept(actions), BTreeMap::new());
    let context = &Context::new(NOW, &actions, None, &none);
    let deadline = campaign(criteria).deadline(context, f64::INFINITY);
    deadline.map(|deadline| deadline - NOW)
}

#[test]
fn a_page_is_the_one_that_the_newest_page_of_an_action_names() {
    let contains = leaf("url_contains", json!({"value": "/billing"}));
    let off_page = seen(1.0, "", ActionType::Custom, "Import finished");
    assert!(matches(&contains, &[view(9.0, HOME), view(5.0, BILLING)]));
    assert!(matches(&contains, &[view(5.0, BILLING), off_page]));
    assert!(!matches(&contains, &[view(9.0, BILLING), view(5.0, HOME)]));
    assert!(!matches(&contains, &[]));
}

#[test]
fn a_page_is_found_by_a_pattern() {
    let pattern = leaf("url_matches", json!({"regex": "/billing/[^/]+$"}));
    assert!(matches(&pattern, &[view(5.0, BILLING)]));
    assert!(!matches(&pattern, &[view(5.0, BILLING), view(1.0, TEAM)]));
}

#[test]
fn a_change_of_page_is_the_one_that_led_to_the_current_page() {
    let [any, to_team] = [json!({}), json!({"from": "/billing", "to": "/team"})]
        .map(|params| leaf("url_change", params));
    let change = [view(9.0, BILLING), view(8.0, TEAM), view(7.0, TEAM)];
    assert!(matches(&any, &change));
    assert!(matches(&to_team, &change));
    assert!(!matches(&any, &change[1..]));
    let gone_on = [change.as_slice(), &[view(1.0, HOME)]].concat();
    assert!(matches(&any, &gone_on));
    assert!(!matches(&to_team, &gone_on));
    assert!(!matches(&to_team, &[view(2.0, HOME), view(1.0, TEAM)]));
}

#[test]
fn a_property_compares_by_its_kind_and_an_unknown_one_is_only_not_there() {
    let properties = BTreeMap::from([
        ("plan".into(), Scalar::Text("trial".into())),
        ("seats".into(), Scalar::Number(5.0)),
        ("admin".into(), Scalar::Flag(true)),
    ]);
    let holds = |key: &str, op: &str, value: Value| {
        let leaf = leaf(
            "user_property",
            json!({"key": key, "op": op, "value": value}),
        );
        let nothing = Actions::default();
        let context = Context::new(NOW, &nothing, None, &properties);
        campaign(&leaf).evaluate(&context).is_some()
    };
    for (key, op, value) in [
        ("plan", "eq", json!("trial")),
        ("plan", "ne", json!("Trial")),
        ("plan", "contains", json!("ria")),
        ("admin", "eq", json!(true)),
        ("seats", "eq", json!(5)),
        ("seats", "ne", json!("5")),
        ("seats", "gt", json!(4.5)),
        ("seats", "gte", json!(5)),
        ("seats", "lt", json!(6)),
        ("seats", "lte", json!(5)),
        ("plan", "exists", Value::Null),
        ("role", "not_exists", Value::Null),
    ] {
        assert!(holds(key, op, value), "{key} {op}");
    }
    for (key, op, value) in [
        ("plan", "eq", json!("pro")),
        ("plan", "ne", json!("trial")),
        ("plan", "contains", json!("RIA")),
        ("plan", "gt", json!(0)),
        ("seats", "contains", json!("5")),
        ("seats", "gt", json!(5)),
        ("seats", "gte", json!(5.1)),
        ("seats", "lt", json!(5)),
        ("seats", "lte", json!(4)),
        ("role", "eq", json!("x")),
        ("role", "ne", json!("x")),
        ("role", "exists", Value::Null),
        ("plan", "not_exists", Value::Null),
    ] {
        assert!(!holds(key, op, value), "{key} {op}");
    }
}

#[test]
fn a_recent_action_is_known_by_its_title_its_type_and_its_age() {
    let export = leaf(
        "recent_action",
        json!({"title_contains": "EXPORT as", "type": "click", "within_s": 30}),
    );
    assert!(matches(&export, &[click(30.0, "Click Export AS csv")]));
    assert!(!matches(&export, &[click(30.1, "Click Export as csv")]));
    assert!(!matches(&export, &[click(1.0, "Click Expor")]));
    assert!(!matches(&export, &[view(1.0, HOME)]));
    let form = leaf("recent_action", json!({"type": "submit"}));
    let submit = seen(900.0, HOME, ActionType::Submit, "Submit form");
    assert!(matches(&form, &[submit]));
    assert!(!matches(&form, &[click(1.0, "Submit form")]));
}

#[test]
fn a_title_is_found_whatever_its_case_in_any_script() {
    for (part, title, is_in) in [
        ("größe", "Click GRÖSSE or GRÖßE", true),
        ("ΜΕΝΟΎ", "Click μενού", true),
        ("save", "Click ſave", false),
        ("aab", "aaab", true),
        ("export", "Click Edit profile", false),
        ("b", "", false),
        ("longer than it", "longer", false),
    ] {
        let leaf = leaf("recent_action", json!({"title_contains": part}));
        assert_eq!(matches(&leaf, &[click(1.0, title)]), is_in, "{part}");
    }
}

#[test]
fn actions_are_counted_as_far_back_as_is_said() {
    let busy = leaf("action_count", json!({"min": 3, "within_s": 10}));
    let actions = [11.0, 10.0, 5.0, 1.0].map(|ago_s| view(ago_s, HOME));
    assert!(matches(&busy, &actions));
    assert!(!matches(&busy, &actions[2..]));
    let ever = leaf("action_count", json!({"min": 4}));
    assert!(matches(&ever, &actions));
    assert!(!matches(&ever, &actions[1..]));
}

#[test]
fn rage_is_the_same_click_over_and_over_on_this_page_whenever_it_is_told() {
    let rage = leaf("rage_click", json!({"min": 3, "within_s": 2}));
    let burst = [60.0, 59.0, 58.0].map(|ago_s| click(ago_s, "Click Save"));
    assert!(matches(&rage, &burst));
    let slow = [60.0, 59.0, 57.9].map(|ago_s| click(ago_s, "Click Save"));
    assert!(!matches(&rage, &slow));
    let mut other_thing = burst.clone();
    other_thing[1].title = "Click Cancel".into();
    assert!(!matches(&rage, &other_thing));
    let mut other_page = burst.clone();
    other_page[0].canonical_url = TEAM.into();
    assert!(!matches(&rage, &other_page));
    let mut typed = burst.clone();
    typed[1].r#type = ActionType::Type;
    assert!(!matches(&rage, &typed));
    let left = [burst.as_slice(), &[view(1.0, TEAM)]].concat();
    assert!(!matches(&rage, &left));
}

#[test]
fn dwelling_lasts_from_the_first_action_on_the_page_to_now() {
    let dwell = leaf("dwell", json!({"min_s": 45}));
    let off_page = seen(2.0, "", ActionType::Custom, "Sync");
    let actions = [
        view(90.0, TEAM),
        view(45.0, HOME),
        click(20.0, "Click Help"),
        off_page,
    ];
    assert!(matches(&dwell, &actions));
    let longer = leaf("dwell", json!({"min_s": 45.1}));
    assert!(!matches(&longer, &actions));
    assert_eq!(deadline(&dwell, &actions), None);
    let soon = deadline(&longer, &actions).expect("it waits");
    assert!((soon - 0.1).abs() < 0.002, "{soon}");
    assert_eq!(deadline(&longer, &[]), None);
}

#[test]
fn idling_lasts_from_the_newest_action_to_now() {
    let idle = leaf("idle", json!({"min_s": 20}));
    assert!(matches(&idle, &[view(50.0, HOME), view(20.0, HOME)]));
    let late = [view(5.0, HOME), view(300.0, HOME)];
    assert!(!matches(&idle, &late));
    assert_eq!(deadline(&idle, &late), Some(15.0));
    assert!(!matches(&idle, &[]));
}

#[test]
fn the_built_in_triggers_may_stand_in_a_tree() {
    let hesitates = json!({"id": "p", "name": "P", "type": "canonical_url_ping_pong"});
    let there = [view(9.0, HOME), view(8.0, TEAM)];
    assert!(!matches(&hesitates, &there));
    let back = [there.as_slice(), &[view(7.0, HOME)]].concat();
    assert!(matches(&hesitates, &back));
    let wander = [HOME, HOME, TEAM, BILLING].map(|url| view(5.0, url));
    assert!(matches(&hesitates, &wander));
    assert!(!matches(&hesitates, &wander[1..]));

    let lingers = json!({"id": "d", "name": "D", "type": "user_page_dwell"});
    let run = [view(90.0, TEAM), view(60.0, HOME), click(59.0, "Click")];
    assert!(matches(&lingers, &run));
    assert_eq!(deadline(&lingers, &run[2..]), Some(1.0));
    let busy = [60.0; 6].map(|ago_s| view(ago_s, HOME));
    assert!(!matches(&lingers, &busy));
    assert!(matches(&lingers, &busy[1..]));
    assert_eq!(deadline(&lingers, &busy), None);
}

#[test]
fn groups_combine_and_say_which_leaves_it_was() {
    let tree = group(
        "AND",
        &[
            leaf("url_contains", json!({"value": "/home"})),
            group(
                "OR",
                &[
                    leaf("idle", json!({"min_s": 600})),
                    leaf("dwell", json!({"min_s": 5})),
                    leaf("action_count", json!({"min": 1})),
                ],
            ),
        ],
    );
    let none = BTreeMap::new();
    let actions = kept(&[view(10.0, HOME)]);
    let offer = campaign(&tree).evaluate(&Context::new(NOW, &actions, None, &none));
    let offer = offer.expect("the tree matches");
    assert_eq!(
        Value::Object(offer.metadata),
        json!({
            "name": "E",
            "criteria_id": "g",
            "matched": ["l_url_contains", "l_dwell", "l_action_count"],
        })
    );
    assert!(!matches(&tree, &[view(10.0, TEAM)]));
    assert!(!matches(&group("OR", &[tree]), &[]));
}

#[test]
fn a_tree_waits_for_the_moment_at_which_all_of_it_matches() {
    let both = |within_s: f64| {
        group(
            "AND",
            &[
                leaf("idle", json!({"min_s": 10})),
                leaf("dwell", json!({"min_s": 40})),
                leaf(
                    "recent_action",
                    json!({"type": "click", "within_s": within_s}),
                ),
            ],
        )
    };
    let actions = [view(30.0, HOME), click(5.0, "Click Help")];
    assert_eq!(deadline(&both(15.0), &actions), Some(10.0));
    // By then the click is too long ago.
    assert_eq!(deadline(&both(14.0), &actions), None);
    let either = group(
        "OR",
        &[
            leaf("idle", json!({"min_s": 60})),
            leaf("dwell", json!({"min_s": 40})),
        ],
    );
    assert_eq!(deadline(&either, &actions), Some(10.0));
}

fn url() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just(HOME), Just(BILLING), Just(TEAM)]
}

fn actions() -> impl Strategy<Value = Vec<Seen<'static>>> {
    let one = (0.0..200.0_f64, url(), any::<bool>(), 0..3_u8);
    let one = one.prop_map(|(ago_s, url, is_click, title)| {
        let r#type = if is_click {
            ActionType::Click
        } else {
            ActionType::Pageview
        };
        seen(ago_s, url, r#type, &format!("Click {title}"))
    });
    proptest::collection::vec(one, 0..12)
}

fn tree() -> impl Strategy<Value = Value> {
    let seconds = || 1.0..200.0_f64;
    let leaf = prop_oneof![
        seconds().prop_map(|min_s| leaf("dwell", json!({"min_s": min_s}))),
        seconds().prop_map(|min_s| leaf("idle", json!({"min_s": min_s}))),
        seconds().prop_map(|s| leaf("recent_action", json!({"type": "click", "within_s": s}))),
        seconds().prop_map(|s| leaf("action_count", json!({"min": 2, "within_s": s}))),
        seconds().prop_map(|s| leaf("rage_click", json!({"min": 2, "within_s": s}))),
        Just(json!({"id": "d", "name": "D", "type": "user_page_dwell"})),
        Just(leaf("url_contains", json!({"value": "/home"}))),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let operator = prop_oneof![Just("AND"), Just("OR")];
        (operator, proptest::collection::vec(inner, 1..4))
            .prop_map(|(operator, conditions)| group(operator, &conditions))
    })
}

proptest! {
    /// Whoever looks at the deadline finds a match, and nobody who looks before it does.
    #[test]
    fn a_deadline_is_the_first_instant_at_which_the_tree_matches(
        tree in tree(),
        actions in actions(),
        looks in proptest::collection::vec(0.0..300.0_f64, 20),
    ) {
        let campaign = campaign(&tree);
        let none = BTreeMap::new();
        let actions = kept(&actions);
        let at = |now: f64| Context::new(now, &actions, None, &none);
        let matches = |now: f64| campaign.evaluate(&at(now)).is_some();
        match campaign.deadline(&at(NOW), f64::INFINITY) {
            Some(deadline) if matches(NOW) => prop_assert!(deadline > NOW && matches(deadline)),
            Some(deadline) => {
                prop_assert!(deadline > NOW);
                prop_assert!(matches(deadline));
                prop_assert_eq!(campaign.deadline(&at(NOW), deadline), None);
                for look in looks {
                    let look = NOW + look;
                    prop_assert!(look >= deadline || !matches(look), "{look} {deadline}");
                }
            }
            None if matches(NOW) => {}
            None => for look in looks {
                prop_assert!(!matches(NOW + look));
            },
        }
    }
}
