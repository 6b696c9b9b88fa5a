//! `POST /chatbot-webhook/{product_id}`: a conversation began or went on (contract 1.8, 4.1).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::{Extension, Json};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::credentials::admit_reader;
use super::problem::Problem;
use super::request::{RequestId, hold_parsed, read_body, text_header};
use super::state::AppState;
use crate::domain::session::index::{LinkRequest, Trust};
use crate::platform::webhook::{Proof, Webhook};
use crate::product::Product;
use crate::session::linker::Resolution;

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
    let Some(chatbot) = product.chatbot() else {
        let detail = "no live worker: the product is not registered with a chatbot";
        return Err(Problem::unavailable("no_live_worker", detail));
    };
    let header = |name| text_header(&headers, &HeaderName::from_static(name));
    let proof = chatbot.prove(&Webhook {
        header: &header,
        body: &raw,
    });
    let trust = match proof {
        Proof::Given(trust) => trust,
        Proof::Wanted if admit_reader(&state, &product, &headers).is_ok() => Trust::Platform,
        Proof::Wanted | Proof::Failed => return Err(unsigned(&state, &product)),
    };
    hold_parsed(&mut memory, raw.len())?;
    let heard = chatbot.hear(&raw);
    let heard = heard.map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    drop(memory);
    let topic = heard.topic;
    let count = |outcome: &str| {
        let counter = &state.metrics.chatbot_webhooks;
        counter.with_label_values(&[topic, outcome]).inc();
    };
    let Some(asked) = heard.asks else {
        count("ignored");
        return Ok(Json(json!({"status": "ignored"})));
    };
    let request = LinkRequest {
        conversation: asked.conversation,
        trust,
        message: true,
        notification_key: asked.notification.as_deref().map(notification_key),
    };
    let resolution = state
        .linker
        .link(&product.id, &asked.person, &request, request_id)
        .await?;
    count(resolution.as_str());
    let is_linked = matches!(resolution, Resolution::Linked(_) | Resolution::Unchanged(_));
    Ok(Json(json!({
        "status": "accepted",
        "session_linked": is_linked,
        "conversation_id": request.conversation,
    })))
}

fn unsigned(state: &AppState, product: &Product) -> Problem {
    let id = product.id.as_str();
    let counter = &state.metrics.signature_failures;
    counter.with_label_values(&[state.product_label(id)]).inc();
    tracing::warn!(
        product_id = id,
        "connector: invalid chatbot signature for product={id}"
    );
    Problem::unauthorized()
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
