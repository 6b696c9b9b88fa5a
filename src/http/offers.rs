//! What pages ask and report of offers (contract 1.12, 1.13). Anybody can call this: it tells of sessions that are
//! known only, and nothing of what was done in them without a key.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::credentials::admit_reader;
use super::link::admit_origin;
use super::problem::Problem;
use super::request::{Client, RequestId, hold_parsed, read_body};
use super::state::AppState;
use crate::domain::agent_state::Event;
use crate::domain::id::{ConversationId, Key, ProductId, SessionId};
use crate::domain::log::{EntryType, IndexKey, Space};
use crate::domain::session::index::SessionRow;
use crate::domain::session::{Input, OpenOffer, Reply, Reporter, Verdict};
use crate::product::Product;
use crate::store::Entry;

/// Begins the name of a conversation that is a page's toast; the session follows.
const TOAST: &str = "proactive:";

/// How many of the newest actions are shown.
const ACTIONS_MAX: usize = 50;

/// The page asks whether there is something to offer. Asking is what makes the offer: whoever is answered one shows
/// it, and the next question is answered none until the user has answered or the offer has timed out.
pub(super) async fn context(
    State(state): State<AppState>,
    Path((product_id, session_id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    Extension(client): Extension<Client>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let product = state.product(&product_id).await?;
    admit_page(&state, &product, client, &headers)?;
    let session = SessionId::from(session_id);
    let key = Key::session(&product.id, &session);
    let toast = || format!("{TOAST}{session}");
    let conversation = query.get("conversation_id").cloned().unwrap_or_else(toast);
    let polled = match state.store.load(&key).await? {
        Some(_) => match state.sessions.ask(&key, Input::Poll, request_id).await? {
            Reply::Polled(polled) => Some(polled),
            _ => None,
        },
        // A session that nobody has seen is not begun by whoever asks for it.
        None => None,
    };
    let polled = polled.as_deref();
    let verdict = polled.map_or(Verdict::NoTrigger, |polled| polled.verdict);
    let may_see =
        product.context_actions_public || admit_reader(&state, &product, &headers).is_ok();
    let actions = match polled {
        Some(_) if may_see => actions(&state.store.history(&key, ACTIONS_MAX).await?),
        _ => Vec::new(),
    };
    let body = json!({
        "proactive_trigger": polled.and_then(|polled| polled.open.as_ref()).map(trigger),
        "proactive_skip_reason": verdict.is_skip().then_some(verdict),
        "product_id": product.id,
        "session_id": session,
        "conversation_id": conversation,
        "user_id": polled.and_then(|polled| polled.user.as_ref()).filter(|_| may_see),
        "state": polled.map(|polled| polled.state),
        "as_of": state.clock.now_s(),
        "actions": actions,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// The page reports what the user did with an offer or in the chat. It never sees an error for a report that does
/// not fit: it could do nothing about it.
pub(super) async fn report(
    State(state): State<AppState>,
    Path((product_id, conversation_id)): Path<(String, String)>,
    Extension(client): Extension<Client>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let product = state.product(&product_id).await?;
    admit_page(&state, &product, client, &headers)?;
    let mut memory = state.admission.small_bodies.open(&product.id);
    let max_bytes = state.config.http.small_body_bytes_max;
    let raw = read_body(&state, body, max_bytes, &mut memory).await?;
    hold_parsed(&mut memory, raw.len())?;
    let fields: Value = serde_json::from_slice(&raw)
        .map_err(|_| Problem::bad_request("invalid_json", "invalid json"))?;
    let Some(event) = fields["event"].as_str().and_then(Event::parse) else {
        return Ok(Json(json!({"reason": "unknown_event"})));
    };
    let found = find(&state, &product.id, &conversation_id).await?;
    let Some((key, reporter)) = found else {
        return Ok(Json(json!({"reason": "unknown_conversation"})));
    };
    let input = Input::Reported(event, reporter);
    Ok(Json(
        match state.sessions.ask(&key, input, request_id).await? {
            Reply::Moved { previous, state } => {
                json!({"status": "ok", "state": state, "previous": previous})
            }
            _ => json!({"reason": "invalid_transition"}),
        },
    ))
}

/// The session that a conversation shows, and who reports of it; `None` where nobody has seen either.
async fn find(
    state: &AppState,
    product: &ProductId,
    conversation: &str,
) -> Result<Option<(Key, Reporter)>, Problem> {
    let (session, reporter) = match conversation.strip_prefix(TOAST) {
        Some(session) => (SessionId::from(session), Reporter::Page),
        None => {
            let conversation = ConversationId::from(conversation);
            let row = IndexKey::new(Space::Conversation, conversation.as_str());
            let rows = state
                .store
                .index(product, &[row], state.clock.now_ms())
                .await?;
            let row = rows.into_iter().next().flatten();
            let row = row.and_then(|text| serde_json::from_str::<SessionRow>(&text).ok());
            let Some(row) = row else { return Ok(None) };
            (row.session, Reporter::Chat)
        }
    };
    let key = Key::session(product, &session);
    let known = state.store.load(&key).await?;
    Ok(known.map(|_| (key, reporter)))
}

fn admit_page(
    state: &AppState,
    product: &Product,
    Client(address): Client,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    admit_origin(product, headers)?;
    if state.admission.page_calls.admits(address) {
        return Ok(());
    }
    let detail = "too many calls from here in the last minute (proactive.page_calls_per_minute)";
    Err(Problem::too_many("page_call_rate", detail))
}

/// An offer as pages know it, with what we add.
fn trigger(open: &OpenOffer) -> Value {
    let offer = &open.offer;
    json!({
        "trigger_id": offer.trigger_id,
        "body": offer.body,
        "reply_option_labels": offer.reply_option_labels,
        "interaction_timeout_s": offer.interaction_timeout_s,
        "cooldown_s": offer.cooldown_s,
        "user_tour_id": offer.user_tour_id,
        "offer_id": open.id,
    })
}

/// The newest actions, oldest first, as the feed has told them; `entries` begin with the newest.
fn actions(entries: &[Entry]) -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Batch {
        actions: Vec<Box<RawValue>>,
    }
    let batches = entries
        .iter()
        .rev()
        .filter(|entry| *entry.r#type == *EntryType::Actions.as_str());
    let read = batches.filter_map(|entry| serde_json::from_str::<Batch>(&entry.body).ok());
    let mut actions: Vec<_> = read.flat_map(|batch| batch.actions).collect();
    actions.drain(..actions.len().saturating_sub(ACTIONS_MAX));
    actions
}
