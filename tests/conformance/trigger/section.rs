//! `section_activity` and `trigger_section_playbook`.

use event_connector::domain::proactive::trigger::{
    SectionPlaybook, Settings, Tally, Visit, section_of, visits,
};
use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::{Map, Value, json};

use super::{Answer, actions, loose, or_error, shown};
use crate::compare::is_falsy;

pub(super) fn activity(input: &Value) -> Value {
    or_error(match input["fn"].as_str() {
        Some("resolve_section_id") => resolve(input),
        Some("iso8601_utc_z") => loose::float(&input["ts"])
            .and_then(calendar)
            .map(|text| json!({ "text": text })),
        Some("total_dwell_seconds") => {
            total(&input["section"]).map(|seconds| json!({ "seconds": spelt(seconds) }))
        }
        Some("top_playbook_section_id") => top(input),
        _ => build(input),
    })
}

pub(super) fn playbook(input: &Value) -> Value {
    or_error(speak(input))
}

fn resolve(input: &Value) -> Answer {
    let url = input["url"].as_str().unwrap_or_default();
    let rules = playbook_of(&json!({"section_url_rules": input["rules"]})).rules;
    Ok(json!({ "section_id": section_of(url, &rules) }))
}

fn top(input: &Value) -> Answer {
    let playbook = playbook_of(&json!({"section_playbook": input["playbook"]}));
    let tallies = tallies(&input["metrics"])?;
    Ok(json!({ "section_id": playbook.choose(tallies, "") }))
}

fn build(input: &Value) -> Answer {
    let playbook = playbook_of(&json!({
        "section_url_rules": input["rules"],
        "section_url_fallback_id": input["fallback_id"],
    }));
    let SectionPlaybook {
        rules, fallback_id, ..
    } = &playbook;
    let actions = actions(&input["actions"])?;
    let mut sections = Map::new();
    let mut current = "";
    for visit in visits(&actions, rules, fallback_id) {
        current = visit.section_id;
        add(&mut sections, &visit)?;
    }
    Ok(json!({"playbook": {
        "runtime": {"current_section_id": current},
        "sections": sections,
    }}))
}

/// Adds a visit to the published form of its section.
fn add(sections: &mut Map<String, Value>, visit: &Visit<'_>) -> Result<(), &'static str> {
    let section = sections
        .entry(visit.section_id)
        .or_insert_with(|| json!({"visit_count": 0, "dwell_seconds_per_visit": []}));
    let count = section["visit_count"].as_u64().unwrap_or_default();
    section["visit_count"] = json!(count + 1);
    if let Some(dwells) = section["dwell_seconds_per_visit"].as_array_mut() {
        dwells.push(json!(visit.dwell_s));
    }
    let (first, last) = (calendar(visit.first_at)?, calendar(visit.last_at)?);
    // In this form the order of texts is the order of times.
    let is_earlier = |known: &str| first.as_str() < known;
    if section["first_visited_at"].as_str().is_none_or(is_earlier) {
        section["first_visited_at"] = json!(first);
    }
    let is_later = |known: &str| last.as_str() > known;
    if section["last_visited_at"].as_str().is_none_or(is_later) {
        section["last_visited_at"] = json!(last);
    }
    Ok(())
}

fn speak(input: &Value) -> Answer {
    let extra = &input["context_extra"];
    let playbook = playbook_of(&with_texts_as_labels(extra));
    let metrics = &extra["product_section_playbook"];
    let current = loose::word(&metrics["runtime"]["current_section_id"])?;
    let section_id = playbook.choose(tallies(metrics)?, current);
    if input["fn"] == "evaluate" {
        let offer = section_id.and_then(|section_id| playbook.offer(section_id));
        return Ok(json!({ "result": shown(offer) }));
    }
    Ok(json!({ "section_id": section_id }))
}

pub(super) fn playbook_of(settings: &Value) -> SectionPlaybook {
    let settings = settings.as_object().cloned().unwrap_or_default();
    Settings::read(&settings, &mut Vec::new()).playbook
}

/// The same with every label as text.
fn with_texts_as_labels(extra: &Value) -> Value {
    let mut extra = extra.clone();
    let rows = extra["section_playbook"].as_object_mut();
    for row in rows.into_iter().flatten().map(|(_, row)| row) {
        for key in ["reply_option_labels", "quick_reply_labels"] {
            let labels = row.get_mut(key).and_then(Value::as_array_mut);
            for label in labels.into_iter().flatten() {
                *label = json!(loose::text(label));
            }
        }
    }
    extra
}

/// The sections of the published form.
fn tallies(metrics: &Value) -> Result<Vec<Tally<'_>>, &'static str> {
    let sections = metrics["sections"].as_object();
    let sections = sections.into_iter().flatten();
    let sections = sections.filter(|(_, section)| section.is_object());
    sections
        .map(|(section_id, section)| {
            Ok(Tally {
                section_id,
                dwell_s: total(section)?,
                visits: visit_count(&section["visit_count"])?,
            })
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fractions are dropped, and counts are small"
)]
fn visit_count(count: &Value) -> Result<u64, &'static str> {
    if is_falsy(count) {
        return Ok(0);
    }
    Ok(loose::float(count)? as u64)
}

fn total(section: &Value) -> Result<f64, &'static str> {
    let dwells = section["dwell_seconds_per_visit"].as_array();
    let dwells = dwells.into_iter().flatten();
    dwells.map(loose::float).sum()
}

fn spelt(number: f64) -> Value {
    match number {
        number if number.is_nan() => json!({"$float": "NaN"}),
        number if number.is_infinite() => json!({"$float": "Infinity"}),
        number => json!(number),
    }
}

/// A time with whole seconds, after rounding to microseconds.
fn calendar(at: f64) -> Result<String, &'static str> {
    const LAST_S: f64 = 253_402_300_800.0;
    if !(-LAST_S..LAST_S).contains(&at) {
        return Err("ValueError");
    }
    let micros = format!("{at:.6}").replace('.', "").parse::<i64>();
    let seconds = micros.map_err(|_| "ValueError")?.div_euclid(1_000_000);
    let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
    let at = epoch.checked_add(SignedDuration::from_secs(seconds));
    let at = at.map_err(|_| "ValueError")?;
    Ok(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
