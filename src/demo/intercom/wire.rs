//! The JSON that Intercom answers with, and the notifications it sends.

use serde_json::{Value, json};

use super::model::{Conversation, Part};

/// No answer shows more parts than this; the newest win.
const PARTS_MAX: usize = 500;

/// Who the only admin is.
const ADMIN_NAME: &str = "Connector";
const ADMIN_EMAIL: &str = "connector@admin.example";

/// An error as every failing call is answered.
pub(super) fn error_list(code: &str) -> Value {
    json!({
        "type": "error.list",
        "request_id": "0000f8vs8t6bmstqk9c0",
        "errors": [{"code": code, "message": code.replace('_', " ")}],
    })
}

/// A whole conversation.
pub(super) fn conversation(conversation: &Conversation, is_plain: bool) -> Value {
    let created_at = conversation.created_ms / 1000;
    let surplus = conversation.parts.len().saturating_sub(PARTS_MAX);
    let shown = conversation.parts.iter().skip(surplus);
    let parts: Vec<Value> = shown.map(|one| part(conversation, one, is_plain)).collect();
    json!({
        "type": "conversation",
        "id": conversation.id,
        "created_at": created_at,
        "updated_at": created_at,
        "source": {
            "type": "conversation",
            "id": format!("40{}", conversation.id),
            "delivered_as": "customer_initiated",
            "subject": "",
            "body": body("<p>Hello, I need help.</p>", is_plain),
            "author": {
                "type": "user",
                "id": conversation.contact,
                "name": null,
                "email": conversation.email,
            },
            "attachments": [],
            "url": null,
            "redacted": false,
        },
        "contacts": {"type": "contact.list", "contacts": [contact_reference(conversation)]},
        "admin_assignee_id": null,
        "team_assignee_id": null,
        "open": true,
        "state": "open",
        "read": false,
        "tags": {"type": "tag.list", "tags": []},
        "priority": "not_priority",
        "custom_attributes": {},
        "conversation_parts": {
            "type": "conversation_part.list",
            "conversation_parts": parts,
            "total_count": conversation.parts.len(),
        },
    })
}

/// A page of contacts.
pub(super) fn contact_page(contacts: Vec<Value>) -> Value {
    let count = contacts.len();
    let pages = json!({"type": "pages", "page": 1, "per_page": 50, "total_pages": 1, "next": null});
    json!({"type": "list", "data": contacts, "total_count": count, "pages": pages})
}

/// A contact as a search finds it.
pub(super) fn contact(conversation: &Conversation) -> Value {
    json!({
        "type": "contact",
        "id": conversation.contact,
        "external_id": conversation.external_id,
        "email": conversation.email,
        "role": "user",
    })
}

/// The answer to "who am I".
pub(super) fn admin(id: &str) -> Value {
    json!({"type": "admin", "id": id, "name": ADMIN_NAME, "email": ADMIN_EMAIL})
}

/// A notification about a conversation, in the shape of version 2.11.
pub(super) fn notification(topic: &str, conversation: &Conversation, serial: u64) -> Value {
    let mut item = self::conversation(conversation, false);
    let newest = conversation
        .parts
        .last()
        .filter(|_| topic != "conversation.user.created")
        .filter(|one| topic.starts_with("conversation.user.") == (one.author_type == "user"));
    let parts: Vec<Value> = newest
        .iter()
        .map(|one| part(conversation, one, false))
        .collect();
    item["conversation_parts"] = json!({
        "type": "conversation_part.list",
        "total_count": parts.len(),
        "conversation_parts": parts,
    });
    envelope(
        topic,
        Some(format!("notif_{serial:08}")),
        conversation.created_ms / 1000,
        &item,
    )
}

/// The notification by which Intercom tries an address.
pub(super) fn ping(now_ms: u64) -> Value {
    let item = json!({"type": "ping", "message": "something something interzen"});
    envelope("ping", None, now_ms / 1000, &item)
}

/// What `display_as=plaintext` makes of a body.
pub(super) fn plain_text(html: &str) -> String {
    let mut text = html.to_owned();
    for (from, to) in [
        ("<br>", "\n"),
        ("</p><p>", "\n\n"),
        ("<p>", ""),
        ("</p>", ""),
        ("<i>", ""),
        ("</i>", ""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(from, to);
    }
    text
}

fn envelope(topic: &str, id: Option<String>, at_s: u64, item: &Value) -> Value {
    json!({
        "type": "notification_event",
        "app_id": "demo0001",
        "topic": topic,
        "id": id,
        "created_at": at_s,
        "first_sent_at": at_s,
        "delivered_at": 0,
        "delivery_status": id.as_ref().map(|_| "pending"),
        "delivery_attempts": 1,
        "links": {},
        "self": null,
        "data": {"type": "notification_event_data", "item": item},
    })
}

fn contact_reference(conversation: &Conversation) -> Value {
    json!({
        "type": "contact",
        "id": conversation.contact,
        "external_id": conversation.external_id,
    })
}

fn part(conversation: &Conversation, part: &Part, is_plain: bool) -> Value {
    let at = part.created_ms / 1000;
    let (name, email) = match part.author_type {
        "admin" => (Some(ADMIN_NAME), ADMIN_EMAIL),
        _ => (None, conversation.email.as_str()),
    };
    json!({
        "type": "conversation_part",
        "id": part.id,
        "part_type": part.kind,
        "body": part.html.as_deref().map(|html| body(html, is_plain)),
        "created_at": at,
        "updated_at": at,
        "notified_at": at,
        "assigned_to": null,
        "author": {
            "id": part.author_id,
            "type": part.author_type,
            "name": name,
            "email": email,
        },
        "attachments": [],
        "external_id": null,
        "redacted": part.is_redacted,
    })
}

fn body(html: &str, is_plain: bool) -> String {
    if is_plain {
        plain_text(html)
    } else {
        html.to_owned()
    }
}
