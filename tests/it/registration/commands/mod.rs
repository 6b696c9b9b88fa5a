//! `products` and `keys` on the binary as people run it, asking a running service.

mod added;
mod changed;
mod keys;
mod terminal;
mod wrong;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::cli::run;
use crate::support::{ADMIN_KEY, SECRET, SECRETS_KEY, Service};

/// What a command said: exit code, standard output, standard error. Nothing that opens anything is on standard error.
pub(in crate::registration) fn said(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    told(run(arguments, environment))
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let (out, err) = (crate::cli::text(&stdout), crate::cli::text(&stderr));
    for secret in [ADMIN_KEY, SECRETS_KEY, SECRET] {
        assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
    }
    // What is issued is a prefix and 43 characters.
    let words = err.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
    for word in words.filter(|word| word.len() > 40) {
        let is_issued = ["ing_", "str_", "mcp_", "own_", "inv_"].contains(&&word[..4]);
        assert!(!is_issued, "{err}");
    }
    assert!(!err.contains("canary"), "{err}");
    (status.code(), out, err)
}

/// The same of a service.
fn ask(service: &Service, arguments: &[&str]) -> (Option<i32>, String, String) {
    said(arguments, &at(service))
}

fn at(service: &Service) -> [(&str, &str); 2] {
    [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ]
}

/// What a service says to a command that succeeds.
fn done(service: &Service, arguments: &[&str]) -> String {
    let (code, out, err) = ask(service, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    out
}

/// The only line of a command that succeeds, as JSON.
fn json(service: &Service, arguments: &[&str]) -> Value {
    let out = done(service, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn add(id: &str) -> [&str; 5] {
    ["products", "add", id, "--email", "ops@northwind.example"]
}

/// The word that follows `label`, wherever that stands.
fn after<'a>(text: &'a str, label: &str) -> &'a str {
    let rest = text.split_once(label).map(|(_, rest)| rest);
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("{label} is not in {text}"))
}

/// The path of a new file.
fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}
