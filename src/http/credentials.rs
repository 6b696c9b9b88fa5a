//! Who may do what. Every comparison is constant-time; a refusal never says which part was wrong.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret;

use super::problem::Problem;
use super::request::text_header;
use super::state::AppState;
use crate::domain::action::Provider;
use crate::ingest::signature;
use crate::product::Product;

const POSTHOG_SECRET: HeaderName = HeaderName::from_static("x-posthog-secret");
const ADMIN_KEY: HeaderName = HeaderName::from_static("x-admin-key");

/// Admits an ingest request: the secret in `X-PostHog-Secret`, plain or as a signature over the raw
/// body, or as a bearer token; either header passing is enough (contract 1.1, 1.2).
pub(super) fn admit_ingest(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
    body: &[u8],
    forced: Option<Provider>,
) -> Result<(), Problem> {
    if product.allow_unauthenticated_ingest {
        return Ok(());
    }
    let now_ms = state.clock.now_ms();
    let header = text_header(headers, &POSTHOG_SECRET);
    let bearer = text_header(headers, &header::AUTHORIZATION).and_then(signature::bearer);
    for secret in product.secrets(now_ms) {
        let secret = secret.expose_secret();
        let by_header = header.is_some_and(|given| signature::posthog(secret, body, given));
        if by_header || bearer.is_some_and(|given| is_secret(given, secret)) {
            return Ok(());
        }
    }
    // Amplitude's older destination sends the key of the stream (contract 1.3).
    if forced == Some(Provider::Amplitude) && uses_key(state, product, bearer) {
        return Ok(());
    }
    let id = product.id.as_str();
    let counter = &state.metrics.signature_failures;
    counter.with_label_values(&[state.product_label(id)]).inc();
    tracing::warn!(
        product_id = id,
        "connector: invalid PostHog signature for product={id}"
    );
    Err(Problem::unauthorized())
}

/// Admits whoever may read what a product tells: an issued key, the webhook secret (contract 1.7), or an operator, who
/// may see everything anyway.
pub(super) fn admit_reader(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let bearer = text_header(headers, &header::AUTHORIZATION).and_then(signature::bearer);
    let mut secrets = product.secrets(state.clock.now_ms());
    let by_secret =
        bearer.is_some_and(|given| secrets.any(|secret| is_secret(given, secret.expose_secret())));
    let is_operator = || has_admin_key(headers) && admit_admin(state, headers).is_ok();
    if by_secret || uses_key(state, product, bearer) || is_operator() {
        Ok(())
    } else {
        Err(Problem::unauthorized())
    }
}

/// The headers that [`admit_reader`] looks at, for whoever asks it again later. They are copies: a header as it came
/// keeps all of the buffer that its request was read into.
pub(super) fn reader_headers(headers: &HeaderMap) -> HeaderMap {
    let mut copies = HeaderMap::new();
    for name in [header::AUTHORIZATION, ADMIN_KEY] {
        let value = headers.get(&name).map(HeaderValue::as_bytes);
        if let Some(Ok(mut copy)) = value.map(HeaderValue::from_bytes) {
            copy.set_sensitive(true);
            copies.insert(name, copy);
        }
    }
    copies
}

/// The same for keys that Unkey issued as well, where it is asked.
///
/// # Errors
///
/// 401, or 503 `keys_unverifiable` when Unkey does not say.
pub(super) async fn admit_reader_or_ask(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
) -> Result<ReaderKey, Problem> {
    let refused = match admit_reader(state, product, headers) {
        Ok(()) => return Ok(ReaderKey::Own),
        Err(refused) => refused,
    };
    let bearer = text_header(headers, &header::AUTHORIZATION).and_then(signature::bearer);
    let (Some(unkey), Some(given)) = (&state.unkey, bearer) else {
        return Err(refused);
    };
    match unkey.opens(&product.id, given).await {
        Ok(true) => Ok(ReaderKey::OfUnkey),
        Ok(false) => Err(refused),
        Err(unclear) => Err(Problem::unavailable(
            "keys_unverifiable",
            unclear.to_string(),
        )),
    }
}

/// Who knows whether a reader's key is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReaderKey {
    /// We do, at any time.
    Own,
    /// Somebody who was asked once.
    OfUnkey,
}

/// Whether `given` is a key of the product; then its use is noted.
fn uses_key(state: &AppState, product: &Product, given: Option<&str>) -> bool {
    let now_ms = state.clock.now_ms();
    let key = given.and_then(|given| product.key(given, now_ms));
    if let Some(key) = key {
        state.directory.note_use(&key.id);
    }
    key.is_some()
}

/// Whether an operator's key is sent, right or wrong.
pub(super) fn has_admin_key(headers: &HeaderMap) -> bool {
    headers.contains_key(ADMIN_KEY)
}

/// Admits an operator.
pub(super) fn admit_admin(state: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    let key = state.config.admin.key.expose_secret();
    if key.is_empty() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "admin_key_unset",
            "set admin.key (CONNECTOR_ADMIN_KEY) to use this endpoint",
        ));
    }
    let given = text_header(headers, &ADMIN_KEY).unwrap_or_default();
    if signature::secrets_equal(given.as_bytes(), key.as_bytes()) {
        Ok(())
    } else {
        Err(Problem::unauthorized())
    }
}

/// Whether `given` is `secret`. An empty secret matches nothing.
fn is_secret(given: &str, secret: &str) -> bool {
    !secret.is_empty() && signature::secrets_equal(given.as_bytes(), secret.as_bytes())
}
