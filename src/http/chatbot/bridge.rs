//! Notifications of customers' own bridges (contract 1.8, the neutral form).

use axum::http::{HeaderMap, HeaderName, header};
use secrecy::ExposeSecret;

use super::{Heard, notification_key};
use crate::delivery::bridge::webhook::parse;
use crate::domain::session::index::{LinkRequest, Trust};
use crate::http::credentials::admit_reader;
use crate::http::problem::Problem;
use crate::http::request::text_header;
use crate::http::state::AppState;
use crate::ingest::signature;
use crate::product::{Bridge, Product};
use crate::session::linker::Person;

const SIGNATURE: HeaderName = HeaderName::from_static("x-connector-signature");

/// A bridge signs as we sign what we send it, or shows a secret: the one that it shares with us, or one of the
/// product's.
pub(super) fn admit(
    state: &AppState,
    (product, own): (&Product, &Bridge),
    headers: &HeaderMap,
    raw: &[u8],
) -> Option<Trust> {
    let secret = own.secret.expose_secret();
    let bearer = text_header(headers, &header::AUTHORIZATION).and_then(signature::bearer);
    let is_known = match text_header(headers, &SIGNATURE) {
        Some(signed) => signature::verify(secret, raw, signed),
        None => {
            let shared =
                |given: &str| signature::secrets_equal(given.as_bytes(), secret.as_bytes());
            bearer.is_some_and(shared) || admit_reader(state, product, headers).is_ok()
        }
    };
    is_known.then_some(Trust::Platform)
}

/// What the notification asks for. One without a conversation, or without anybody whose it is, links nothing.
pub(super) fn read(raw: &[u8]) -> Result<Heard, Problem> {
    let notification =
        parse(raw).ok_or_else(|| Problem::bad_request("invalid_json", "invalid json"))?;
    let person = Person {
        session: notification.session,
        user: notification.user,
        email: notification.email,
    };
    let is_anybody = person.session.is_some() || person.user.is_some() || person.email.is_some();
    let conversation = notification.conversation.filter(|_| is_anybody);
    Ok(Heard {
        topic: "bridge",
        asks: conversation.map(|conversation| {
            let request = LinkRequest {
                conversation,
                trust: Trust::Platform,
                message: true,
                notification_key: notification.id.as_deref().map(notification_key),
            };
            (person, request)
        }),
    })
}
