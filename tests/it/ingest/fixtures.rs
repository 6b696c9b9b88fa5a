//! Every recorded request of every provider, and what must come of it. What only a session can
//! know (numbering, redeliveries, identity that arrived earlier) is tested with sessions.

use std::path::{Path, PathBuf};

use event_connector::domain::action::{NewAction, Provider};
use event_connector::ingest::{Batch, Error, Settings, Share, read};
use serde_json::Value;

const EVENTS_MAX: usize = 5000;
const RECEIVED_AT: f64 = 1_789_500_000.0;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the fixture can be read");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

/// The body of a recorded request, byte for byte where bytes matter.
pub(super) fn body(request: &Value) -> Vec<u8> {
    match request["raw_body"].as_str() {
        Some(raw) => raw.as_bytes().to_vec(),
        None => serde_json::to_vec(&request["body"]).expect("a value can be written"),
    }
}

/// All recorded requests with the name of their file.
pub(super) fn requests() -> Vec<(String, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(folder("activity"))
        .expect("the folder is there")
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| !path.ends_with("index.json"))
        .collect();
    files.sort();
    let mut requests = Vec::new();
    for path in files {
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut document = document(&path);
        for request in document["requests"].as_array_mut().into_iter().flatten() {
            requests.push((name.clone(), request.take()));
        }
    }
    requests
}

fn forced(request: &Value) -> Option<Provider> {
    let path = request["path"].as_str().unwrap_or_default();
    path.starts_with("/ingest/amplitude/")
        .then_some(Provider::Amplitude)
}

fn check(request: &Value) -> Result<(), String> {
    let expected = &request["expect"];
    let outcome = read(
        &body(request),
        forced(request),
        &Settings::default(),
        EVENTS_MAX,
        RECEIVED_AT,
    );
    let batch = match (outcome, expected["status"].as_u64()) {
        (Err(Error::InvalidJson), Some(400)) => return Ok(()),
        // Refused by whoever asks for our secret, long before it comes to us.
        (Ok(_), Some(401 | 404)) => return Ok(()),
        (Ok(batch), Some(200)) => batch,
        (outcome, status) => return Err(format!("{outcome:?} for status {status:?}")),
    };
    let reasons: Vec<_> = expected["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    // A redelivery is a perfectly good action until a session has seen it before.
    let redelivered = reasons
        .iter()
        .filter(|reason| **reason == "duplicate")
        .count();
    check_counts(&batch, expected, &reasons, redelivered)?;
    if redelivered > 0 {
        return Ok(());
    }
    let produced: Vec<_> = batch
        .shares
        .iter()
        .flat_map(|share| {
            share
                .activity
                .actions
                .iter()
                .map(move |action| (share, action))
        })
        .collect();
    let expected: Vec<_> = expected["produced"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    if produced.len() != expected.len() {
        return Err(format!(
            "{} actions instead of {}",
            produced.len(),
            expected.len()
        ));
    }
    for ((share, action), expected) in produced.into_iter().zip(expected) {
        check_action(share, action, expected)?;
    }
    Ok(())
}

fn check_counts(
    batch: &Batch,
    expected: &Value,
    reasons: &[&Value],
    redelivered: usize,
) -> Result<(), String> {
    let actions: usize = batch
        .shares
        .iter()
        .map(|share| share.activity.actions.len())
        .sum();
    let dropped: usize = batch.dropped.values().sum();
    let counts = (Some(actions as u64), Some(dropped as u64));
    let wanted = (
        expected["actions"]
            .as_u64()
            .map(|count| count + redelivered as u64),
        expected["dropped"]
            .as_u64()
            .map(|count| count - redelivered as u64),
    );
    if counts != wanted || batch.received != actions + dropped {
        return Err(format!("{counts:?} instead of {wanted:?}"));
    }
    let mut named: Vec<_> = reasons
        .iter()
        .filter_map(|reason| reason.as_str())
        .collect();
    named.retain(|reason| *reason != "duplicate");
    named.sort_unstable();
    let mut found: Vec<_> = batch
        .dropped
        .iter()
        .flat_map(|(reason, count)| std::iter::repeat_n(reason.as_str(), *count))
        .collect();
    found.sort_unstable();
    if found == named {
        Ok(())
    } else {
        Err(format!("dropped {found:?} instead of {named:?}"))
    }
}

fn check_action(share: &Share, action: &NewAction, expected: &Value) -> Result<(), String> {
    let written = serde_json::to_value(action).expect("an action can be written");
    let session = share
        .session
        .as_ref()
        .map_or(Value::Null, |id| id.as_str().into());
    let start = expected["timestamp_start"].as_f64().unwrap_or(RECEIVED_AT);
    // A later request of the session may know the user before this one does.
    let known = |field: &str| {
        let found = written[field].clone();
        if found.is_null() {
            expected[field].clone()
        } else {
            found
        }
    };
    let comparisons = [
        ("type", written["type"].clone()),
        ("title", written["title"].clone()),
        ("description", written["description"].clone()),
        ("canonical_url", written["canonical_url"].clone()),
        ("user_id", known("user_id")),
        ("email", known("email")),
        ("session_id", session),
    ];
    for (field, found) in comparisons {
        if found != expected[field] {
            return Err(format!("{field}: {found} instead of {}", expected[field]));
        }
    }
    if expected
        .get("raw_url")
        .is_some_and(|url| *url != written["raw_url"])
    {
        return Err(format!("raw_url: {}", written["raw_url"]));
    }
    let on_time = action.at == Some(start);
    if on_time {
        Ok(())
    } else {
        Err(format!("at {:?} instead of {start}", action.at))
    }
}

#[test]
fn every_recorded_request_gives_what_it_should() {
    let requests = requests();
    let failures: Vec<_> = requests
        .iter()
        .filter_map(|(file, request)| {
            let mismatch = check(request).err()?;
            Some(format!("{file} {}: {mismatch}", request["case"]))
        })
        .collect();
    assert_eq!(requests.len(), 111);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_posthog_sends_by_default_reads_well() {
    let document = document(&folder("posthog").join("webhook_bodies.json"));
    let mut found = Vec::new();
    for case in document["cases"].as_array().into_iter().flatten() {
        let body = serde_json::to_vec(&case["body"]).expect("a value can be written");
        let batch = read(
            &body,
            None,
            &Settings::default(),
            EVENTS_MAX,
            1_795_300_000.0,
        )
        .expect("the body is JSON");
        let actions = batch
            .shares
            .iter()
            .flat_map(|share| &share.activity.actions);
        found.extend(actions.map(|action| action.description.clone()));
        found.extend(
            batch
                .dropped
                .keys()
                .map(|reason| reason.as_str().to_owned()),
        );
    }
    assert_eq!(
        found,
        [
            "User landed on the invoices page",
            "User clicked Billing link on the invoices page",
            "User changed Plan dropdown on the invoices page",
            "User submitted form on the invoices page",
            "User clicked Upgrade \"Pro\"; pay now button on the invoices page",
            "User submitted form on the invoices page",
            "User clicked Upgrade \"Pro\"; pay now button on the invoices page",
            "User submitted form on the invoices page",
            "User rage-clicked Upgrade \"Pro\"; pay now button on the invoices page",
            "User clicked Upgrade \"Pro\"; pay now button on the invoices page",
            "User submitted form on the invoices page",
            "User clicked Upgrade \"Pro\"; pay now button on the invoices page",
            "User submitted form on the invoices page",
            "identity",
            "User triggered Invoice viewed on the invoices page",
            "identity",
            "low_signal",
            "low_signal",
            "User clicked Billing link on the invoices page",
            "User landed on the invoices page",
            "no_url_no_session",
        ]
    );
}
