//! The outbox as operators see it: what may be asked of it, and how it is shown. It is the same over HTTP and at a
//! terminal while no service runs, because both ask here.
//!
//! Read from the store, never from a cache. Times are Unix seconds.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, ProductId};
use crate::domain::lane::{self, PUSH, parse_lane};
use crate::domain::session::{ConversationBody, NoteBody, Redaction, RedactionBody};
use crate::domain::time::{parse_s, seconds, to_ms};
use crate::store::{
    DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus, Error, Store,
};

/// How many deliveries a page holds unless told.
const LIMIT: usize = 50;

/// The most that a page may hold.
pub(crate) const LIMIT_MAX: usize = 200;

/// What is said of a delivery that is not there.
pub(crate) const UNKNOWN: &str =
    "delivery not found; finished ones are kept for retention.outbox_s";

/// Why a listing was not made. One that leaves out less than was asked for would be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// There is no filter of that name.
    #[error(
        "there is no such filter; there are product_id, status, platform, conversation_id, session_id, since, \
         until, http_status, limit and cursor"
    )]
    Unknown,
    /// It was given twice, or makes no sense.
    #[error("`{name}` {words}")]
    Wrong {
        /// Which filter.
        name: String,
        /// What it is instead.
        words: String,
    },
}

/// Reads the filters of a listing.
pub(crate) fn read_query(
    filters: impl IntoIterator<Item = (String, String)>,
) -> Result<DeliveryQuery, FilterError> {
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
            _ => return Err(FilterError::Unknown),
        }
        seen.push(name);
    }
    Ok(query)
}

fn time_ms(name: &str, text: &str) -> Result<u64, FilterError> {
    let words = "is Unix seconds or an ISO 8601 time";
    parse_s(text).map(to_ms).ok_or_else(|| wrong(name, words))
}

fn wrong(name: &str, words: &str) -> FilterError {
    FilterError::Wrong {
        name: name.to_owned(),
        words: words.to_owned(),
    }
}

/// A page, newest first, without the texts of the notes: `{"deliveries": […], "next_cursor"}`.
pub(crate) async fn list(store: &dyn Store, query: &DeliveryQuery) -> Result<Value, Error> {
    let page = store.deliveries(query).await?;
    let shown: Vec<Value> = page.deliveries.iter().map(describe).collect();
    Ok(json!({
        "deliveries": shown,
        "next_cursor": cursor(&page),
    }))
}

fn cursor(page: &DeliveryPage) -> Option<String> {
    page.next.map(|position| format!("{position:x}"))
}

/// One delivery, its note and the calls made for it; `None` when it is unknown.
pub(crate) async fn show(store: &dyn Store, id: &str) -> Result<Option<Value>, Error> {
    let found = store.delivery(&id.into()).await?;
    Ok(found.as_ref().map(with_history))
}

/// A delivery that is to be sent again.
pub(crate) struct Replayed {
    /// Which one it is: the one asked for, or a copy of it.
    pub(crate) id: DeliveryId,
    /// Whose outbox it is in.
    pub(crate) product: ProductId,
    /// As [`show`] shows it.
    pub(crate) shown: Value,
}

/// Has a delivery sent again; `None` when it is unknown.
pub(crate) async fn replay(
    store: &dyn Store,
    clock: &Clock,
    chance: &Chance,
    id: &str,
) -> Result<Option<Replayed>, Error> {
    let now_ms = clock.now_ms();
    let copy = DeliveryId::from(chance.id(now_ms).to_string());
    let Some(id) = store.replay(&id.into(), copy, now_ms).await? else {
        return Ok(None);
    };
    let found = store.delivery(&id).await?;
    Ok(found.map(|found| Replayed {
        id,
        shown: with_history(&found),
        product: found.delivery.key.product,
    }))
}

/// Has a page of deliveries sent again, dead letters unless told otherwise. The oldest goes first, because copies go to
/// the end of their lanes.
pub(crate) async fn replay_all(
    store: &dyn Store,
    clock: &Clock,
    chance: &Chance,
    mut query: DeliveryQuery,
) -> Result<Value, Error> {
    let now_ms = clock.now_ms();
    query.status.get_or_insert(DeliveryStatus::Dead);
    // What is sent again as a copy is newer than this, and is never met.
    query.until_ms.get_or_insert(now_ms);
    let page = store.deliveries(&query).await?;
    let (mut replayed, mut failed) = (Vec::new(), Vec::new());
    for delivery in page.deliveries.iter().rev() {
        let copy = DeliveryId::from(chance.id(now_ms).to_string());
        match store.replay(&delivery.id, copy, now_ms).await {
            Ok(Some(sent)) => replayed.push(json!({"id": delivery.id, "sent_as": sent})),
            // It was removed meanwhile, by its age or with its user.
            Ok(None) => {}
            Err(error) if replayed.is_empty() => return Err(error),
            // Asking for the whole page again would double what was done.
            Err(_) => failed.push(&delivery.id),
        }
    }
    Ok(json!({"replayed": replayed, "failed": failed, "next_cursor": cursor(&page)}))
}

/// What taking a delivery's note back takes; `None` of anything but a note that has arrived.
pub(crate) fn redaction(delivery: &DeliveryRecord) -> Option<Redaction> {
    let note = note(delivery)?;
    let has_arrived = delivery.status == DeliveryStatus::Delivered;
    has_arrived.then(|| Redaction {
        lane: Arc::clone(&delivery.lane),
        body: RedactionBody {
            redacts: delivery.id.clone(),
            part_id: delivery.part.clone(),
            conversation_id: note.conversation_id,
            session_id: note.session_id,
        },
    })
}

fn describe(delivery: &DeliveryRecord) -> Value {
    let place = parse_lane(&delivery.key.product, &delivery.lane);
    let (text_length, redacts) = match ConversationBody::read(&delivery.body) {
        Some(ConversationBody::Note(note)) => (Some(note.text.chars().count()), None),
        Some(ConversationBody::Redaction(redaction)) => (None, Some(redaction.redacts)),
        None => (None, None),
    };
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
        "redacts": redacts,
        "text_length": text_length,
    })
}

fn with_history(DeliveryHistory { delivery, attempts }: &DeliveryHistory) -> Value {
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

/// One call.
pub(crate) fn attempt(number: u32, attempt: &AttemptRecord) -> Value {
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
    match ConversationBody::read(&delivery.body)? {
        ConversationBody::Note(note) => Some(note),
        ConversationBody::Redaction(_) => None,
    }
}
