//! Keys of a product, invitations, and tokens for web pages (contract 2.7).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::credentials::{admit_admin, admit_reader_or_ask};
use super::problem::Problem;
use super::products::{NO_STORE, base_url, read_json};
use super::state::AppState;
use crate::domain::time::{seconds, to_ms};
use crate::registration::{Reach, Refused, Ticket, desk};

/// Lists the keys of a product: how they begin, and when they were last used.
pub(super) async fn list(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    Ok(Json(desk::keys(&state.directory, &id).await?))
}

/// Issues a key.
pub(super) async fn create(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let body = read_json(&state, body).await?;
    let answer = desk::create_key(&state.directory, &id, &body).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}

/// Revokes a key at once.
pub(super) async fn revoke(
    State(state): State<AppState>,
    Path((id, key_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let revoked = desk::revoke_key(&state.directory, &id, &key_id).await?;
    Ok(Json(revoked))
}

/// Makes an invitation: an address under which `/products` takes one registration.
pub(super) async fn invite(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let body = read_json(&state, body).await?;
    let base = base_url(&state, &headers);
    let answer = desk::invite(&state.directory, &body, &base).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}

/// Mints a token with which a web page may open the stream of one session or user.
pub(super) async fn ticket(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let product = state.product(&id).await?;
    admit_reader_or_ask(&state, &product, &headers).await?;
    let body = read_json(&state, body).await?;
    let mut fields = desk::open(&body)?;
    let own = &state.config.feed;
    let lives_s = fields.seconds("expires_in_s").unwrap_or(own.token_s);
    if lives_s > own.token_max_s {
        fields.fault(
            "expires_in_s",
            format!("must be at most {} (feed.token_max_s)", own.token_max_s),
        );
    }
    let reach = match (fields.text("session_id"), fields.text("user_id")) {
        (Some(session), None) => Some(Reach::Session(session)),
        (None, Some(user)) => Some(Reach::User(user)),
        _ => {
            fields.fault(
                "session_id",
                "or user_id must be given, and not both: a token opens what one of them does",
            );
            None
        }
    };
    let Some(reach) = reach.filter(|_| fields.faults.is_empty()) else {
        return Err(Refused::Faults(fields.faults).into());
    };
    let ticket = Ticket {
        product: product.id.clone(),
        reach,
        until_ms: state.clock.now_ms().saturating_add(to_ms(lives_s)),
    };
    let token = ticket.token(state.directory.vault()?);
    let answer = json!({
        "token": token.expose_secret(),
        "expires_at": seconds(ticket.until_ms),
        "stream_url": format!("{}/stream/{}", base_url(&state, &headers), product.id),
    });
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}
