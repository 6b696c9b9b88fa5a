//! What Intercom's published descriptions allow in a request; anything else is refused with the
//! error code of the answer.

use serde_json::{Map, Value};

/// An accepted reply of an admin.
pub(super) struct Reply {
    pub(super) message_type: String,
    pub(super) admin_id: String,
    pub(super) html: Option<String>,
}

/// Whether a header names a version of the published descriptions.
pub(super) fn is_version(text: &str) -> bool {
    text == PREVIEW || number(text).is_some()
}

/// Reads `admin_reply_conversation_request` as of `version`.
pub(super) fn reply(body: &str, version: &str) -> Result<Reply, &'static str> {
    let since = |minor: u32| version == PREVIEW || number(version) >= Some((2, minor));
    let mut known = vec![
        "message_type",
        "type",
        "body",
        "admin_id",
        "created_at",
        "attachment_urls",
        "attachment_files",
    ];
    known.extend(since(14).then_some("reply_options"));
    known.extend(since(15).then_some("skip_notifications"));
    let body = object(body, &known)?;
    if text(&body, "type")? != "admin" {
        return Err(INVALID);
    }
    if body.get("created_at").is_some_and(|at| !at.is_u64()) {
        return Err(INVALID);
    }
    for list in ["attachment_urls", "attachment_files"] {
        let is_wrong = |value: &Value| value.as_array().is_none_or(|all| all.len() > 10);
        if body.get(list).is_some_and(is_wrong) {
            return Err(INVALID);
        }
    }
    let message_type = text(&body, "message_type")?;
    let html = match message_type.as_str() {
        "note" | "comment" => Some(text(&body, "body")?),
        "quick_reply" if since(14) => {
            options(body.get("reply_options").ok_or(MISSING)?)?;
            None
        }
        _ => return Err(INVALID),
    };
    Ok(Reply {
        admin_id: text(&body, "admin_id")?,
        message_type,
        html,
    })
}

/// Reads the part form of `redact_conversation_request`: conversation and part.
pub(super) fn redaction(body: &str) -> Result<(String, String), &'static str> {
    let known = ["type", "conversation_id", "conversation_part_id"];
    let body = object(body, &known)?;
    if text(&body, "type")? != "conversation_part" {
        return Err(INVALID);
    }
    Ok((
        text(&body, "conversation_id")?,
        text(&body, "conversation_part_id")?,
    ))
}

/// Reads a contact search by `email` or `external_id`: field and value.
pub(super) fn search(body: &str) -> Result<(String, String), &'static str> {
    let body = object(body, &["query", "pagination"])?;
    let query = body
        .get("query")
        .and_then(Value::as_object)
        .ok_or(MISSING)?;
    let field = text(query, "field")?;
    let is_known = matches!(field.as_str(), "email" | "external_id");
    if !is_known || text(query, "operator")? != "=" {
        return Err(INVALID);
    }
    Ok((field, text(query, "value")?))
}

fn options(list: &Value) -> Result<(), &'static str> {
    let list = list.as_array().filter(|list| !list.is_empty());
    for option in list.ok_or(INVALID)? {
        let option = option.as_object().ok_or(INVALID)?;
        text(option, "text")?;
        text(option, "uuid")?;
    }
    Ok(())
}

fn object(body: &str, known: &[&str]) -> Result<Map<String, Value>, &'static str> {
    let body: Value = serde_json::from_str(body).map_err(|_| "client_error")?;
    let Value::Object(body) = body else {
        return Err("client_error");
    };
    let is_known = body.keys().all(|key| known.contains(&key.as_str()));
    if is_known { Ok(body) } else { Err(INVALID) }
}

fn text(object: &Map<String, Value>, name: &str) -> Result<String, &'static str> {
    let value = object.get(name).ok_or(MISSING)?;
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(INVALID)
}

/// Major and minor, if such a version was published: 1.0 to 1.4 and 2.0 to 2.16.
fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    let number: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    let is_published = matches!(number, (1, 0..=4) | (2, 0..=16));
    let is_plain = format!("{}.{}", number.0, number.1) == text;
    (is_published && is_plain).then_some(number)
}

/// The channel that has everything.
const PREVIEW: &str = "Preview";

const INVALID: &str = "parameter_invalid";
const MISSING: &str = "parameter_not_found";
