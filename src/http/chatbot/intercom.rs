//! Notifications of Intercom.

use axum::http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;

use super::{Heard, notification_key};
use crate::delivery::intercom::webhook::{Author, Notification, Topic, parse};
use crate::domain::session::index::{LinkRequest, Trust};
use crate::http::problem::Problem;
use crate::http::request::text_header;
use crate::ingest::signature;
use crate::product::Intercom;
use crate::session::linker::Person;

const HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");
const HUB_SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// How far the sender is believed, if at all. The signature over the raw body counts under either header. A
/// workspace without a client secret is heard as well, but like a page: its word does not take a
/// conversation away from another user's session.
pub(super) fn admit(own: &Intercom, headers: &HeaderMap, raw: &[u8]) -> Option<Trust> {
    let Some(secret) = &own.client_secret else {
        return Some(Trust::Page);
    };
    let sha1 = text_header(headers, &HUB_SIGNATURE);
    let sha256 = text_header(headers, &HUB_SIGNATURE_256);
    let is_signed = signature::hub(secret.expose_secret(), raw, sha1, sha256);
    is_signed.then_some(Trust::Platform)
}

/// What the notification asks for.
pub(super) fn read(own: &Intercom, trust: Trust, raw: &[u8]) -> Result<Heard, Problem> {
    let notification =
        parse(raw).map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    let request = link_request(&notification, trust, &own.admin_id);
    let person = Person {
        session: None,
        user: notification.external_id.clone(),
        email: notification.email.clone(),
    };
    Ok(Heard {
        topic: notification.topic.as_str(),
        asks: request.map(|request| (person, request)),
    })
}

/// What the notification asks for; `None` for topics that link nothing, and for what the connector
/// wrote itself as `own`: our notes must not come back as a person's message.
fn link_request(notification: &Notification, trust: Trust, own: &str) -> Option<LinkRequest> {
    if matches!(&notification.author, Author::Admin(Some(id)) if id == own) {
        return None;
    }
    if !matches!(notification.topic, Topic::UserCreated | Topic::UserReplied) {
        return None;
    }
    let conversation = notification.conversation.clone()?;
    Some(LinkRequest {
        conversation,
        trust,
        message: true,
        notification_key: notification.id.as_deref().map(notification_key),
    })
}
