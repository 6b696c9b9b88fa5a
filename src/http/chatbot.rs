//! `POST /chatbot-webhook/{product_id}`: a conversation began or went on (contract 1.8, 4.1).

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::{RequestId, read_body, text_header};
use super::state::AppState;
use crate::delivery::intercom::webhook::{Notification, Topic, parse};
use crate::domain::session::index::{LinkRequest, Trust};
use crate::ingest::signature;
use crate::product::Product;
use crate::session::linker::{Person, Resolution};

/// Answers the platform's `HEAD` and `GET` probes.
pub(super) async fn probe(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    state.product(&product_id)?;
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
    let product = state.product(&product_id)?;
    let raw = read_body(body, state.config.http.small_body_bytes_max).await?;
    admit(&state, &product, &headers, &raw)?;
    let notification =
        parse(&raw).map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    let topic = notification.topic.as_str();
    let count = |outcome: &str| {
        let counter = &state.metrics.chatbot_webhooks;
        counter.with_label_values(&[topic, outcome]).inc();
    };
    let Some(request) = link_request(&notification) else {
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

/// The signature over the raw body, under either header; without a client secret everything passes,
/// which `check` and the start of the service point out.
fn admit(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
    raw: &[u8],
) -> Result<(), Problem> {
    let secret = product
        .intercom
        .as_ref()
        .and_then(|own| own.client_secret.as_ref());
    let Some(secret) = secret else { return Ok(()) };
    let secret = secret.expose_secret();
    let sha1 = text_header(headers, "x-hub-signature");
    let sha256 = text_header(headers, "x-hub-signature-256");
    if signature::hub(secret, raw, sha1, sha256) {
        return Ok(());
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

/// What the notification asks for; `None` for topics that link nothing.
fn link_request(notification: &Notification) -> Option<LinkRequest> {
    if !matches!(notification.topic, Topic::UserCreated | Topic::UserReplied) {
        return None;
    }
    let conversation = notification.conversation.clone()?;
    Some(LinkRequest {
        conversation,
        trust: Trust::Platform,
        message: true,
        notification_key: notification.id.as_deref().map(|id| {
            let mut hasher = DefaultHasher::new();
            ("notification", id).hash(&mut hasher);
            hasher.finish()
        }),
    })
}
