//! What Intercom knows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::{Call, Fault};
use super::schema;
use super::wire;

/// A call as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: String,
    /// The `Intercom-Version` header.
    pub version: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The body.
    pub body: String,
    /// When it came, Unix milliseconds.
    pub at_ms: u64,
}

/// A message of an admin, as a teammate reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its identifier.
    pub part: String,
    /// `note`, `comment` or `quick_reply`.
    pub kind: String,
    /// The body as posted.
    pub html: String,
    /// The body as shown with `display_as=plaintext`.
    pub text: String,
    /// When it was posted, Unix milliseconds.
    pub at_ms: u64,
}

/// A conversation and who is in it.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) id: String,
    pub(super) contact: String,
    pub(super) external_id: String,
    pub(super) email: String,
    pub(super) created_ms: u64,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) author_type: &'static str,
    pub(super) author_id: String,
    pub(super) html: Option<String>,
    pub(super) created_ms: u64,
    pub(super) is_redacted: bool,
}

/// The answer to a call.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// What the rate limit's headers say, if there is a limit.
    pub(super) quota: Option<Quota>,
}

/// How much of the rate window is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset_s: u64,
}

/// A rate limit in windows that follow each other without a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) limit: u32,
    used: u32,
    ends_ms: u64,
}

impl Window {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            used: 0,
            ends_ms: 0,
        }
    }

    /// Counts a call; says whether it is within the limit.
    fn count(&mut self, now_ms: u64) -> (bool, Quota) {
        if now_ms >= self.ends_ms {
            self.used = 0;
            self.ends_ms = (now_ms / WINDOW_MS + 1) * WINDOW_MS;
        }
        let is_within = self.used < self.limit;
        self.used += u32::from(is_within);
        let quota = Quota {
            limit: self.limit,
            remaining: self.limit - self.used,
            reset_s: self.ends_ms / 1000,
        };
        (is_within, quota)
    }
}

/// How long a rate window lasts (external-apis §1.5).
const WINDOW_MS: u64 = 10_000;

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) access_token: String,
    pub(super) admin_id: String,
    pub(super) conversations: BTreeMap<String, Conversation>,
    pub(super) requests: Vec<Request>,
    pub(super) faults: Vec<(Call, Option<String>, Fault)>,
    pub(super) serial: u64,
    pub(super) window: Option<Window>,
}

impl Model {
    /// The first scripted misfortune for this call, used up by it.
    pub(super) fn take_fault(&mut self, call: Call, conversation: Option<&str>) -> Option<Fault> {
        let meant = self.faults.iter().position(|(kind, target, _)| {
            *kind == call && target.as_deref().is_none_or(|id| Some(id) == conversation)
        })?;
        Some(self.faults.remove(meant).2)
    }

    /// Carries a call out. `path` is decoded and split at slashes, without the query.
    pub(super) fn process(&mut self, path: &[String], query: &str, request: &Request) -> Answer {
        if request.authorization != format!("Bearer {}", self.access_token) {
            return Answer::error(401, "unauthorized");
        }
        let Some(window) = &mut self.window else {
            return self.obey(path, query, request);
        };
        let (is_within, quota) = window.count(request.at_ms);
        let answer = if is_within {
            self.obey(path, query, request)
        } else {
            Answer::error(429, "rate_limit_exceeded")
        };
        Answer {
            quota: Some(quota),
            ..answer
        }
    }

    fn obey(&mut self, path: &[String], query: &str, request: &Request) -> Answer {
        if !schema::is_version(&request.version) {
            return Answer::error(400, "intercom_version_invalid");
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["conversations", "redact"]) => self.redact(request),
            ("POST", ["conversations", id, "reply"]) => self.reply(id, request),
            ("GET", ["conversations", id]) => self.read(id, query),
            ("POST", ["contacts", "search"]) => self.search(request),
            ("GET", ["me"]) => Answer::ok(wire::admin(&self.admin_id)),
            _ => Answer::error(404, "not_found"),
        }
    }

    /// Adds a message and returns its identifier.
    pub(super) fn add_part(
        &mut self,
        conversation: &str,
        author_type: &'static str,
        kind: &str,
        html: Option<String>,
        now_ms: u64,
    ) -> Option<String> {
        self.serial += 1;
        let id = self.serial.to_string();
        let admin_id = self.admin_id.clone();
        let conversation = self.conversations.get_mut(conversation)?;
        let author_id = match author_type {
            "admin" => admin_id,
            _ => conversation.contact.clone(),
        };
        conversation.parts.push(Part {
            id: id.clone(),
            kind: kind.to_owned(),
            author_type,
            author_id,
            html,
            created_ms: now_ms,
            is_redacted: false,
        });
        Some(id)
    }

    fn reply(&mut self, id: &str, request: &Request) -> Answer {
        let body = match schema::reply(&request.body, &request.version) {
            Ok(body) => body,
            Err(code) => return Answer::error(400, code),
        };
        if !self.conversations.contains_key(id) {
            return Answer::error(404, "conversation_not_found");
        }
        if body.admin_id != self.admin_id {
            return Answer::error(404, "admin_not_found");
        }
        self.add_part(id, "admin", &body.message_type, body.html, request.at_ms);
        self.read(id, "")
    }

    fn read(&self, id: &str, query: &str) -> Answer {
        let is_plain = query.split('&').any(|pair| pair == "display_as=plaintext");
        match self.conversations.get(id) {
            Some(conversation) => Answer::ok(wire::conversation(conversation, is_plain)),
            None => Answer::error(404, "not_found"),
        }
    }

    fn redact(&mut self, request: &Request) -> Answer {
        let (conversation, part) = match schema::redaction(&request.body) {
            Ok(target) => target,
            Err(code) => return Answer::error(400, code),
        };
        let Some(found) = self.conversations.get_mut(&conversation) else {
            return Answer::error(404, "conversation_not_found");
        };
        let Some(part) = found.parts.iter_mut().find(|own| own.id == part) else {
            return Answer::error(404, "conversation_part_or_message_not_found");
        };
        if part.html.is_none() {
            return Answer::error(400, "conversation_part_not_redactable");
        }
        part.is_redacted = true;
        part.html = Some("<p><i>This message was deleted</i></p>".to_owned());
        self.read(&conversation, "")
    }

    /// Finds contacts by one field being equal, which is all the connector asks for.
    fn search(&self, request: &Request) -> Answer {
        let (field, value) = match schema::search(&request.body) {
            Ok(query) => query,
            Err(code) => return Answer::error(400, code),
        };
        let is_meant = |conversation: &&Conversation| match field.as_str() {
            "email" => conversation.email == value,
            _ => conversation.external_id == value,
        };
        let mut found: Vec<Value> = Vec::new();
        for conversation in self.conversations.values().filter(is_meant) {
            let contact = wire::contact(conversation);
            if !found.contains(&contact) {
                found.push(contact);
            }
        }
        Answer::ok(wire::contact_page(found))
    }
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            quota: None,
        }
    }

    fn error(status: u16, code: &str) -> Self {
        Self {
            status,
            body: wire::error_list(code),
            quota: None,
        }
    }
}
