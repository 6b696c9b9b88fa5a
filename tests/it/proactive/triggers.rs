//! Triggers, one by one and in their order.

use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::trigger::{
    Look, Missing, PageDwell, Registry, Scope, Trigger, parse,
};
use event_connector::domain::proactive::{Actions, Context, Flaw, Offer, Properties, Scalar, Seen};
use event_connector::domain::time::later;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::kept;

/// The time at which stories begin: 2026-05-18 09:14:00 UTC.
pub(super) const T0: f64 = 1_779_095_640.0;

fn seen(canonical_url: &str, start: f64) -> Seen<'static> {
    Seen {
        canonical_url: canonical_url.to_owned().into(),
        r#type: ActionType::Click,
        title: "Click Save".into(),
        start,
        end: start,
    }
}

/// One action a second on these pages.
pub(super) fn walk(pages: &[&str]) -> Vec<Seen<'static>> {
    let times = (0..).map(|second| T0 + f64::from(second));
    let pages = pages.iter().zip(times);
    pages.map(|(page, at)| seen(page, at)).collect()
}

/// What is read from `proactive_triggers`.
pub(super) fn read(triggers: &Value) -> (Option<Vec<Box<dyn Trigger>>>, Vec<Flaw>) {
    let config = json!({ "proactive_triggers": triggers });
    parse(config.as_object().expect("an object"))
}

/// The triggers, of which nothing may be wrong.
fn registry(triggers: &Value) -> Registry {
    let (read, flaws) = read(triggers);
    assert_eq!(flaws, []);
    Registry::new(read.expect("triggers"))
}

fn first(registry: &Registry, now: f64, actions: &[Seen<'_>]) -> Option<Offer> {
    let (actions, properties) = (kept(actions), Properties::new());
    let context = Context::new(now, &actions, None, &properties);
    registry.evaluate(&context, |_| false, |_, _| {})
}

pub(super) fn builtin(id: &str) -> Value {
    json!({"id": id, "name": "N", "description": "D"})
}

#[test]
fn going_back_and_forth_leads_to_an_offer() {
    let registry = registry(&json!({}));
    let forward = walk(&["/plans", "/team", "/bills"]);
    assert_eq!(first(&registry, T0, &forward), None);

    let back = walk(&["/plans", "/team", "/plans"]);
    let offer = first(&registry, T0, &back).expect("an offer");
    assert_eq!(offer.trigger_id, "canonical_url_ping_pong");
    assert_eq!(offer.body, "Need my expert help?");
    assert_eq!(
        (offer.interaction_timeout_s, offer.cooldown_s),
        (10.0, 30.0)
    );
    assert_eq!(offer.metadata["matched"], json!(["strict_ping_pong"]));
    assert_eq!(offer.metadata["triggering_type"], "llm_judge_validation");
}

#[test]
fn back_and_forth_can_be_confined_to_one_part_of_the_product() {
    let anywhere = walk(&["/team", "/bills", "/team"]);
    let within = walk(&["/plans/pro", "/bills", "/plans/pro"]);
    for key in ["url_must_contain", "leg_must_contain"] {
        let registry = registry(&json!({key: "/plans", "broaden_with_hesitation": false}));
        assert_eq!(first(&registry, T0, &anywhere), None, "{key}");
        assert!(first(&registry, T0, &within).is_some(), "{key}");
    }
    // A look at a page in scope is enough for the one, and not for the other.
    let beside = walk(&["/plans", "/team", "/bills", "/team"]);
    let of_page = registry(&json!({"url_must_contain": "/plans"}));
    let of_leg = json!({"leg_must_contain": "/plans", "broaden_with_hesitation": false});
    assert!(first(&of_page, T0, &beside).is_some());
    assert_eq!(first(&registry(&of_leg), T0, &beside), None);
}

#[test]
fn who_clicks_twice_and_then_hesitates_is_noticed_at_the_deadline() {
    let actions = kept(&[seen("/plans", T0), seen("/plans", T0 + 2.0)]);
    let properties = Properties::new();
    let at = |now| Context::new(now, &actions, None, &properties);
    let dwell = PageDwell::default();
    let due = T0 + 60.0;

    assert_eq!(dwell.deadline(&at(T0 + 2.0), f64::INFINITY), Some(due));
    assert_eq!(dwell.evaluate(&at(due - 0.001)), None);
    let offer = dwell.evaluate(&at(due)).expect("an offer");
    assert_eq!(offer.metadata["user_page_dwell_seconds"], 60.0);
    assert_eq!(dwell.deadline(&at(due), f64::INFINITY), None);

    // As published, the two clicks are all there is.
    let strict = PageDwell {
        strict: true,
        ..dwell
    };
    assert_eq!(strict.deadline(&at(T0 + 2.0), f64::INFINITY), None);
    assert_eq!(strict.evaluate(&at(due + 1000.0)), None);
}

#[test]
fn who_is_at_work_on_a_page_or_elsewhere_by_now_is_left_alone() {
    let busy: Vec<Seen<'static>> = (0..6).map(|n| seen("/plans", T0 + f64::from(n))).collect();
    let gone = [seen("/plans", T0), seen("/team", T0 + 50.0)];
    let nowhere = [seen("/plans", T0), seen(" ", T0 + 1.0)];
    let registry = registry(&json!({"builtins": [builtin("user_page_dwell")]}));
    for actions in [&busy[..], &gone, &nowhere, &[]] {
        assert_eq!(first(&registry, T0 + 70.0, actions), None, "{actions:?}");
    }
    assert!(first(&registry, T0 + 70.0, &busy[..5]).is_some());
    assert!(first(&registry, T0 + 110.0, &gone).is_some());
}

#[test]
fn a_section_speaks_where_most_time_was_spent() {
    let settings = json!({
        "builtins": [builtin("section_playbook_match")],
        "section_url_rules": [
            {"prefix": "/plans", "section_id": "plans"},
            {"prefix": "/team", "section_id": "team"},
        ],
        "section_playbook": {
            "plans": "Which plan?",
            "team": {"body": " Invite? ", "reply_option_labels": ["Yes", "No"]},
        },
    });
    let long = |page: &str, start: f64, seconds: f64| Seen {
        end: start + seconds,
        ..seen(page, start)
    };
    let visits = [
        long("/team", T0, 20.0),
        long("/elsewhere", T0 + 20.0, 500.0),
        long("/plans/pro", T0 + 520.0, 5.0),
    ];
    let offer = first(&registry(&settings), T0, &visits).expect("an offer");
    assert_eq!(offer.body, "Invite?");
    assert_eq!(offer.reply_option_labels, ["Yes", "No"]);
    assert_eq!(offer.metadata["section_id"], "team");
    assert_eq!(first(&registry(&settings), T0, &visits[1..2]), None);

    let mut fixed = settings;
    fixed["current_section_id"] = json!("plans");
    let offer = first(&registry(&fixed), T0, &visits).expect("an offer");
    assert_eq!(offer.body, "Which plan?");
}

#[test]
fn each_predicate_fires_once_and_is_held_back_once() {
    let properties = Properties::from([
        ("tier".into(), Scalar::Text("pro".into())),
        ("seats".into(), Scalar::Number(0.0)),
        ("trial".into(), Scalar::Flag(false)),
        ("note".into(), Scalar::Text("".into())),
    ]);
    let actions = kept(&walk(&["/plans", "/team"]));
    let table = [
        (json!({"op": "always"}), true),
        (json!({"op": "never"}), false),
        (json!({"op": "recent_actions_gte", "n": 2}), true),
        (json!({"op": "recent_actions_gte", "n": 3}), false),
        (json!({"op": "any_url_contains", "value": "tea"}), true),
        (json!({"op": "any_url_contains", "value": "TEA"}), false),
        (json!({"op": "extra_truthy", "key": "tier"}), true),
        (json!({"op": "extra_truthy", "key": "seats"}), false),
        (json!({"op": "extra_truthy", "key": "trial"}), false),
        (json!({"op": "extra_truthy", "key": "note"}), false),
        (json!({"op": "extra_truthy", "key": "nothing"}), false),
    ];
    for (predicate, fires) in table {
        let row = json!({
            "trigger_id": "own",
            "body": " as it stands ",
            "reply_option_labels": ["Yes", "No"],
            "metadata": {"k": 1},
            "cooldown_s": 90,
            "predicate": predicate,
        });
        let registry = registry(&json!({ "predicates": [row] }));
        let context = Context::new(T0, &actions, None, &properties);
        let offer = registry.evaluate(&context, |_| false, |_, _| {});
        assert_eq!(offer.is_some(), fires, "{predicate}");
        if let Some(offer) = offer {
            assert_eq!(offer.body, " as it stands ");
            assert_eq!(offer.reply_option_labels, ["Yes", "No"]);
            assert_eq!(
                offer.metadata,
                *json!({"k": 1}).as_object().expect("an object")
            );
            assert_eq!(
                (offer.interaction_timeout_s, offer.cooldown_s),
                (10.0, 90.0)
            );
        }
    }
}

/// A trigger that panics whatever it is asked.
#[derive(Debug)]
struct Broken;

impl Trigger for Broken {
    fn id(&self) -> &str {
        "broken"
    }

    fn evaluate(&self, _: &Context<'_>) -> Option<Offer> {
        panic!("this trigger is broken")
    }

    fn deadline(&self, _: &Context<'_>, _: f64) -> Option<f64> {
        panic!("this trigger is broken")
    }
}

#[test]
fn a_trigger_that_panics_silences_no_other() {
    let settings = json!({"builtins": [builtin("user_page_dwell")]});
    let (dwell, _) = read(&settings);
    let mut triggers: Vec<Box<dyn Trigger>> = vec![Box::new(Broken)];
    triggers.extend(dwell.expect("triggers"));
    let registry = Registry::new(triggers);
    let actions = kept(&[seen("/plans", T0)]);
    let properties = Properties::new();

    let mut looks = Vec::new();
    let late = Context::new(T0 + 60.0, &actions, None, &properties);
    let offer = registry.evaluate(
        &late,
        |_| false,
        |id, look| looks.push((id.to_owned(), look)),
    );

    assert_eq!(offer.expect("an offer").trigger_id, "user_page_dwell");
    let expected = [
        ("broken".to_owned(), Look::Panicked),
        ("user_page_dwell".to_owned(), Look::Fired),
    ];
    assert_eq!(looks, expected);
    let early = Context::new(T0, &actions, None, &properties);
    assert_eq!(registry.deadline(&early, |_| None), Some(T0 + 60.0));
    let quiet_until = |until| move |id: &str| (id == "user_page_dwell").then_some(until);
    let looks = [T0 + 59.0, T0 + 90.0].map(|until| registry.deadline(&early, quiet_until(until)));
    assert_eq!(looks, [Some(T0 + 60.0), Some(T0 + 90.0)]);
}

#[test]
fn the_first_that_fires_wins_and_quiet_ones_are_not_asked() {
    let own = |id: &str, op: &str| json!({"trigger_id": id, "body": id, "predicate": {"op": op}});
    let registry = registry(&json!({
        "predicates": [own("a", "never"), own("b", "always"), own("c", "always")],
    }));
    let properties = Properties::new();
    let evaluate = |quiet: &str| {
        let mut looks = Vec::new();
        let offer = registry.evaluate(
            &Context::new(T0, &Actions::default(), None, &properties),
            |id| id == quiet,
            |_, look| looks.push(look),
        );
        (offer.map(|offer| offer.trigger_id), looks)
    };
    // The built-in one is asked before what the product wrote down itself.
    let before = [Look::Nothing, Look::Nothing];
    let (offer, looks) = evaluate("");
    assert_eq!(offer.as_deref(), Some("b"));
    assert_eq!(looks, [&before[..], &[Look::Fired]].concat());
    let (offer, looks) = evaluate("b");
    assert_eq!(offer.as_deref(), Some("c"));
    assert_eq!(looks, [&before[..], &[Look::Quiet, Look::Fired]].concat());
}

#[test]
fn nobody_is_asked_without_a_product_and_a_session() {
    let scope = |product_id, session_id, conversation_id| Scope {
        product_id,
        session_id,
        conversation_id,
    };
    assert_eq!(scope("p", "s", "").check(false), Ok(()));
    assert_eq!(
        scope("p", "s", " ").check(true),
        Err(Missing::ConversationId)
    );
    assert_eq!(
        scope("p", "\u{1f}", "c").check(true),
        Err(Missing::SessionId)
    );
    assert_eq!(scope("", "", "").check(true), Err(Missing::ProductId));
}

proptest! {
    #[test]
    fn a_long_stay_is_noticed_at_its_deadline_and_not_before(
        start_ms in 0_u32..2_000_000_000,
        threshold_ms in 1_u32..600_000,
        early_ms in 1_u32..1000,
        second_ms in 0_u32..600_000,
    ) {
        let start = T0 + f64::from(start_ms) / 1000.0;
        let actions = kept(&[seen("/plans", start), seen("/plans", start + f64::from(second_ms) / 1000.0)]);
        let dwell = PageDwell { threshold_s: f64::from(threshold_ms) / 1000.0, ..PageDwell::default() };
        let properties = Properties::new();
        let at = |now| Context::new(now, &actions, None, &properties);
        let due = dwell.deadline(&at(start), f64::INFINITY).expect("a deadline");
        prop_assert!(dwell.fires(&at(due)));
        prop_assert!(!dwell.fires(&at(due - f64::from(early_ms) / 1000.0)));
        prop_assert_eq!(dwell.deadline(&at(due), f64::INFINITY), None);
        prop_assert_eq!(due, later(start, dwell.threshold_s));
    }
}
