//! `POST /chatbot-webhook/{product_id}`: a conversation began or went on (contract 1.8, 4.1).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::{Extension, Json};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::request::{RequestId, hold_parsed, read_body, text_header};
use super::state::AppState;
use crate::delivery::intercom::webhook::{Author, Notification, Topic, parse};
use crate::domain::session::index::{LinkRequest, Trust};
use crate::ingest::signature;
use crate::product::Product;
use crate::session::linker::{Person, Resolution};

const HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");
const HUB_SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// Answers the platform's `HEAD` and `GET` probes.
pub(super) async fn probe(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    state.product(&product_id).await?;
    Ok(Json(json!({"status": "ok"})))
}

/// Takes a signed notification and links the user's session. The answer needs one commit and no
/// vendor, well within the platform's five seconds.
pub(super) async fn webhook(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let product = state.product(&product_id).await?;
    let mut memory = state.admission.small_bodies.open(&product.id);
    let max_bytes = state.config.http.small_body_bytes_max;
    let raw = read_body(&state, body, max_bytes, &mut memory).await?;
    let trust = admit(&state, &product, &headers, &raw)?;
    hold_parsed(&mut memory, raw.len())?;
    let notification =
        parse(&raw).map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    drop(memory);
    let topic = notification.topic.as_str();
    let count = |outcome: &str| {
        let counter = &state.metrics.chatbot_webhooks;
        counter.with_label_values(&[topic, outcome]).inc();
    };
    let own = product.intercom.as_ref().map(|own| own.admin_id.as_str());
    let Some(request) = link_request(&notification, trust, own) else {
        count("ignored");
        return Ok(Json(json!({"status": "ignored"})));
    };
    let person = Person {
        session: None,
        user: notification.external_id.clone(),
        email: notification.email.clone(),
    };
    let resolution = state
        .linker
        .link(&product.id, &person, &request, request_id)
        .await?;
    count(resolution.as_str());
    let is_linked = matches!(resolution, Resolution::Linked(_) | Resolution::Unchanged(_));
    Ok(Json(json!({
        "status": "accepted",
        "session_linked": is_linked,
        "conversation_id": request.conversation,
    })))
}

/// How far the sender is believed. The signature over the raw body counts under either header. A
/// workspace without a client secret is heard as well, but like a page: its word does not take a
/// conversation away from another user's session.
fn admit(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
    raw: &[u8],
) -> Result<Trust, Problem> {
    let Some(own) = &product.intercom else {
        let detail = "no live worker: the product is not registered with a chatbot";
        return Err(Problem::unavailable("no_live_worker", detail));
    };
    let Some(secret) = &own.client_secret else {
        return Ok(Trust::Page);
    };
    let secret = secret.expose_secret();
    let sha1 = text_header(headers, &HUB_SIGNATURE);
    let sha256 = text_header(headers, &HUB_SIGNATURE_256);
    if signature::hub(secret, raw, sha1, sha256) {
        return Ok(Trust::Platform);
    }
    let id = product.id.as_str();
    let counter = &state.metrics.signature_failures;
    counter.with_label_values(&[state.product_label(id)]).inc();
    tracing::warn!(
        product_id = id,
        "connector: invalid chatbot signature for product={id}"
    );
    Err(Problem::unauthorized())
}

/// What the notification asks for; `None` for topics that link nothing, and for what the connector
/// wrote itself as `own`: our notes must not come back as a person's message.
fn link_request(
    notification: &Notification,
    trust: Trust,
    own: Option<&str>,
) -> Option<LinkRequest> {
    if matches!(&notification.author, Author::Admin(Some(id)) if Some(id.as_str()) == own) {
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

/// Eight bytes that recognise a notification when it is delivered again, the same in every release
/// and on every instance.
fn notification_key(id: &str) -> u64 {
    let digest = Sha256::new()
        .chain_update("notification\0")
        .chain_update(id)
        .finalize();
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}
