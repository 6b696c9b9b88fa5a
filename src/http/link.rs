//! `POST /sessions/link`: the browser's own word on which conversation it has open
//! (contract 1.10).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::{RequestId, hold_parsed, read_body, text_header};
use super::state::AppState;
use crate::domain::id::ProductId;
use crate::domain::session::index::{LinkRequest, Trust};
use crate::product::Product;
use crate::session::linker::{Person, Resolution};

/// The longest identifier that is taken.
pub(super) const ID_CHARS_MAX: usize = 512;

/// Links a session to a conversation. A session that was not seen yet is answered 202 and linked
/// when it appears. Anybody can call this, so it never takes a conversation away from another
/// user's session.
pub(super) async fn link(
    State(state): State<AppState>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Whose page it is stands in the body, so that all pages share what one product may hold.
    let mut memory = state.admission.small_bodies.open(&ProductId::from(""));
    let max_bytes = state.config.http.small_body_bytes_max;
    let raw = read_body(&state, body, max_bytes, &mut memory).await?;
    hold_parsed(&mut memory, raw.len())?;
    let fields: Value = serde_json::from_slice(&raw)
        .map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    let product = state.product(field(&fields, "product_id")?).await?;
    admit_origin(&product, &headers)?;
    let session = field(&fields, "session_id")?;
    let person = Person {
        session: Some(session.into()),
        ..Person::default()
    };
    let request = LinkRequest {
        conversation: field(&fields, "conversation_id")?.into(),
        trust: Trust::Page,
        message: false,
        notification_key: None,
    };
    let resolution = state
        .linker
        .link(&product.id, &person, &request, request_id)
        .await?;
    match resolution {
        Resolution::Linked(_) => Ok(Json(json!({"status": "linked"})).into_response()),
        Resolution::Unchanged(_) => Ok(Json(json!({"status": "unchanged"})).into_response()),
        Resolution::Pending | Resolution::Unresolved => {
            Ok((StatusCode::ACCEPTED, Json(json!({"status": "pending"}))).into_response())
        }
        Resolution::Refused(_) => Err(Problem::new(
            StatusCode::CONFLICT,
            "conversation_taken",
            "the conversation belongs to another user's session",
        )),
    }
}

/// The predecessor of the chatbot webhooks, removed from the published SDK in 0.6.1.
pub(super) async fn start_is_gone() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "sessions_start_removed",
        "link through POST /chatbot-webhook/{product_id} or POST /sessions/link",
    )
}

fn field<'a>(fields: &'a Value, name: &str) -> Result<&'a str, Problem> {
    let text = fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() || text.chars().count() > ID_CHARS_MAX {
        return Err(Problem::bad_request(
            "missing_field",
            format!("`{name}` must be a non-empty string of at most {ID_CHARS_MAX} characters"),
        ));
    }
    Ok(text)
}

/// A product that lists its pages hears only from them.
pub(super) fn admit_origin(product: &Product, headers: &HeaderMap) -> Result<(), Problem> {
    let origin = text_header(headers, &header::ORIGIN);
    let allowed = |origin: &str| {
        let mut listed = product.cors_origins.iter();
        listed.any(|one| one == "*" || one.eq_ignore_ascii_case(origin))
    };
    match origin {
        Some(origin) if !allowed(origin) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "origin_not_allowed",
            "add the page's origin to the product's cors_origins",
        )),
        _ => Ok(()),
    }
}
