//! What operators ask of the outbox: which deliveries there are, what became of one, and to send it
//! again. Read from the store, never from a cache.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::credentials::admit_admin;
use super::problem::Problem;
use super::state::AppState;
use crate::domain::attempt::{AttemptOutcome, AttemptRecord};
use crate::domain::id::DeliveryId;
use crate::domain::lane::{self, PUSH, parse_lane};
use crate::domain::session::NoteBody;
use crate::domain::time::{parse_s, to_ms};
use crate::store::{DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus};

/// How many deliveries a page holds unless told.
const LIMIT: usize = 50;

/// The most that a page may hold.
const LIMIT_MAX: usize = 200;

/// Lists deliveries, newest first, without the texts of their notes.
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(filters): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let page = state.store.deliveries(&read_query(filters)?).await?;
    let shown: Vec<Value> = page.deliveries.iter().map(describe).collect();
    Ok(Json(json!({
        "deliveries": shown,
        "next_cursor": cursor(&page),
    })))
}

/// Shows one delivery, its note and the calls made for it.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    Ok(Json(history(&state, &id.into()).await?))
}

/// Has a delivery sent again, and answers which one that is.
pub(super) async fn replay(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let now_ms = state.clock.now_ms();
    let copy = DeliveryId::from(state.chance.id(now_ms).to_string());
    let id = DeliveryId::from(id);
    let sent = state.store.replay(&id, copy, now_ms).await?;
    let sent = sent.ok_or_else(unknown)?;
    tracing::info!(delivery_id = %id, sent_as = %sent, "an operator has a delivery sent again");
    let DeliveryHistory { delivery, attempts } = find(&state, &sent).await?;
    (state.replayed)(&delivery.key.product);
    let shown = with_history(&delivery, &attempts);
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// Has all deliveries of a product sent again that match the filters, a page at a time; dead letters
/// unless told otherwise. Within a page the oldest goes first, because copies go to the end of their lanes.
pub(super) async fn replay_all(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(filters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    admit_admin(&state, &headers)?;
    let mut query = read_query(filters)?;
    let Some(product) = query.product.clone() else {
        return Err(wrong(
            "product_id",
            "is required: whose deliveries are sent again",
        ));
    };
    let now_ms = state.clock.now_ms();
    query.status.get_or_insert(DeliveryStatus::Dead);
    // What is sent again as a copy is newer than this, and is never met.
    query.until_ms.get_or_insert(now_ms);
    let page = state.store.deliveries(&query).await?;
    let (mut replayed, mut failed) = (Vec::new(), Vec::new());
    for delivery in page.deliveries.iter().rev() {
        let copy = DeliveryId::from(state.chance.id(now_ms).to_string());
        match state.store.replay(&delivery.id, copy, now_ms).await {
            Ok(Some(sent)) => replayed.push(json!({"id": delivery.id, "sent_as": sent})),
            // It was removed meanwhile, by its age or with its user.
            Ok(None) => {}
            Err(error) if replayed.is_empty() => return Err(error.into()),
            // Asking for the whole page again would double what was done.
            Err(_) => failed.push(&delivery.id),
        }
    }
    let count = replayed.len();
    tracing::info!(product_id = %product, count, "an operator has deliveries sent again");
    (state.replayed)(&product);
    let shown = json!({"replayed": replayed, "failed": failed, "next_cursor": cursor(&page)});
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
    let product = state.product(&product)?;
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
    let mut shown = attempt(1, &tested);
    shown["id"] = json!(id);
    Ok(Json(shown))
}

fn cursor(page: &DeliveryPage) -> Option<String> {
    page.next.map(|position| format!("{position:x}"))
}

async fn history(state: &AppState, id: &DeliveryId) -> Result<Value, Problem> {
    let DeliveryHistory { delivery, attempts } = find(state, id).await?;
    Ok(with_history(&delivery, &attempts))
}

async fn find(state: &AppState, id: &DeliveryId) -> Result<DeliveryHistory, Problem> {
    state.store.delivery(id).await?.ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "delivery_not_found",
        "delivery not found; finished ones are kept for retention.outbox_s",
    )
}

/// Reads the filters. One that is unknown, given twice or senseless is refused: a listing that leaves
/// out less than was asked for would be believed.
fn read_query(filters: Vec<(String, String)>) -> Result<DeliveryQuery, Problem> {
    let mut query = DeliveryQuery {
        limit: LIMIT,
        ..DeliveryQuery::default()
    };
    let mut seen = Vec::new();
    for (name, text) in filters {
        if seen.contains(&name) {
            return Err(wrong(&name, "may be given once"));
        }
        match name.as_str() {
            "product_id" => query.product = Some(text.into()),
            "platform" => query.platform = Some(text),
            "conversation_id" => query.conversation = Some(text.into()),
            "session_id" => query.session = Some(text.into()),
            "status" => {
                let status = DeliveryStatus::parse(&text);
                let words = "is waiting, leased, delivered, dead or withdrawn";
                query.status = Some(status.ok_or_else(|| wrong(&name, words))?);
            }
            "since" => query.since_ms = Some(time_ms(&name, &text)?),
            "until" => query.until_ms = Some(time_ms(&name, &text)?),
            "http_status" => {
                let status = text.parse().ok().filter(|code| (100..600).contains(code));
                let words = "is an HTTP status from 100 to 599";
                query.http_status = Some(status.ok_or_else(|| wrong(&name, words))?);
            }
            "limit" => {
                let limit = text.parse().ok();
                let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
                let words = format!("is a number from 1 to {LIMIT_MAX}");
                query.limit = limit.ok_or_else(|| wrong(&name, &words))?;
            }
            "cursor" => {
                let position = u64::from_str_radix(&text, 16).ok();
                let words = "is the next_cursor of an earlier page";
                query.after = Some(position.ok_or_else(|| wrong(&name, words))?);
            }
            _ => {
                let known = "product_id, status, platform, conversation_id, session_id, since, until, \
                             http_status, limit and cursor";
                let detail = format!("there is no such filter; there are {known}");
                return Err(Problem::bad_request("unknown_filter", detail));
            }
        }
        seen.push(name);
    }
    Ok(query)
}

fn time_ms(name: &str, text: &str) -> Result<u64, Problem> {
    let words = "is Unix seconds or an ISO 8601 time";
    parse_s(text).map(to_ms).ok_or_else(|| wrong(name, words))
}

fn wrong(name: &str, words: &str) -> Problem {
    Problem::bad_request("invalid_filter", format!("`{name}` {words}"))
}

fn describe(delivery: &DeliveryRecord) -> Value {
    let place = parse_lane(&delivery.key.product, &delivery.lane);
    let note = note(delivery);
    json!({
        "id": delivery.id,
        "product_id": delivery.key.product,
        "session_id": delivery.key.session_id(),
        "platform": place.map(|(platform, _)| platform),
        "conversation_id": place.and_then(lane::conversation),
        "status": delivery.status.as_str(),
        "attempts": delivery.calls,
        "created_at": seconds(delivery.created_ms),
        "next_attempt_at": next_attempt_ms(delivery).map(seconds),
        "finished_at": delivery.finished_ms.map(seconds),
        "http_status": delivery.http_status,
        "error": delivery.error,
        "part_id": delivery.part,
        "replay_of": delivery.replay_of,
        "text_length": note.map(|note| note.text.chars().count()),
    })
}

fn with_history(delivery: &DeliveryRecord, attempts: &[(u32, AttemptRecord)]) -> Value {
    let mut shown = describe(delivery);
    let more = Map::from_iter([
        (
            "text".to_owned(),
            json!(note(delivery).map(|note| note.text)),
        ),
        ("payload".to_owned(), json!(payload(delivery))),
        (
            "history".to_owned(),
            attempts
                .iter()
                .map(|(number, one)| attempt(*number, one))
                .collect(),
        ),
    ]);
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(more);
    }
    shown
}

fn attempt(number: u32, attempt: &AttemptRecord) -> Value {
    json!({
        "number": number,
        "call": attempt.call.as_str(),
        "started_at": seconds(attempt.started_ms),
        "duration_ms": attempt.took_ms,
        "http_status": attempt.http_status,
        "outcome": attempt.outcome.as_str(),
        "reason": attempt.reason,
        "excerpt": attempt.excerpt,
    })
}

/// What waits is shown with its time; the end of a lease is none.
fn next_attempt_ms(delivery: &DeliveryRecord) -> Option<u64> {
    let is_waiting = delivery.status == DeliveryStatus::Waiting;
    delivery.due_ms.filter(|_| is_waiting)
}

/// What is pushed.
fn payload(delivery: &DeliveryRecord) -> Option<Value> {
    let (platform, _) = parse_lane(&delivery.key.product, &delivery.lane)?;
    let is_push = platform == PUSH;
    is_push.then(|| serde_json::from_str(&delivery.body).ok())?
}

fn note(delivery: &DeliveryRecord) -> Option<NoteBody> {
    serde_json::from_str(&delivery.body).ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this millennium fit a double exactly"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
