//! `/products`: registering, showing, changing and removing products (contract 1.4 to 1.6).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
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
use crate::product::{Fault, Fields};
use crate::registration::decision::{self, Authority, Refused, Rotation};
use crate::registration::{self, Application, patch, view};

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
    let application = Application::read(&body).map_err(Refused::Faults);
    let application = application.map_err(registration::Error::from)?;
    let registered = state
        .directory
        .register(&application, authority, invite.as_ref());
    let (registration, issued) = registered.await?;
    let id = &registration.record.product_id;
    tracing::info!(product_id = %id, %client, "a product was registered");
    let mut answer = view::issued(&registration, &issued, &base_url(state, headers));
    let notices = registration.product().map(|product| product.notices);
    let notices = application
        .notices
        .into_iter()
        .chain(notices.unwrap_or_default());
    answer["notices"] = notices.collect();
    Ok((StatusCode::CREATED, NO_STORE, Json(answer)).into_response())
}

/// What is shown once is kept by no cache.
pub(super) const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

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
    let is_local = state.config.http.bind.ip().is_loopback();
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
    Ok(Json(view::list(&state.products, &state.directory).await?))
}

/// Shows one product, without secrets.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let id = ProductId::from(id.trim());
    let shown = view::one(&state.products, &state.directory, &id).await?;
    Ok(Json(shown))
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
    let id = ProductId::from(id.trim());
    let changed = state.directory.change(&id, |registration, terms| {
        patch::change(registration, &body, terms.now_ms)
    });
    changed.await?;
    tracing::info!(product_id = %id, "a product was changed");
    let shown = view::one(&state.products, &state.directory, &id).await?;
    Ok(Json(shown))
}

/// Takes a product out of force; after a while it goes for good.
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let id = ProductId::from(id.trim());
    let removed = state.directory.change(&id, |registration, terms| {
        decision::remove(registration, terms.now_ms);
        Ok(())
    });
    removed.await?;
    tracing::info!(product_id = %id, "a product was removed");
    Ok(Json(json!({"status": "deleted", "product_id": id})))
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
    let (what, overlap_ms) = read_rotation(&body)?;
    let id = ProductId::from(id.trim());
    let drawn = state.directory.draw();
    let rotated = state.directory.change(&id, |registration, terms| {
        let mut terms = *terms;
        terms.overlap_ms = overlap_ms.unwrap_or(terms.overlap_ms);
        Ok(decision::rotate(registration, what, None, &drawn, &terms))
    });
    let (registration, issued) = rotated.await?;
    tracing::info!(product_id = %id, "secrets of a product were issued anew");
    let answer = view::issued(&registration, &issued, &base_url(&state, &headers));
    Ok((NO_STORE, Json(answer)).into_response())
}

/// What to rotate: `what` lists it, everything but the owner's token unless given; `overlap_s` is how long what is
/// replaced is still accepted.
fn read_rotation(body: &Value) -> Result<(Rotation, Option<u64>), Problem> {
    let mut fields = open(body)?;
    let is_word =
        |text: &str| ["ingest_secret", "stream_key", "mcp_key", "owner_token"].contains(&text);
    let wanted = "ingest_secret, stream_key, mcp_key or owner_token";
    let what = fields
        .texts("what", is_word, wanted)
        .map_or(Rotation::REGISTRATION, |what| {
            let has = |word: &str| what.iter().any(|one| one == word);
            Rotation {
                secret: has("ingest_secret"),
                stream_key: has("stream_key"),
                mcp_key: has("mcp_key"),
                owner_token: has("owner_token"),
            }
        });
    let overlap_ms = fields.seconds("overlap_s").map(crate::domain::time::to_ms);
    sound(fields.faults)?;
    Ok((what, overlap_ms))
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

/// The fields of an object.
pub(super) fn open(body: &Value) -> Result<Fields<'_>, Problem> {
    let object = body.as_object().ok_or_else(|| {
        let (pointer, text) = (String::new(), "must be an object".to_owned());
        Problem::unprocessable("invalid_fields", vec![Fault { pointer, text }])
    })?;
    Ok(Fields::new(object, String::new()))
}

/// Whether nothing is wrong.
pub(super) fn sound(faults: Vec<Fault>) -> Result<(), Problem> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::unprocessable("invalid_fields", faults))
}

impl From<registration::Error> for Problem {
    fn from(error: registration::Error) -> Self {
        use registration::Error;

        let text = error.to_string();
        let refuse = |status, code| Self::new(status, code, text.clone());
        match error {
            Error::Refused(Refused::Faults(faults)) => {
                Self::unprocessable("invalid_fields", faults)
            }
            Error::Refused(Refused::Exists) => refuse(StatusCode::CONFLICT, "product_exists"),
            Error::Refused(Refused::InList) => refuse(StatusCode::CONFLICT, "product_in_list"),
            Error::Refused(Refused::Closed) => {
                refuse(StatusCode::UNAUTHORIZED, "registration_closed")
            }
            Error::Refused(Refused::NotOwner) => refuse(StatusCode::FORBIDDEN, "not_owner"),
            Error::Refused(Refused::Unknown) => Self::unknown_product(),
            Error::Refused(Refused::UnknownKey) => refuse(StatusCode::NOT_FOUND, "key_not_found"),
            Error::Refused(Refused::TooManyKeys(_)) => {
                refuse(StatusCode::CONFLICT, "too_many_keys")
            }
            Error::Collided => refuse(StatusCode::CONFLICT, "registration_collided"),
            Error::NotInvited => refuse(StatusCode::FORBIDDEN, "invitation_invalid"),
            Error::TooMany(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "too_many_products"),
            Error::NoVault => refuse(StatusCode::SERVICE_UNAVAILABLE, "secrets_key_unset"),
            Error::Unreadable(_) => {
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "registration_unreadable")
            }
            Error::Store(error) => error.into(),
        }
    }
}
