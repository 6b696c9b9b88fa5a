//! `GET /stream/{product_id}`: the live feed as server-sent events (contract 1.7, 2.1 to 2.6).

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::credentials::{admit_admin, admit_stream};
use super::link::admit_origin;
use super::problem::Problem;
use super::request::text_header;
use super::server::Endless;
use super::state::AppState;
use crate::chance::Chance;
use crate::domain::log::Offset;
use crate::feed::{Filter, Start, sse};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long after a stop the first subscribers come back.
const RECONNECT_MIN: Duration = Duration::from_secs(1);

/// Over how long they spread.
const RECONNECT_SPREAD: Duration = Duration::from_secs(9);

/// Streams every action of the product, from now on or from where the subscriber stopped.
pub(super) async fn stream(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let product = state.product(&product_id)?;
    admit_origin(&product, &headers)?;
    // An operator may see everything anyway. Whoever is neither is told what a subscriber is told.
    admit_stream(&product, &headers)
        .or_else(|refused| admit_admin(&state, &headers).map_err(|_| refused))?;
    let start = start(&query, &headers)?;
    let subscribed = state
        .feed
        .subscribe(&product.id, start, filter(&query))
        .await?;
    let subscriber = subscribed.map_err(|error| {
        let counter = &state.metrics.stream_dropped;
        counter.with_label_values(&["limit"]).inc();
        Problem::unavailable("too_many_subscribers", error.to_string())
    })?;
    let heartbeat = Duration::from_millis(state.config.feed.heartbeat_ms);
    let (feed, chance) = (state.feed.clone(), state.chance.clone());
    let frames = stream::unfold(Some(subscriber), move |subscriber| {
        let (feed, chance) = (feed.clone(), chance.clone());
        async move {
            let mut subscriber = subscriber?;
            if let Some(bytes) = subscriber.next(heartbeat).await {
                return Some((Ok::<_, Infallible>(bytes), Some(subscriber)));
            }
            let last = feed
                .is_closing()
                .then(|| sse::farewell(reconnect(&chance)))?;
            Some((Ok(last), None))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = Body::from_stream(frames);
    Ok((StatusCode::OK, headers, Extension(Endless), body).into_response())
}

/// When a subscriber shall come back after a stop: each at another moment, because a restarted service
/// would otherwise meet them all at once.
fn reconnect(chance: &Chance) -> Duration {
    RECONNECT_MIN + RECONNECT_SPREAD.mul_f64(chance.fraction())
}

/// `Last-Event-ID`, else `?since=`, else live. A header that was never one of our ids means live:
/// browsers repeat it for ever, and a refusal would end them. A wrong `since` is the caller's to
/// mend.
fn start(query: &HashMap<String, String>, headers: &HeaderMap) -> Result<Start, Problem> {
    if let Some(offset) = text_header(headers, &LAST_EVENT_ID).and_then(Offset::parse) {
        return Ok(Start::After(offset));
    }
    match query.get("since") {
        None => Ok(Start::Live),
        Some(text) => Start::parse(text).ok_or_else(|| {
            Problem::bad_request(
                "invalid_since",
                "`since` is an event id, Unix seconds or an ISO 8601 time",
            )
        }),
    }
}

fn filter(query: &HashMap<String, String>) -> Filter {
    let one = |name: &str| query.get(name).filter(|text| !text.is_empty()).cloned();
    let types = one("types").unwrap_or_default();
    Filter {
        session: one("session_id"),
        user: one("user_id"),
        types: types
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}
