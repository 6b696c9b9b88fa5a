//! What holds for every body, however broken.

use event_connector::domain::action::Provider;
use event_connector::ingest::{Batch, Error, Settings, Wording, read};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{body, requests};
use super::{NOW, action_of, batch_of, hog};

const NAMES: [&str; 26] = [
    "event",
    "events",
    "batch",
    "hook",
    "data",
    "properties",
    "person",
    "event_type",
    "session_id",
    "$session_id",
    "distinct_id",
    "timestamp",
    "time",
    "current_url",
    "$current_url",
    "email",
    "elements_chain",
    "button_text",
    "event_properties",
    "page_url",
    "target_text",
    "uuid",
    "$set",
    "$set_once",
    "user_properties",
    "user_id",
];
const VALUES: [&str; 12] = [
    "$pageview",
    "$autocapture",
    "$identify",
    "click",
    "change",
    "https://x.example/a/42?token=1#/b",
    "button:text=\"Save\";div:nth-child=\"1\"",
    "2026-05-18T09:14:07Z",
    "u@x.example",
    "\u{0}",
    "-1",
    "[Amplitude] Page Viewed",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(&VALUES[..]).prop_map(Value::from),
        "\\PC{0,16}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        8 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn forced() -> impl Strategy<Value = Option<Provider>> {
    proptest::option::of(proptest::sample::select(
        &[Provider::Posthog, Provider::Amplitude, Provider::Fullstory][..],
    ))
}

fn check(outcome: Result<Batch, Error>, max: usize) -> Result<(), TestCaseError> {
    let batch = match outcome {
        Ok(batch) => batch,
        Err(Error::TooManyEvents { max: told }) => {
            prop_assert_eq!(told, max);
            return Ok(());
        }
        Err(Error::InvalidJson) => return Ok(()),
    };
    let actions: usize = batch
        .shares
        .iter()
        .map(|share| share.activity.actions.len())
        .sum();
    prop_assert_eq!(
        batch.received,
        actions + batch.dropped.values().sum::<usize>()
    );
    prop_assert!(batch.received <= max);
    for share in &batch.shares {
        let activity = &share.activity;
        prop_assert!(activity.actions.is_sorted_by(|a, b| a.at <= b.at));
        prop_assert!(!activity.actions.is_empty() || !activity.identities.is_empty());
        prop_assert!(share.session.is_some() || activity.identities.is_empty());
        for action in &activity.actions {
            prop_assert!(action.at.is_some_and(|at| at > 0.0 && at <= NOW + 300.0));
            prop_assert!(!action.title.chars().any(char::is_control));
            prop_assert!(!action.description.chars().any(char::is_control));
            prop_assert!(!action.canonical_url.chars().any(char::is_control));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(read(&bytes, None, &Settings::default(), 9, NOW), 9)?;
    }

    #[test]
    fn any_json_is_counted_in_full(value in json(), forced in forced(), max in 0_usize..20) {
        let body = serde_json::to_vec(&value).expect("a value can be written");
        check(read(&body, forced, &Settings::default(), max, NOW), max)?;
    }

    #[test]
    fn recorded_bodies_survive_damage(
        which in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let recorded = RECORDED.with(|recorded| recorded[which.index(recorded.len())].clone());
        let mut bytes = recorded;
        if !bytes.is_empty() {
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
        }
        let quoted = Settings { wording: Wording::Quoted, ..Settings::default() };
        check(read(&bytes, None, &quoted, 50, NOW), 50)?;
    }

    #[test]
    fn a_canonical_url_is_its_own_canonical_url(
        url in prop_oneof![
            "\\PC{0,40}",
            "(https?:)?(//)?[a-zA-Z0-9@:.\\[\\]é -]{0,12}(/[A-Za-z0-9%@_ :.-]{0,14}){0,4}(\\?[a-z=&]{0,6})?(#!?/?[a-z0-9/?# ]{0,9})?",
            "[a-z :/?#@\\[\\]. \u{85}\u{200B}]{0,20}",
        ]
    ) {
        let canonical = |url: &str| {
            let batch = batch_of(&hog(&json!({"event": "seen", "current_url": url})));
            batch.shares[0].activity.actions[0].canonical_url.clone()
        };
        let once = canonical(&url);
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn a_label_is_never_longer_than_eighty_characters(text in "\\PC{0,200}", spaces in "[ \u{200D}\u{2028}a]{0,120}") {
        for text in [&text, &spaces, &format!("{spaces}{text}")] {
            let action = action_of(&hog(&json!({"button_or_link_text": text})));
            let label = action.title.strip_prefix("Click ").expect("it is a click");
            prop_assert!(label.chars().count() <= 80, "{label}");
            prop_assert!(!label.is_empty() && label.trim() == label, "{label:?}");
        }
    }
}

thread_local! {
    static RECORDED: Vec<Vec<u8>> = requests().iter().map(|(_, request)| body(request)).collect();
}
