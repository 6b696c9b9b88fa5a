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
use super::products::{NO_STORE, base_url, open, read_json, sound};
use super::state::AppState;
use crate::config::RegistrationMode;
use crate::domain::id::ProductId;
use crate::domain::time::{seconds, to_ms};
use crate::registration::{Reach, Scope, Ticket, decision, view};

/// Lists the keys of a product: how they begin, and when they were last used.
pub(super) async fn list(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let registration = state.directory.get(&ProductId::from(id.trim())).await?;
    let keys = view::keys(&state.directory, &registration).await?;
    Ok(Json(
        json!({"product_id": registration.record.product_id, "keys": keys}),
    ))
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
    let mut fields = open(&body)?;
    let scope = fields.choice("scope", [("stream", Scope::Stream), ("mcp", Scope::Mcp)]);
    let name = fields
        .text("name")
        .filter(|name| name.chars().count() <= 256);
    let lives_s = fields.seconds("expires_in_s");
    sound(fields.faults)?;
    let now_ms = state.clock.now_ms();
    let until_ms = lives_s.map(|lives_s| now_ms.saturating_add(to_ms(lives_s)));
    let key = state.directory.draw_key(scope);
    let id = ProductId::from(id.trim());
    let added = state.directory.change(&id, |registration, terms| {
        decision::add_key(registration, &key, name.clone(), until_ms, terms)
    });
    added.await?;
    tracing::info!(product_id = %id, key_id = key.id, "a key was issued");
    let answer = json!({
        "product_id": id,
        "key_id": key.id,
        "key": key.key.expose_secret(),
        "scope": key.scope,
        "name": name,
        "expires_at": until_ms.map(seconds),
    });
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}

/// Revokes a key at once.
pub(super) async fn revoke(
    State(state): State<AppState>,
    Path((id, key_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let id = ProductId::from(id.trim());
    let revoked = state.directory.change(&id, |registration, terms| {
        decision::revoke_key(registration, &key_id, terms.now_ms)
    });
    revoked.await?;
    tracing::info!(product_id = %id, key_id, "a key was revoked");
    Ok(Json(
        json!({"status": "revoked", "product_id": id, "key_id": key_id}),
    ))
}

/// Makes an invitation: an address under which `/products` takes one registration.
pub(super) async fn invite(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let own = &state.config.registration;
    if own.mode == RegistrationMode::AdminKey {
        let detail = "registration.mode is admin_key, which takes no invitations";
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "invitations_off",
            detail,
        ));
    }
    let body = read_json(&state, body).await?;
    let mut fields = open(&body)?;
    let lives_s = fields.seconds("expires_in_s").unwrap_or(own.invite_s);
    sound(fields.faults)?;
    let (invite, until_ms) = state.directory.invite(to_ms(lives_s)).await?;
    let base = base_url(&state, &headers);
    tracing::info!("an invitation was made");
    let answer = json!({
        "url": format!("{base}/register/{}", invite.expose_secret()),
        "expires_at": seconds(until_ms),
    });
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
    let mut fields = open(&body)?;
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
        return Err(Problem::unprocessable("invalid_fields", fields.faults));
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
