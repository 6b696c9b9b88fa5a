//! Who may do what. Every comparison is constant-time; a refusal never says which part was wrong.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use secrecy::ExposeSecret;

use super::problem::Problem;
use super::request::text_header;
use super::state::AppState;
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
) -> Result<(), Problem> {
    if product.allow_unauthenticated_ingest {
        return Ok(());
    }
    let secret = secret_of(product);
    let by_header = text_header(headers, &POSTHOG_SECRET)
        .is_some_and(|given| !secret.is_empty() && signature::posthog(secret, body, given));
    if by_header || bearer_matches(headers, secret) {
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

/// Admits a feed subscriber. Until keys are issued the stream key is the webhook secret.
pub(super) fn admit_stream(product: &Product, headers: &HeaderMap) -> Result<(), Problem> {
    if bearer_matches(headers, secret_of(product)) {
        Ok(())
    } else {
        Err(Problem::unauthorized())
    }
}

/// The product's secret; empty, and so matching nothing, when its row names none.
fn secret_of(product: &Product) -> &str {
    let secret = product.secret.as_ref();
    secret
        .map(|secret| secret.expose_secret())
        .unwrap_or_default()
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

/// Whether the bearer token is `secret`. An empty secret matches nothing.
pub(super) fn bearer_matches(headers: &HeaderMap, secret: &str) -> bool {
    let given = text_header(headers, &header::AUTHORIZATION).and_then(signature::bearer);
    let same = |given: &str| signature::secrets_equal(given.as_bytes(), secret.as_bytes());
    given.is_some_and(|given| !secret.is_empty() && same(given))
}
