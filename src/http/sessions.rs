//! `GET /sessions/{product_id}/{session_id}`: what the connector knows about a session, for
//! operators.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::credentials::admit_admin;
use super::explanation::{self, Error};
use super::problem::Problem;
use super::state::AppState;

/// Shows state, link, deadlines, offers, the newest `entries` of the log and the last error.
pub(super) async fn show(
    State(state): State<AppState>,
    Path((product_id, session_id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let entries = match query.get("entries") {
        None => explanation::ENTRIES,
        Some(text) => explanation::read_entries(text).map_err(|words| {
            Problem::bad_request("invalid_filter", format!("`entries` {words}"))
        })?,
    };
    let product = state.product(&product_id).await?;
    let policy = state.sessions.policy(&product.id);
    let shown = explanation::explain(
        &*state.store,
        state.clock.now_ms(),
        &policy,
        &product.id,
        &session_id,
        entries,
    );
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "session_not_found",
            explanation::UNKNOWN,
        )
    };
    shown.await?.map(Json).ok_or_else(unknown)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Unreadable => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable_session",
                error.to_string(),
            ),
        }
    }
}
