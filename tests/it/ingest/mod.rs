//! The extraction pipeline: raw bodies in, actions out.

mod chains;
mod decoding;
mod fixtures;
mod identities;
mod labels;
mod laws;
mod properties;
mod secrets;
mod times;
mod urls;

use event_connector::domain::action::{ActionType, DropReason, NewAction, Provider};
use event_connector::ingest::{Batch, CustomEvents, Error, Settings, Wording, read};
use serde_json::{Value, json};

/// Receipt time of every test that does not say otherwise.
const NOW: f64 = 1_790_000_000.0;

/// Reads a body with the contract's defaults.
fn batch_of(body: &Value) -> Batch {
    read_with(body, &Settings::default())
}

fn read_with(body: &Value, settings: &Settings) -> Batch {
    let bytes = serde_json::to_vec(body).expect("a value can be written");
    read(&bytes, None, settings, 5000, NOW).expect("the body is JSON")
}

/// All actions of a body in the order of its shares.
fn actions_of(body: &Value) -> Vec<NewAction> {
    let shares = batch_of(body).shares;
    shares
        .into_iter()
        .flat_map(|share| share.activity.actions)
        .collect()
}

fn action_of(body: &Value) -> NewAction {
    let mut actions = actions_of(body);
    assert_eq!(actions.len(), 1, "{body}");
    actions.remove(0)
}

/// Why the one raw event of a body was dropped.
fn reason_of(body: &Value) -> DropReason {
    let batch = batch_of(body);
    assert_eq!(batch.dropped.values().sum::<usize>(), 1, "{body}");
    *batch.dropped.keys().next().expect("something was dropped")
}

/// A hog body with some fields of its own.
fn hog(fields: &Value) -> Value {
    let mut body = json!({
        "event": "$autocapture", "event_type": "click", "timestamp": "2026-05-18T09:14:07.512Z",
        "session_id": "S1", "distinct_id": "u_4471", "email": "", "referrer": "",
        "current_url": "https://app.northwind.example/team", "elements_chain": "",
        "element_id": "", "input_field_name": "", "link_destination": "", "button_or_link_text": "",
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

/// Title, description and canonical URL.
fn at(action: &NewAction) -> f64 {
    action.at.expect("providers' actions are dated")
}

fn said(action: &NewAction) -> [&str; 3] {
    [&action.title, &action.description, &action.canonical_url]
}

#[test]
fn a_page_view_names_the_page_and_keeps_the_captured_url() {
    let action = action_of(&hog(&json!({
        "event": "$pageview", "event_type": "", "timestamp": "2026-05-18T09:14:00.000Z",
        "current_url": "https://app.northwind.example/dashboard?ref=mail#top",
        "email": "ada@northwind.example",
    })));
    assert_eq!(action.r#type, ActionType::Pageview);
    assert_eq!(
        said(&action),
        [
            "Page Load: Dashboard",
            "User landed on the dashboard page",
            "https://app.northwind.example/dashboard",
        ]
    );
    assert_eq!(
        action.raw_url,
        "https://app.northwind.example/dashboard?ref=mail#top"
    );
    assert_eq!(action.email.as_deref(), Some("ada@northwind.example"));
    assert_eq!(at(&action).to_bits(), 1_779_095_640.0_f64.to_bits());
}

#[test]
fn a_form_is_named_after_itself() {
    let action = action_of(&hog(&json!({
        "event_type": "submit", "current_url": "https://x.example/checkout/payment",
        "elements_chain": "form:attr__name=\"payment\"nth-child=\"1\"nth-of-type=\"1\"",
    })));
    assert_eq!(action.r#type, ActionType::Submit);
    assert_eq!(action.title, "Submit Payment form");
    assert_eq!(
        action.description,
        "User submitted Payment form on the checkout page"
    );
}

#[test]
fn the_same_second_may_hold_many_actions_of_one_batch() {
    let stamp = |seconds: f64| json!(1_779_095_640.0 + seconds);
    let event = |seconds: f64| {
        json!({"event": "$pageview", "distinct_id": "u", "timestamp": stamp(seconds),
            "properties": {"$session_id": "S", "$current_url": format!("/p{seconds}")}})
    };
    let batch = batch_of(&json!({"batch": [event(9.0), event(0.0), event(2.5), event(0.0)]}));
    let starts: Vec<_> = batch.shares[0]
        .activity
        .actions
        .iter()
        .map(|action| at(action) - 1_779_095_640.0)
        .collect();
    assert_eq!(starts, [0.0, 0.0, 2.5, 9.0]);
    assert_eq!(batch.provider, Provider::Posthog);
}

#[test]
fn amplitude_is_read_without_its_session_of_minus_one() {
    let event = json!({
        "event_type": "$autocapture", "user_id": "u_902", "device_id": "9b1cR", "session_id": -1,
        "time": 1_789_000_398_200_u64,
        "event_properties": {
            "[Amplitude] Page URL": "https://app.harbor.example/projects/88213/board",
            "$event_type": "click", "$button_text": "Add card", "$element_tag": "button"},
    });
    let batch = batch_of(&json!({"events": [event]}));
    assert_eq!(batch.provider, Provider::Amplitude);
    assert_eq!(
        batch.shares[0].session.as_ref().map(|id| id.as_str()),
        Some("9b1cR")
    );
    assert_eq!(
        said(&batch.shares[0].activity.actions[0]),
        [
            "Click Add card button",
            "User clicked Add card button on the projects page",
            "https://app.harbor.example/projects/:id/board",
        ]
    );
    // Without a template of one's own, one event is the whole body.
    assert_eq!(batch_of(&event).provider, Provider::Amplitude);
}

#[test]
fn every_reason_for_dropping_has_its_case() {
    let posthog = |event: &str| json!({"event": event, "session_id": "S", "current_url": "/x"});
    let amplitude = |name: &str| json!({"events": [{"event_type": name, "session_id": 5, "event_properties": {}}]});
    let cases = [
        (
            json!({"event": "", "session_id": "S"}),
            DropReason::NoEventName,
        ),
        (
            json!({"batch": [{"event": null, "properties": {}}]}),
            DropReason::NoEventName,
        ),
        (json!({"event": "invoice_paid"}), DropReason::NoUrlNoSession),
        (
            json!({"event": "$pageview", "session_id": "S"}),
            DropReason::PageviewWithoutUrl,
        ),
        (
            hog(&json!({"event": "$pageview", "current_url": "about:blank"})),
            DropReason::PageviewWithoutUrl,
        ),
        (
            hog(&json!({"event": "$pageview", "current_url": "file:///C:/x.html"})),
            DropReason::PageviewWithoutUrl,
        ),
        (
            hog(&json!({"event_type": "hover"})),
            DropReason::UnknownEventType,
        ),
        (
            hog(&json!({"event_type": 7, "current_url": ["x"], "session_id": 12})),
            DropReason::UnknownEventType,
        ),
        (hog(&json!({"event_type": ""})), DropReason::NoEventType),
        (posthog("$pageleave"), DropReason::LowSignal),
        (posthog("$groupidentify"), DropReason::LowSignal),
        (
            amplitude("[Amplitude] Session Start"),
            DropReason::LowSignal,
        ),
        (posthog("$identify"), DropReason::Identity),
        (posthog("$set"), DropReason::Identity),
        (posthog("$create_alias"), DropReason::Identity),
        (json!({"hello": "world"}), DropReason::UnrecognisedShape),
        (
            json!({"eventName": "x", "version": 1, "data": {}}),
            DropReason::UnrecognisedShape,
        ),
        (
            json!({"event": ["x"], "properties": {}}),
            DropReason::UnrecognisedShape,
        ),
        (json!(7), DropReason::UnrecognisedShape),
    ];
    for (body, reason) in cases {
        assert_eq!(reason_of(&body), reason, "{body}");
        assert_eq!(actions_of(&body), [], "{body}");
    }
}

#[test]
fn a_product_may_do_without_custom_events() {
    let settings = Settings {
        custom_events: CustomEvents::Drop,
        ..Settings::default()
    };
    let batch = read_with(&hog(&json!({"event": "plan_upgraded"})), &settings);
    assert_eq!(batch.dropped.get(&DropReason::CustomEvent), Some(&1));
}

#[test]
fn interactions_have_their_words() {
    let field = "input:attr__name=\"email\"nth-child=\"1\"";
    let choice = "input:attr__name=\"tos\"attr__type=\"checkbox\"";
    let cases = [
        ("touch", field, "Click Email field", "clicked Email field"),
        (
            "change",
            field,
            "Type in Email field",
            "typed in Email field",
        ),
        (
            "input",
            field,
            "Type in Email field",
            "typed in Email field",
        ),
        (
            "keydown",
            field,
            "Type in Email field",
            "typed in Email field",
        ),
        ("focus", field, "Focus Email field", "focused Email field"),
        ("blur", field, "Leave Email field", "left Email field"),
        (
            "change",
            choice,
            "Change Tos checkbox",
            "changed Tos checkbox",
        ),
    ];
    for (interaction, chain, title, past) in cases {
        let action = action_of(&hog(
            &json!({"event_type": interaction, "elements_chain": chain}),
        ));
        assert_eq!(action.title, title);
        assert_eq!(action.description, format!("User {past} on the team page"));
    }
}

#[test]
fn without_a_url_no_page_is_mentioned() {
    let click = action_of(&hog(
        &json!({"current_url": "", "button_or_link_text": "Save"}),
    ));
    assert_eq!(said(&click), ["Click Save", "User clicked Save", ""]);
    let screen = action_of(&json!({"event": "$screen", "properties": {
        "$session_id": "S", "$screen_name": "AccountSettings"}}));
    assert_eq!(
        said(&screen),
        [
            "Page Load: Account Settings",
            "User landed on the account settings page",
            ""
        ]
    );
}

#[test]
fn the_quoted_style_quotes_what_was_clicked() {
    let settings = Settings {
        wording: Wording::Quoted,
        ..Settings::default()
    };
    let title = |fields: Value| {
        let batch = read_with(&hog(&fields), &settings);
        let action = &batch.shares[0].activity.actions[0];
        (action.title.clone(), action.description.clone())
    };
    let (clicked, sentence) = title(json!({"elements_chain": "button:text=\"Buy Now\""}));
    assert_eq!(clicked, "Clicked 'Buy Now'");
    assert_eq!(
        sentence,
        "The user clicked the 'Buy Now' button on the team page"
    );
    let (nothing, sentence) = title(json!({"elements_chain": "div:nth-child=\"1\""}));
    assert_eq!(nothing, "Clicked element");
    assert_eq!(sentence, "The user clicked the element on the team page");
    let (opened, sentence) = title(json!({"event": "$pageview"}));
    assert_eq!(opened, "Opened 'Team'");
    assert_eq!(sentence, "The user opened the team page");
}

#[test]
fn event_names_of_the_product_become_phrases() {
    for (name, phrase) in [
        ("invoice_viewed", "Invoice viewed"),
        ("Plan Upgraded", "Plan Upgraded"),
        ("checkoutCompleted", "Checkout completed"),
        ("card.created-v2", "Card created v2"),
    ] {
        let action = action_of(&hog(&json!({"event": name})));
        assert_eq!(action.title, phrase);
        assert_eq!(
            action.description,
            format!("User triggered {phrase} on the team page")
        );
    }
}

#[test]
fn too_many_events_are_refused_as_a_whole() {
    let body = serde_json::to_vec(&json!([[hog(&json!({})), {}], {"batch": [{}, {}]}]))
        .expect("a value can be written");
    let limited = |max| read(&body, None, &Settings::default(), max, NOW);
    assert_eq!(limited(3), Err(Error::TooManyEvents { max: 3 }));
    assert_eq!(limited(4).map(|batch| batch.received), Ok(4));
}

#[test]
fn the_path_may_force_an_adapter() {
    let posthog = serde_json::to_vec(&hog(&json!({}))).expect("a value can be written");
    let outcome = |provider| {
        let batch = read(&posthog, Some(provider), &Settings::default(), 10, NOW).expect("JSON");
        (batch.provider, batch.dropped.into_keys().next())
    };
    let unrecognised = Some(DropReason::UnrecognisedShape);
    assert_eq!(
        outcome(Provider::Fullstory),
        (Provider::Fullstory, unrecognised)
    );
    // A hog body has an `event_type` too, but not one of Amplitude's.
    assert_eq!(
        outcome(Provider::Amplitude),
        (Provider::Amplitude, unrecognised)
    );
    assert_eq!(outcome(Provider::Posthog), (Provider::Posthog, None));
}
