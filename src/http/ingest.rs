//! `POST /webhook/{product_id}` and `POST /ingest/…`: browser activity comes in
//! (contract 1.1 to 1.3).

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::{Extension, Json};
use futures_util::future::join_all;
use serde::Serialize;

use super::credentials::admit_ingest;
use super::problem::Problem;
use super::queue::Place;
use super::request::{RequestId, hold_parsed, read_body, text_header};
use super::state::AppState;
use crate::clock::Instant;
use crate::domain::action::{DropReason, Provider};
use crate::domain::id::Key;
use crate::domain::session::Reply;
use crate::ingest::inflate::{InflateError, gunzip};
use crate::ingest::{self, Batch};
use crate::product::Product;
use crate::session;
use crate::spool::{Refusal, Taken};

/// Takes activity by `POST`. The adapter is `forced`, or else chosen by the body's shape.
pub(super) fn from(forced: Option<Provider>) -> MethodRouter<AppState> {
    post(move |state, path, id, request| take(state, path, id, request, forced))
}

/// What a request came to: its answer, and what is counted.
#[derive(Serialize)]
struct Tally {
    status: &'static str,
    received: usize,
    actions: usize,
    dropped: usize,
    /// Actions that wait on this instance's disk for the store.
    #[serde(skip_serializing_if = "is_zero")]
    spooled: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is the serialiser's"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

async fn take(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: Request,
    forced: Option<Provider>,
) -> Response {
    let (head, body) = request.into_parts();
    let mut provider = forced.unwrap_or(Provider::Unknown);
    let product = state.product(&product_id).await;
    let result = match &product {
        Ok(product) => match read(&state, product, &head.headers, body, forced).await {
            Ok(Admitted {
                batch,
                began,
                _place,
            }) => {
                provider = batch.provider;
                commit(&state, product, batch, request_id, began).await
            }
            Err(problem) => Err(problem),
        },
        Err(problem) => Err(problem.clone()),
    };
    let response = match result {
        Ok(tally) => Json(tally).into_response(),
        Err(problem) => problem.into_response(),
    };
    let label = product
        .as_ref()
        .map_or("unknown", |known| known.id.as_str());
    let status = response.status();
    let labels = [
        state.product_label(label),
        provider.as_str(),
        status.as_str(),
    ];
    state
        .metrics
        .ingest_requests
        .with_label_values(&labels)
        .inc();
    response
}

/// A request that may be committed.
struct Admitted {
    batch: Batch,
    /// When its last byte had arrived.
    began: Instant,
    /// Held until it is answered.
    _place: Place,
}

/// Bounded, admitted, inflated, understood; in this order. The request waits and takes its place only once
/// its sender is known, so that nobody without the secret can keep others out.
async fn read(
    state: &AppState,
    product: &Product,
    headers: &HeaderMap,
    body: Body,
    forced: Option<Provider>,
) -> Result<Admitted, Problem> {
    let limits = &state.config.http;
    let mut memory = state.admission.bodies.open(&product.id);
    let raw = read_body(state, body, limits.body_bytes_max, &mut memory).await?;
    let began = state.clock.monotonic();
    admit_ingest(state, product, headers, &raw, forced)?;
    let place = state.admission.requests.enter(&product.id).await;
    let place = place.map_err(|_| {
        let detail = "too many requests of this product are under way; nothing was taken in, \
            repeat later";
        Problem::unavailable("ingest_overloaded", detail)
    })?;
    let plain = inflate(headers, &raw, limits.inflated_bytes_max)?;
    hold_parsed(&mut memory, plain.len())?;
    let now = state.clock.now_s();
    let batch = ingest::read(&plain, forced, &product.ingest, limits.events_max, now);
    let took = state.clock.since(began);
    state.metrics.pipeline_seconds.observe(took.as_secs_f64());
    let batch = batch.map_err(|error| match error {
        ingest::Error::InvalidJson => Problem::bad_request("invalid_json", "invalid json"),
        ingest::Error::TooManyEvents { max } => {
            Problem::too_large(format!("more than {max} events in one request"))
        }
    })?;
    Ok(Admitted {
        batch,
        began,
        _place: place,
    })
}

fn inflate<'a>(
    headers: &HeaderMap,
    raw: &'a [u8],
    max_bytes: usize,
) -> Result<Cow<'a, [u8]>, Problem> {
    let Some(encoding) = text_header(headers, &header::CONTENT_ENCODING) else {
        return Ok(Cow::Borrowed(raw));
    };
    match encoding.trim().to_ascii_lowercase().as_str() {
        "identity" | "" => Ok(Cow::Borrowed(raw)),
        "gzip" | "x-gzip" => gunzip(raw, max_bytes)
            .map(Cow::Owned)
            .map_err(|error| match error {
                InflateError::TooLarge => Problem::too_large(format!(
                    "the inflated body is larger than {max_bytes} bytes"
                )),
                InflateError::Corrupt => {
                    Problem::bad_request("invalid_gzip", "the body is not valid gzip")
                }
            }),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "send the body plain or with Content-Encoding: gzip",
        )),
    }
}

/// Gives every session its share. The request is answered 2xx when all of them are durable, in the store or in
/// the spool; if one is not, its repetition is recognised by the others.
async fn commit(
    state: &AppState,
    product: &Product,
    batch: Batch,
    correlation_id: Arc<str>,
    began: Instant,
) -> Result<Tally, Problem> {
    let mut dropped = batch.dropped;
    let asked = batch.shares.into_iter().map(|share| {
        let key = match &share.session {
            Some(session) => Key::session(&product.id, session),
            None => Key::unsessioned(&product.id, share.spread),
        };
        let size = share.activity.actions.len();
        let taken = state
            .intake
            .take(key, share.activity, Arc::clone(&correlation_id));
        async move { (size, taken.await) }
    });
    let (mut actions, mut spooled) = (0, 0);
    let mut failure = None;
    for (size, answer) in join_all(asked).await {
        match answer {
            Ok(Taken::Now(Reply::Accepted {
                actions: fresh,
                duplicates,
            })) => {
                actions += fresh;
                *dropped.entry(DropReason::Duplicate).or_default() += duplicates;
            }
            Ok(Taken::Now(_)) => {}
            Ok(Taken::Spooled) => spooled += size,
            Err(Refusal::Session(session::Error::Parked)) => {
                *dropped.entry(DropReason::Parked).or_default() += size;
            }
            Err(error) => {
                // The answer is counted by its code, and the store says once that commits fail.
                tracing::debug!(product_id = %product.id, %error, "activity was not taken in");
                failure = Some(error);
            }
        }
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    let tally = Tally {
        status: "ok",
        received: batch.received,
        actions,
        dropped: dropped.values().sum(),
        spooled,
    };
    // What is spooled is counted when its session has it.
    let dropped = dropped
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count));
    let (label, provider) = (
        state.product_label(product.id.as_str()),
        batch.provider.as_str(),
    );
    state
        .metrics
        .count_events(label, provider, actions, dropped);
    let took = state.clock.since(began);
    state.metrics.ingest_seconds.observe(took.as_secs_f64());
    Ok(tally)
}
