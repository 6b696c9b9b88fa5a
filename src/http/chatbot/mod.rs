//! `POST /chatbot-webhook/{product_id}`: a conversation began or went on (contract 1.8, 4.1).

mod bridge;
mod intercom;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::request::{RequestId, hold_parsed, read_body};
use super::state::AppState;
use crate::domain::session::index::LinkRequest;
use crate::product::Product;
use crate::session::linker::{Person, Resolution};

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
    let heard = match (&product.intercom, &product.bridge) {
        (Some(own), _) => intercom::admit(own, &headers, &raw),
        (None, Some(own)) => bridge::admit(&state, (&product, own), &headers, &raw),
        (None, None) => {
            let detail = "no live worker: the product is not registered with a chatbot";
            return Err(Problem::unavailable("no_live_worker", detail));
        }
    };
    let trust = heard.ok_or_else(|| unsigned(&state, &product))?;
    hold_parsed(&mut memory, raw.len())?;
    let heard = match &product.intercom {
        Some(own) => intercom::read(own, trust, &raw),
        None => bridge::read(&raw),
    }?;
    drop(memory);
    let topic = heard.topic;
    let count = |outcome: &str| {
        let counter = &state.metrics.chatbot_webhooks;
        counter.with_label_values(&[topic, outcome]).inc();
    };
    let Some((person, request)) = heard.asks else {
        count("ignored");
        return Ok(Json(json!({"status": "ignored"})));
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

/// What a notification came to.
struct Heard {
    /// Its label in metrics.
    topic: &'static str,
    /// Whose session is to be linked, and to what; `None` for what links nothing.
    asks: Option<(Person, LinkRequest)>,
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
