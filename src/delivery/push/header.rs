//! The headers of a push.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::call::Envelope;
use crate::ingest::signature;

/// Everything that a receiver can verify a push by. `None` when the secret cannot stand in a header.
pub(super) fn headers(
    secret: &SecretString,
    envelope: &Envelope<'_>,
    now_ms: u64,
) -> Option<HeaderMap> {
    let Envelope { id, attempt, body } = *envelope;
    let (secret, body, now_s) = (secret.expose_secret(), body.as_bytes(), now_ms / 1000);
    // A secret may hold letters that are not ASCII.
    let bearer = format!("Bearer {secret}");
    let mut bearer = HeaderValue::from_bytes(bearer.as_bytes()).ok()?;
    bearer.set_sensitive(true);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let own = |name, value| Some((HeaderName::from_static(name), value?));
    let signed = signature::sign_webhook(secret, id, now_s, body);
    Some(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        own(
            "x-connector-signature",
            value(&signature::sign(secret, body)),
        )?,
        own("x-connector-delivery", value(id))?,
        own("x-connector-attempt", Some(attempt.into()))?,
        own("webhook-id", value(id))?,
        own("webhook-timestamp", Some(now_s.into()))?,
        own("webhook-signature", value(&signed))?,
    ]))
}
