//! Element chains as PostHog writes them, against our parser.
//!
//! A case may know only parts of what its chain means; what it does not mention is not compared.
//! Cases flagged `lossy` cannot be recovered from the string alone: they are held to the right tag
//! and to no invented elements.

use std::collections::{BTreeMap, BTreeSet};

use event_connector::ingest::chain::{Element, parse};
use serde_json::Value;

/// Runs every case of a document of chains; gives passed, total, flagged and the failures.
pub(crate) fn run(document: &Value) -> (usize, usize, usize, Vec<String>) {
    let cases = document["cases"].as_array().map_or(&[][..], Vec::as_slice);
    let flagged = cases.iter().filter(|case| is_flagged(case)).count();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let mismatch = check(case).err()?;
            Some(format!(
                "{}: {mismatch}",
                case["id"].as_str().unwrap_or("?")
            ))
        })
        .collect();
    (cases.len() - failures.len(), cases.len(), flagged, failures)
}

fn is_flagged(case: &Value) -> bool {
    case["lossy"]
        .as_array()
        .is_some_and(|reasons| !reasons.is_empty())
}

fn check(case: &Value) -> Result<(), String> {
    let chain = case["chain"].as_str().ok_or("the case has no chain")?;
    let parsed = parse(chain);
    let expected = &case["expect"];
    if is_flagged(case) {
        return check_outline(&parsed, &expected["elements"]);
    }
    if let Some(elements) = expected["elements"].as_array() {
        same("number of elements", parsed.len(), elements.len())?;
        for (at, (element, expected)) in parsed.iter().zip(elements).enumerate() {
            check_element(element, expected, true)
                .map_err(|mismatch| format!("element {at}: {mismatch}"))?;
        }
    }
    check_parts(&parsed, expected)
}

/// Tags and count only.
fn check_outline(parsed: &[Element<'_>], expected: &Value) -> Result<(), String> {
    let tags: Vec<_> = parsed.iter().map(Element::tag).collect();
    let expected: Vec<_> = expected
        .as_array()
        .into_iter()
        .flatten()
        .map(|element| element["tag"].as_str().unwrap_or_default())
        .collect();
    same("tags", tags, expected)
}

/// Cases that describe a long chain by its interesting parts.
fn check_parts(parsed: &[Element<'_>], expected: &Value) -> Result<(), String> {
    if let Some(count) = expected["count"].as_u64() {
        same("number of elements", parsed.len() as u64, count)?;
    }
    if let Some(target) = expected.get("target") {
        check_element(parsed.first().ok_or("no elements")?, target, false)?;
    }
    if let Some(nearest) = expected.get("nearest_interactive") {
        let at = nearest["index"]
            .as_u64()
            .and_then(|at| usize::try_from(at).ok());
        let element = at.and_then(|at| parsed.get(at)).ok_or("no such element")?;
        check_element(element, nearest, false)?;
    }
    for (name, key) in [("texts", "text"), ("ids", "attr_id")] {
        if let Some(values) = expected[name].as_array() {
            let found: BTreeSet<_> = parsed
                .iter()
                .filter_map(|element| element.attribute(key))
                .collect();
            let missing: Vec<_> = values
                .iter()
                .filter_map(Value::as_str)
                .filter(|value| !found.contains(value))
                .collect();
            same(name, missing, vec![])?;
        }
    }
    Ok(())
}

/// Compares whatever `expected` mentions; its attributes are all there are when it is `complete`.
fn check_element(element: &Element<'_>, expected: &Value, complete: bool) -> Result<(), String> {
    for (name, value) in expected.as_object().into_iter().flatten() {
        let text = |key: &str| element.attribute(key).map_or(Value::Null, Value::from);
        let number = |key: &str| {
            element
                .attribute(key)
                .and_then(|digits| digits.parse::<i64>().ok())
                .map_or(Value::Null, Value::from)
        };
        match name.as_str() {
            "tag" => same("tag", &Value::from(element.tag()), value)?,
            "text" | "href" | "attr_id" => same(name, &text(name), value)?,
            "nth_child" => same(name, &number("nth-child"), value)?,
            "nth_of_type" => same(name, &number("nth-of-type"), value)?,
            "classes" => same(name, set_of(element.classes()), set_of(strings(value)))?,
            "attributes" => check_attributes(element, value, complete)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_attributes(element: &Element<'_>, expected: &Value, complete: bool) -> Result<(), String> {
    const SHOWN_APART: [&str; 5] = ["text", "href", "attr_id", "nth-child", "nth-of-type"];
    let expected: BTreeMap<_, _> = expected
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    let found: BTreeMap<_, _> = element
        .attributes()
        .filter(|(key, _)| !SHOWN_APART.contains(key))
        .filter(|(key, _)| complete || expected.contains_key(key))
        .collect();
    same("attributes", found, expected)
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn set_of(values: Vec<String>) -> BTreeSet<String> {
    values.into_iter().collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}"))
    }
}
