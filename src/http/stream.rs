//! `GET /stream/{product_id}`: the live feed as server-sent events (contract 1.7, 2.1 to 2.6).

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::credentials::{ReaderKey, admit_reader, admit_reader_or_ask, reader_headers};
use super::link::admit_origin;
use super::problem::Problem;
use super::request::text_header;
use super::server::Endless;
use super::state::AppState;
use crate::chance::Chance;
use crate::domain::log::Offset;
use crate::feed::{Filter, Start, sse};
use crate::product::Product;
use crate::registration::{Reach, Ticket};

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
    let product = state.product(&product_id).await?;
    admit_origin(&product, &headers)?;
    let visitor = Visitor::admit(&state, &product, &query, &headers).await?;
    let start = start(&query, &headers)?;
    let filter = visitor.narrow(filter(&query));
    let subscribed = state.feed.subscribe(&product.id, start, filter).await?;
    let subscriber = subscribed.map_err(|error| {
        let counter = &state.metrics.stream_dropped;
        counter.with_label_values(&["limit"]).inc();
        Problem::unavailable("too_many_subscribers", error.to_string())
    })?;
    let heartbeat = Duration::from_millis(state.config.feed.heartbeat_ms);
    let begun = Some((subscriber, visitor, state.products.changes()));
    let frames = stream::unfold(begun, move |begun| {
        let state = state.clone();
        async move {
            let (mut subscriber, mut visitor, mut changes) = begun?;
            let next = {
                let mut next = pin!(subscriber.next(heartbeat));
                loop {
                    tokio::select! {
                        biased;
                        bytes = &mut next => break bytes,
                        // The product may be gone, or the key revoked.
                        Ok(()) = changes.changed() => {
                            if !visitor.is_admitted(&state) {
                                return None;
                            }
                        }
                    }
                }
            };
            if let Some(bytes) = next {
                let begun = Some((subscriber, visitor, changes));
                return Some((Ok::<_, Infallible>(bytes), begun));
            }
            let is_closing = state.feed.is_closing();
            let last = is_closing.then(|| sse::farewell(reconnect(&state.chance)))?;
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

/// Whoever reads the stream, and by what right.
struct Visitor {
    /// As it was when the right was last looked at.
    product: Arc<Product>,
    right: Right,
}

/// What was shown.
enum Right {
    /// A key that we know, in the headers that hold it.
    Own(HeaderMap),
    /// A key that somebody else was asked about.
    OfUnkey,
    Ticket(Ticket),
}

impl Visitor {
    /// Admits a key in the header, or a token in the address, where browsers cannot set a header. Keys are not taken
    /// there: addresses are logged by everybody on the way.
    async fn admit(
        state: &AppState,
        product: &Arc<Product>,
        query: &HashMap<String, String>,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let right = match query.get("token") {
            Some(token) => {
                let vault = state
                    .directory
                    .vault()
                    .map_err(|_| Problem::unauthorized())?;
                let ticket = Ticket::read(token, &product.id, vault, state.clock.now_ms());
                Right::Ticket(ticket.ok_or_else(Problem::unauthorized)?)
            }
            None => match admit_reader_or_ask(state, product, headers).await? {
                ReaderKey::Own => Right::Own(reader_headers(headers)),
                ReaderKey::OfUnkey => Right::OfUnkey,
            },
        };
        Ok(Self {
            product: Arc::clone(product),
            right,
        })
    }

    /// Whether the right still holds. A stream that was begun with a token, or with a key of Unkey's, goes on for as
    /// long as there is the product.
    fn is_admitted(&mut self, state: &AppState) -> bool {
        let Some(product) = state.products.get(&self.product.id) else {
            return false;
        };
        if Arc::ptr_eq(&product, &self.product) {
            return true;
        }
        self.product = product;
        match &self.right {
            Right::Own(headers) => admit_reader(state, &self.product, headers).is_ok(),
            Right::OfUnkey | Right::Ticket(_) => true,
        }
    }

    /// Leaves of what is asked for only what the token opens.
    fn narrow(&self, filter: Filter) -> Filter {
        let Right::Ticket(ticket) = &self.right else {
            return filter;
        };
        match ticket.reach.clone() {
            Reach::Session(session) => Filter {
                session: Some(session),
                ..filter
            },
            Reach::User(user) => Filter {
                user: Some(user),
                ..filter
            },
        }
    }
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
