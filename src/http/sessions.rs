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
use crate::domain::id::{Key, SessionId};
use crate::domain::machine::Machine;
use crate::domain::session::{Link, Session};
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
        },
        "last_error": session.last_error,
        "log": entries.iter().map(entry).collect::<Vec<_>>(),
    })))
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
