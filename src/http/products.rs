//! `/products`: registering, showing, changing and removing products (contract 1.4 to 1.6).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::credentials::{admit_admin, has_admin_key};
use super::problem::Problem;
use super::request::{Client, hold_parsed, read_body, text_header};
use super::state::AppState;
use crate::config::RegistrationMode;
use crate::domain::id::ProductId;
use crate::registration::{self, Authority, Refused, desk};

/// Registers a product, or registers it anew.
pub(super) async fn register(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&state, client, &headers, None, body).await
}

/// The same for whoever was invited: the invitation is in the path, because the published clients send no header.
pub(super) async fn register_invited(
    State(state): State<AppState>,
    Path(invite): Path<String>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&state, client, &headers, Some(invite.into()), body).await
}

async fn take(
    state: &AppState,
    Client(client): Client,
    headers: &HeaderMap,
    invite: Option<SecretString>,
    body: Body,
) -> Result<Response, Problem> {
    let authority = authority(state, headers, invite.is_some())?;
    if authority != Authority::Admin && !state.admission.registrations.admits(client) {
        let detail =
            "too many registrations from here in the last minute (registration.per_minute)";
        return Err(Problem::too_many("registration_rate", detail));
    }
    let body = read_json(state, body).await?;
    let base = base_url(state, headers);
    let answer = desk::register(&state.directory, &body, authority, invite.as_ref(), &base).await?;
    let product_id = answer["product_id"].as_str();
    tracing::info!(product_id, %client, "a product was registered");
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}

/// What is shown once is kept by no cache.
pub(super) const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// What tells a request that began elsewhere: proxies add the first two, and web pages the last.
const FORWARDED: [HeaderName; 3] = [
    HeaderName::from_static("x-forwarded-for"),
    header::FORWARDED,
    header::ORIGIN,
];

/// What whoever asks may do: a key that is sent must be right.
fn authority(
    state: &AppState,
    headers: &HeaderMap,
    is_invited: bool,
) -> Result<Authority, Problem> {
    if has_admin_key(headers) {
        admit_admin(state, headers)?;
        return Ok(Authority::Admin);
    }
    let is_local =
        state.config.is_local() && !FORWARDED.iter().any(|name| headers.contains_key(name));
    Ok(match state.config.registration.mode {
        RegistrationMode::Open => Authority::Guest,
        RegistrationMode::Auto if is_local || is_invited => Authority::Guest,
        RegistrationMode::Invite if is_invited => Authority::Guest,
        _ => Authority::Nobody,
    })
}

/// Lists all products, without secrets.
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    Ok(Json(desk::list(&state.directory).await?))
}

/// Shows one product, without secrets.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    Ok(Json(desk::show(&state.directory, &id).await?))
}

/// Changes a product's row by a merge patch.
pub(super) async fn change(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let body = read_json(&state, body).await?;
    Ok(Json(desk::change(&state.directory, &id, &body).await?))
}

/// Takes a product out of force; after a while it goes for good.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    Ok(Json(desk::remove(&state.directory, &id).await?))
}

/// Issues secrets and keys anew; what they replace is accepted until the overlap is over.
pub(super) async fn rotate(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let body = read_json(&state, body).await?;
    let base = base_url(&state, &headers);
    let answer = desk::rotate(&state.directory, &id, &body, &base).await?;
    Ok((NO_STORE, Json(answer)).into_response())
}

/// A body as JSON; nothing counts as an empty object.
pub(super) async fn read_json(state: &AppState, body: Body) -> Result<Value, Problem> {
    let mut memory = state.admission.small_bodies.open(&ProductId::from(""));
    let max_bytes = state.config.http.small_body_bytes_max;
    let raw = read_body(state, body, max_bytes, &mut memory).await?;
    hold_parsed(&mut memory, raw.len())?;
    if raw.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&raw).map_err(|_| Problem::bad_request("invalid_json", "invalid json"))
}

/// The address under which the outside reaches us: the configured one, else the one that was called.
pub(super) fn base_url(state: &AppState, headers: &HeaderMap) -> String {
    let public = &state.config.http.public_url;
    if !public.is_empty() {
        return public.clone();
    }
    let host = text_header(headers, &header::HOST);
    let is_host = |host: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        !host.is_empty() && host.chars().all(plain)
    };
    match host.filter(is_host) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", state.config.http.bind),
    }
}

impl From<registration::Error> for Problem {
    fn from(error: registration::Error) -> Self {
        use registration::Error;

        let status = match error {
            Error::Refused(Refused::Faults(faults)) => {
                return Self::unprocessable("invalid_fields", faults);
            }
            Error::Store(error) => return error.into(),
            Error::Refused(Refused::Closed) => StatusCode::UNAUTHORIZED,
            Error::Refused(Refused::NotOwner) | Error::NotInvited => StatusCode::FORBIDDEN,
            Error::Refused(Refused::Unknown | Refused::UnknownKey) => StatusCode::NOT_FOUND,
            Error::Refused(Refused::Exists | Refused::InList | Refused::TooManyKeys(_))
            | Error::Collided
            | Error::InvitationsOff => StatusCode::CONFLICT,
            Error::TooMany(_) | Error::NoVault => StatusCode::SERVICE_UNAVAILABLE,
            Error::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        registration::Error::from(refused).into()
    }
}
