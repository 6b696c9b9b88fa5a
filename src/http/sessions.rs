//! `GET /sessions/{product_id}/{session_id}`: what the connector knows about a session, for
//! operators. Read from the store, never from a cache.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::credentials::admit_admin;
use super::problem::Problem;
use super::state::AppState;
use crate::domain::agent_state::AgentFsm;
use crate::domain::id::{Key, SessionId};
use crate::domain::machine::Machine;
use crate::domain::session::{Link, Session};
use crate::product::Product;
use crate::store::Entry;

/// How many of the newest log entries are shown.
const ENTRIES_MAX: usize = 50;

/// Shows state, link, deadlines, the newest log entries and the last error.
pub(super) async fn show(
    State(state): State<AppState>,
    Path((product_id, session_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let product = state.product(&product_id).await?;
    let key = Key::session(&product.id, &SessionId::from(session_id));
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "session_not_found",
            "session not found",
        )
    };
    let stored = state.store.load(&key).await?.ok_or_else(unknown)?;
    let session = Session::decode(&stored.state, &stored.settled).map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unreadable_session",
            "the stored session is unreadable; it is set aside at its next event",
        )
    })?;
    let entries = state.store.history(&key, ENTRIES_MAX).await?;
    Ok(Json(json!({
        "product_id": product.id,
        "session_id": session.id,
        "user_id": session.user,
        "email": session.email,
        "user_properties": session.properties,
        "version": stored.version,
        "state": session.fsm.to_snapshot(),
        "link": link(&session),
        "notes": {
            "open": session.open_notes.iter().map(|note| &note.delivery).collect::<Vec<_>>(),
            "part_ids": session.parts,
        },
        "active_at": session.active_at,
        "trimmed_actions": session.trimmed,
        "deadlines": {
            "next": session.deadline(),
            "note_flush": session.flush_at(),
            "state_timeout": session.fsm.deadline(),
            "offer_timeout": session.offers.as_ref().and_then(|offers| Some(offers.open.as_ref()?.ends_at())),
            "triggers": session.offers.as_ref().and_then(|offers| offers.evaluate_at),
        },
        "properties": session.properties,
        "offers": offers(&state, &product, &session).await?,
        "last_error": session.last_error,
        "log": entries.iter().map(entry).collect::<Vec<_>>(),
    })))
}

/// What was offered, what keeps the session from the next offer, and what was decided lately.
async fn offers(state: &AppState, product: &Product, session: &Session) -> Result<Value, Problem> {
    let policy = state.sessions.policy(&product.id);
    let now = state.clock.now_s();
    let counters = session.quotas(&policy, now);
    let rows: Vec<_> = counters.iter().map(|(row, _)| row.clone()).collect();
    let counts = state
        .store
        .index(&product.id, &rows, state.clock.now_ms())
        .await?;
    let quotas: Vec<Value> = counters
        .iter()
        .zip(counts)
        .map(|((_, counter), count)| {
            json!({
                "reason": counter.role.skip_reason(),
                "used": count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0),
                "max": counter.max,
                "ends_at": counter.ends_at,
            })
        })
        .collect();
    let offers = session.offers.as_deref().cloned().unwrap_or_default();
    let wait_s = policy.resilience.min_interval_s;
    Ok(json!({
        "enabled": policy.program.as_ref().is_some_and(|program| program.is_enabled),
        "page": offers.page.as_ref().map(AgentFsm::to_snapshot),
        "open": offers.open,
        "matched": offers.matched,
        "last_made_at": offers.made_at,
        "next_not_before": offers.made_at.map(|at| at + wait_s),
        "cooldowns": offers.quiet,
        "quotas": quotas,
        "decisions": offers.decisions,
    }))
}

fn link(session: &Session) -> Value {
    match &session.link {
        Link::Unlinked { window } => json!({
            "conversation_id": null,
            "waiting_actions": window.len(),
        }),
        Link::Linked {
            conversation,
            pending,
            ..
        } => json!({
            "conversation_id": conversation,
            "waiting_actions": pending.len(),
        }),
    }
}

fn entry(entry: &Entry) -> Value {
    let body = serde_json::from_str::<&RawValue>(&entry.body).ok();
    json!({
        "sequence": entry.sequence,
        "offset": entry.offset.to_string(),
        "type": entry.r#type,
        "at": entry.at,
        "source": entry.source,
        "correlation_id": entry.correlation_id,
        "body": body,
    })
}
