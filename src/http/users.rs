//! `DELETE /users/{product_id}/{user_id}`: everything about one user is forgotten.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::credentials::admit_admin;
use super::problem::Problem;
use super::state::AppState;

/// Answers 200 with the number of rows that went once it is done, and 202 when it takes longer: then it
/// goes on, across a restart too, and the same request again tells its end. While activity waits in the spool of
/// this instance nothing is erased: it would be told afterwards.
pub(super) async fn erase(
    State(state): State<AppState>,
    Path((product_id, user_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let product = state.product(&product_id).await?;
    if state
        .intake
        .spool()
        .is_some_and(|spool| spool.depth().entries > 0)
    {
        let detail = "activity that was taken in while the store was away is still on its way there; nothing was erased, repeat later";
        return Err(Problem::unavailable("spool_in_use", detail));
    }
    let Some(erased) = state.eraser.erase(&product.id, &user_id).await? else {
        let body = json!({"status": "pending", "product_id": product.id, "user_id": user_id});
        return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
    };
    let counts: Map<String, Value> = erased
        .iter()
        .map(|(table, rows)| (table.as_str().to_owned(), Value::from(*rows)))
        .collect();
    let body = json!({
        "status": "erased",
        "product_id": product.id,
        "user_id": user_id,
        "erased": counts,
    });
    Ok(Json(body).into_response())
}
