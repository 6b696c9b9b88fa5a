//! What operators ask of the outbox over HTTP: which deliveries there are, what became of one, to send it again, and to
//! take its note back.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::Value;

use super::credentials::admit_admin;
use super::outbox::{self, FilterError, Replayed};
use super::problem::Problem;
use super::request::RequestId;
use super::state::AppState;
use crate::domain::attempt::AttemptOutcome;
use crate::domain::session::{Input, Reply};
use crate::store::DeliveryHistory;

/// Lists deliveries, newest first, without the texts of their notes.
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(filters): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let query = outbox::read_query(filters)?;
    Ok(Json(outbox::list(&*state.store, &query).await?))
}

/// Shows one delivery, its note and the calls made for it.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let shown = outbox::show(&*state.store, &id).await?;
    shown.map(Json).ok_or_else(unknown)
}

/// Has a delivery sent again, and answers which one that is.
pub(super) async fn replay(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let sent = outbox::replay(&*state.store, &state.clock, &state.chance, &id).await?;
    let Replayed {
        id: sent_as,
        product,
        shown,
    } = sent.ok_or_else(unknown)?;
    tracing::info!(delivery_id = %id, %sent_as, "an operator has a delivery sent again");
    (state.replayed)(&product);
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// Has the note of a delivery taken back, and answers the delivery that does it. The session's commit puts it into
/// the outbox, behind whatever waits for the conversation.
pub(super) async fn redact(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let found = state.store.delivery(&id.as_str().into()).await?;
    let DeliveryHistory { delivery, .. } = found.ok_or_else(unknown)?;
    let Some(redaction) = outbox::redaction(&delivery) else {
        let detail = "only a note that was delivered can be taken back";
        return Err(Problem::new(StatusCode::CONFLICT, "not_a_note", detail));
    };
    let input = Input::Redact(redaction);
    let reply = state.sessions.ask(&delivery.key, input, request_id);
    let Reply::Queued(redacted_as) = reply.await? else {
        return Err(unknown());
    };
    tracing::info!(delivery_id = %id, %redacted_as, "an operator has a note taken back");
    let shown = outbox::show(&*state.store, redacted_as.as_str()).await?;
    let shown = shown.ok_or_else(unknown)?;
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// Has all deliveries of a product sent again that match the filters, a page at a time; dead letters
/// unless told otherwise.
pub(super) async fn replay_all(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(filters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let query = outbox::read_query(filters)?;
    let Some(product) = query.product.clone() else {
        let detail = "`product_id` is required: whose deliveries are sent again";
        return Err(Problem::bad_request("invalid_filter", detail));
    };
    let replayed = outbox::replay_all(&*state.store, &state.clock, &state.chance, query);
    let shown = replayed.await?;
    tracing::info!(product_id = %product, "an operator has deliveries sent again");
    (state.replayed)(&product);
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// Sends one test to a product's push target, now and once, and answers what came back. If it arrived, an
/// endpoint that was disabled is tried again.
pub(super) async fn test(
    State(state): State<AppState>,
    Path(product): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let product = state.product(&product).await?;
    let id = state.chance.id(state.clock.now_ms()).to_string();
    let tested = (state.push_test)(product.id.clone(), id.clone()).await;
    let tested = tested.ok_or_else(|| {
        let detail = "the product's row names no push target";
        Problem::new(StatusCode::CONFLICT, "no_push_target", detail)
    })?;
    let has_arrived = tested.outcome == AttemptOutcome::Delivered;
    if has_arrived {
        (state.replayed)(&product.id);
    }
    tracing::info!(product_id = %product.id, delivery_id = id, has_arrived, "an operator has a test pushed");
    let mut shown = outbox::attempt(1, &tested);
    shown["id"] = id.into();
    Ok(Json(shown))
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "delivery_not_found", outbox::UNKNOWN)
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        let code = match &error {
            FilterError::Unknown => "unknown_filter",
            FilterError::Wrong { .. } => "invalid_filter",
        };
        Self::bad_request(code, error.to_string())
    }
}
