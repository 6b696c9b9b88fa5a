//! How a service says no, and what a person can do about it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::redaction::{MASK, redact};

/// What is secret in what a service issues, beside what published clients know.
const ISSUED: &[&str] = &[
    "amplitude_bearer_token",
    "authorization",
    "ingest_secret",
    "key",
    "mcp_key",
    "owner_token",
    "stream_key",
    "token",
    "unkey_key",
    "x-admin-key",
];

/// The most characters of a text from the other side that are repeated.
const TEXT_CHARS_MAX: usize = 2000;

/// The most mistakes of one refusal that are kept.
const FAULTS_MAX: usize = 200;

/// An answer that is no success, with its problem document as far as there is one.
///
/// Displayed: the status and the detail, then one line for each mistake. Control characters are replaced, secrets that
/// the answer repeats are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who answered.
    pub at: String,
    /// The HTTP status.
    pub status: u16,
    /// What kind of refusal; empty where the answer was no problem document.
    pub code: String,
    /// A sentence for people; may be empty.
    pub detail: String,
    /// What is wrong with the body that was sent, each with its place.
    pub errors: Vec<Fault>,
    /// When to come back, if the answer said so.
    pub retry_after: Option<Duration>,
    /// Where it is instead, if the answer said so.
    pub location: Option<String>,
    /// What it was asked with.
    pub asked_as: AskedAs,
}

/// One mistake in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// What.
    pub detail: String,
}

/// Which credential went with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedAs {
    /// The admin key.
    Operator,
    /// A product's key, as a bearer token.
    Subscriber,
    /// None.
    Nobody,
}

impl Refusal {
    /// Takes over what a problem document says, but for the key that it was asked with. Anything else leaves the
    /// texts empty.
    pub(super) fn read(&mut self, body: &[u8], key: Option<&str>) {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let plain = |value: &Value| plain(value, key);
        let text = |name: &str| document.get(name).map(&plain).unwrap_or_default();
        self.code = text("code");
        self.detail = text("detail");
        let faults = document.get("errors").and_then(Value::as_array);
        let faults = faults.into_iter().flatten().take(FAULTS_MAX);
        self.errors = faults
            .map(|fault| Fault {
                pointer: fault.get("pointer").map(&plain).unwrap_or_default(),
                detail: fault.get("detail").map(&plain).unwrap_or_default(),
            })
            .collect();
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..)
    }

    /// Whether what was asked for makes no sense, whoever asks and whenever.
    pub fn is_mistake(&self) -> bool {
        matches!(self.status, 400 | 422)
    }

    /// What to do about it, as an imperative sentence without a full stop; `None` where the detail says it.
    pub fn advice(&self) -> Option<String> {
        let advice = match (self.status, self.code.as_str()) {
            (401, _) => match self.asked_as {
                AskedAs::Subscriber => {
                    "set CONNECTOR_STREAM_KEY to the product's key, or leave it out and set CONNECTOR_ADMIN_KEY"
                }
                AskedAs::Operator | AskedAs::Nobody => {
                    "set CONNECTOR_ADMIN_KEY to the key that the service was started with"
                }
            },
            (403, "admin_key_unset") => {
                "set CONNECTOR_ADMIN_KEY where the service runs, and start it again"
            }
            (404, "" | "not_found") => {
                "look where --url or CONNECTOR_URL leads; a service that is older than this program lacks some \
                 endpoints"
            }
            (300..=399, _) => {
                let place = self.location.as_deref().unwrap_or("its own address");
                return Some(format!("name {place} with --url, if you trust it"));
            }
            _ if self.is_temporary() && advice_on(&self.code).is_none() => {
                let after = self
                    .retry_after
                    .map(|wait| format!(" in {} s", wait.as_secs()));
                return Some(format!("try again{}", after.unwrap_or_default()));
            }
            (_, code) => return advice_on(code).map(str::to_owned),
        };
        Some(advice.to_owned())
    }
}

/// What to do about a refusal of a kind, whoever has refused it; `None` where what it says is enough.
pub fn advice_on(code: &str) -> Option<&'static str> {
    Some(match code {
        "product_not_found" => {
            "look at its spelling: event-connector products list names all products"
        }
        "session_not_found" => {
            "look at its spelling: event-connector tail names sessions as they are active"
        }
        "key_not_found" => "look at its spelling: event-connector keys list names a product's keys",
        "product_exists" => "the same with --force, which issues all its secrets and keys anew",
        "product_in_list" => "edit the list of products (products.path), or choose another name",
        "too_many_keys" => "event-connector keys revoke, for one that nobody uses any more",
        "invitations_off" => "set registration.mode to invite, or register it yourself",
        "secrets_key_unset" => {
            "set CONNECTOR_SECRETS_KEY to the one key of all instances, e.g. from openssl rand -hex 32"
        }
        "too_many_products" => {
            "event-connector products remove, or raise registration.products_max"
        }
        _ => return None,
    })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.at, self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        for Fault { pointer, detail } in &self.errors {
            write!(f, "\n  {pointer}: {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Text from the other side, cut, without secrets and without what would move a cursor; other values as JSON.
fn plain(value: &Value, key: Option<&str>) -> String {
    let text = match value {
        Value::String(text) => redact(text, ISSUED),
        other => redact(&other.to_string(), ISSUED),
    };
    let text = match key {
        Some(key) => text.replace(key, MASK),
        None => text,
    };
    let kept = text.chars().take(TEXT_CHARS_MAX);
    kept.map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
