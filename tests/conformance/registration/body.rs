//! The bodies and events that published clients build.

use serde_json::{Map, Value, json};

use crate::compare::{error, is_blank, is_falsy};

/// Why nothing is built.
pub(super) enum Refused {
    /// A name or an address is missing: refused as an answer would be, before any request.
    Missing,
    /// A value that nothing can be made of.
    Value,
    /// A value of a type that was not expected.
    Type,
}

impl Refused {
    /// As cases spell it.
    pub(super) fn shown(self) -> Value {
        match self {
            Self::Missing => json!({
                "error": "ConnectorRegistrationHttpError",
                "status_code": null,
                "response_text": "",
            }),
            Self::Value => error("ValueError"),
            Self::Type => error("TypeError"),
        }
    }
}

/// From the options of a command: every value as it is, and a configuration where the type asks for one.
pub(super) fn of_cli(args: &Value) -> Result<Value, Refused> {
    let (url, secret) = (
        needed(args, "forward_url")?,
        needed(args, "forward_secret")?,
    );
    let kind = needed(args, "integration_type")?;
    let config = match kind.as_str() {
        Some("event_stream") => json!({"mode": "sse"}),
        Some("webhook") if *url != "" && !url.is_null() => json!({"url": url, "secret": secret}),
        _ => json!({}),
    };
    Ok(json!({
        "product_id": needed(args, "product_id")?,
        "contact_email": needed(args, "contact_email")?,
        "webhook_secret": needed(args, "webhook_secret")?,
        "integration_type": kind,
        "integration_config": config,
        "forward_url": url,
        "forward_secret": secret,
    }))
}

/// From a row of a list of products; what is missing has a default, what is `null` stays so.
pub(super) fn of_entry(entry: &Value) -> Result<Value, Refused> {
    let or = |name: &str, default: &str| {
        let value = entry.get(name).cloned();
        value.unwrap_or_else(|| default.into())
    };
    let (product_id, contact_email) = (soft(entry, "product_id")?, soft(entry, "contact_email")?);
    if product_id.is_empty() || contact_email.is_empty() {
        return Err(Refused::Missing);
    }
    let config = match &entry["integration_config"] {
        Value::Object(config) => config.clone(),
        config if is_falsy(config) => Map::new(),
        Value::String(_) => return Err(Refused::Value),
        _ => return Err(Refused::Type),
    };
    let secret = entry.get("webhook_secret").cloned();
    Ok(json!({
        "product_id": product_id,
        "contact_email": contact_email,
        "webhook_secret": secret.unwrap_or_else(|| or("secret", "")),
        "integration_type": or("integration_type", "webhook"),
        "integration_config": config,
        "forward_url": or("forward_url", ""),
        "forward_secret": or("forward_secret", ""),
    }))
}

/// The current form: three values as they are, and what else is not blank.
pub(super) fn of_owner(args: &Value) -> Result<Value, Refused> {
    let names = ["provider", "provider_project_id", "contact_email"];
    let body = with_needed(Map::new(), args, &names)?;
    with_others(body, args, &["ingest_secret", "owner_token", "name"])
}

/// What an analytics provider is told of a product.
pub(super) fn of_provider(input: &Value) -> Result<Value, Refused> {
    let (header, secrets) = match input["provider"].as_str() {
        Some("amplitude") => ("Authorization", ["amplitude_bearer_token"]),
        _ => return Err(Refused::Value),
    };
    Ok(json!({
        "provider_name": input["provider"],
        "webhook_url": needed(input, "webhook_url")?,
        "webhook_secret": needed(input, "webhook_secret")?,
        "auth_header_name": header,
        "sensitive_config_keys": secrets,
    }))
}

/// The event that starts a tour, with its reason and with whom it is for as far as that is known.
pub(super) fn tour(args: &Value) -> Result<Value, Refused> {
    let event = with_needed(typed(), args, &["product_id", "flow_id", "reason"])?;
    with_others(event, args, &["user_id", "session_id"])
}

/// The same with exactly four keys.
pub(super) fn short_tour(args: &Value) -> Result<Value, Refused> {
    let mut event = with_needed(typed(), args, &["product_id", "flow_id"])?;
    event.insert("session_id".to_owned(), soft(args, "session_id")?.into());
    Ok(event.into())
}

fn typed() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), "usertour_trigger".into())])
}

fn with_needed(
    mut record: Map<String, Value>,
    args: &Value,
    names: &[&str],
) -> Result<Map<String, Value>, Refused> {
    for name in names {
        record.insert((*name).to_owned(), needed(args, name)?.clone());
    }
    Ok(record)
}

fn with_others(
    mut record: Map<String, Value>,
    args: &Value,
    names: &[&str],
) -> Result<Value, Refused> {
    for name in names {
        let text = soft(args, name)?;
        if !text.is_empty() {
            record.insert((*name).to_owned(), text.into());
        }
    }
    Ok(record.into())
}

fn needed<'a>(args: &'a Value, name: &str) -> Result<&'a Value, Refused> {
    args.get(name).ok_or(Refused::Type)
}

/// A text without blanks around it; what is falsy is empty.
pub(super) fn soft(record: &Value, name: &str) -> Result<String, Refused> {
    match &record[name] {
        Value::String(text) => Ok(text.trim_matches(is_blank).to_owned()),
        value if is_falsy(value) => Ok(String::new()),
        _ => Err(Refused::Type),
    }
}
