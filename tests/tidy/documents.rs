//! That what can be set and what is counted is written down where people look.

use std::collections::BTreeSet;

use crate::expect_none;
use crate::source::{is_word, read, sources};

/// The keys of the reference configuration: line, dotted name, and the comment directly above.
fn config_keys() -> Vec<(usize, String, String)> {
    let mut section = String::new();
    let mut comment = String::new();
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(read("config/default.toml").lines()) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else {
            if let Some(name) = line.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
            } else if let Some((key, _)) = line.split_once('=') {
                keys.push((number, format!("{section}.{}", key.trim()), comment.clone()));
            }
            comment.clear();
        }
    }
    keys
}

/// The rows of all Markdown tables of a text, or of its section with this heading.
fn table_rows(text: &str, heading: Option<&str>) -> Vec<String> {
    let mut is_inside = heading.is_none();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let (Some(wanted), true) = (heading, line.starts_with("## ")) {
            is_inside = line.trim_start_matches('#').trim() == wanted;
        } else if is_inside && line.starts_with('|') {
            rows.push(line.to_owned());
        }
    }
    rows
}

#[test]
fn every_configuration_key_is_explained_twice() {
    let readme = read("README.md");
    let rows = table_rows(&readme, None).join("\n");
    let limits = table_rows(&readme, Some("Limits")).join("\n");
    let keys = config_keys();
    let mut findings = Vec::new();
    for (line, key, comment) in &keys {
        let at = format!("config/default.toml:{line}: {key}");
        if comment.trim().len() < 30 || !comment.trim_end().ends_with('.') {
            findings.push(format!(
                "{at} needs a sentence directly above it: default, unit, why"
            ));
        }
        if !rows.contains(&format!("`{key}`")) {
            findings.push(format!(
                "{at} needs a row in the README's configuration table"
            ));
        }
        if key.ends_with("_max") && !limits.contains(&format!("`{key}`")) {
            findings.push(format!(
                "{at} is a limit and needs a row in the README's limits table"
            ));
        }
    }
    assert!(!keys.is_empty(), "config/default.toml names no keys");
    expect_none("configuration", &findings);
}

#[test]
fn every_configuration_key_is_used() {
    let mut code = String::new();
    for source in sources(&["src"]) {
        // Where the fields are declared and read from the layers does not count.
        if !source.path.starts_with("src/config/section") {
            code.push_str(&source.code);
        }
    }
    let is_used = |key: &str| {
        let field = format!(".{key}");
        let mut uses = code.match_indices(&field);
        uses.any(|(at, _)| !code[at + field.len()..].starts_with(is_word))
    };
    let findings: Vec<String> = config_keys()
        .into_iter()
        .filter(|(_, key, _)| !is_used(key.rsplit('.').next().unwrap_or(key)))
        .map(|(line, key, _)| {
            format!("config/default.toml:{line}: nothing uses {key}; use it or remove it")
        })
        .collect();
    expect_none("configuration", &findings);
}

#[test]
fn every_metric_is_in_the_readme() {
    let source = read("src/metrics/mod.rs");
    let rows = table_rows(&read("README.md"), None).join("\n");
    let names: BTreeSet<&str> = source
        .split('"')
        .filter(|text| text.starts_with("connector_") && text.chars().all(is_word))
        .collect();
    assert!(!names.is_empty(), "src/metrics/mod.rs names no metrics");
    let findings: Vec<String> = names
        .iter()
        .filter(|name| !rows.contains(&format!("`{name}`")))
        .map(|name| format!("src/metrics/mod.rs: {name} needs a row in the README's metrics table"))
        .collect();
    expect_none("metrics", &findings);
}

#[test]
fn every_metric_that_an_alert_asks_for_exists() {
    let source = read("src/metrics/mod.rs");
    let is_there = |name: &str| source.contains(&format!("\"{name}\""));
    let mut findings = Vec::new();
    let mut asked = 0;
    for (number, line) in (1..).zip(read("config/alerts.yml").lines()) {
        for (at, _) in line.match_indices("connector_") {
            let name: String = line[at..].chars().take_while(|c| is_word(*c)).collect();
            asked += 1;
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|ending| name.strip_suffix(ending))
                .unwrap_or(&name);
            if !is_there(family) {
                findings.push(format!(
                    "config/alerts.yml:{number}: there is no metric {family}; rename it here as well"
                ));
            }
        }
    }
    assert!(asked > 0, "config/alerts.yml asks for no metrics");
    expect_none("alerts", &findings);
}

#[test]
fn every_metric_is_moved_by_a_test() {
    let tests: String = sources(&["tests/it"])
        .iter()
        .map(|source| read(&source.path.display().to_string()))
        .collect();
    let source = read("src/metrics/mod.rs");
    let fields = source.lines().filter_map(|line| {
        let (field, rest) = line.trim().split_once(": ")?;
        let name = rest.split_once("= \"connector_")?.1.split('"').next()?;
        Some((field, format!("connector_{name}")))
    });
    let findings: Vec<String> = fields
        .filter(|(field, name)| {
            !tests.contains(&format!(".{field}")) && !tests.contains(name.as_str())
        })
        .map(|(_, name)| format!("src/metrics/mod.rs: {name} is moved by no test in tests/it"))
        .collect();
    expect_none("untested metrics", &findings);
}
