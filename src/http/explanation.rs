//! A session as operators see it: where it stands, what keeps it from the next offer, and what its log tells. It is
//! the same over HTTP and at a terminal while no service runs, because both ask here.
//!
//! Read from the store, never from a cache. Times are Unix seconds.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::domain::agent_state::AgentFsm;
use crate::domain::id::{Key, ProductId, SessionId};
use crate::domain::machine::Machine;
use crate::domain::session::{Link, Policy, Session};
use crate::domain::time::seconds;
use crate::store::{self, Entry, Store};

/// How many of the newest log entries are shown unless told.
pub(crate) const ENTRIES: usize = 50;

/// The most that are shown.
pub(crate) const ENTRIES_MAX: usize = 500;

/// What is said of a session that is not there.
pub(crate) const UNKNOWN: &str = "session not found";

/// Why a session that is there is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What is stored is no session.
    #[error("the stored session is unreadable; it is set aside at its next event")]
    Unreadable,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Reads how many log entries are wanted; the error says what would be right.
pub(crate) fn read_entries(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=ENTRIES_MAX).contains(count));
    count.ok_or_else(|| format!("is a number from 1 to {ENTRIES_MAX}"))
}

/// Everything about a session, with its newest log entries, the newest first; `None` when it is unknown.
pub(crate) async fn explain(
    store: &dyn Store,
    now_ms: u64,
    policy: &Policy,
    product: &ProductId,
    session: &str,
    entries: usize,
) -> Result<Option<Value>, Error> {
    let key = Key::session(product, &SessionId::from(session));
    let Some(stored) = store.load(&key).await? else {
        return Ok(None);
    };
    let session = Session::decode(&stored.state, &stored.settled).map_err(|_| Error::Unreadable)?;
    let entries = store.history(&key, entries).await?;
    let offers = session.offers.as_deref();
    Ok(Some(json!({
        "product_id": product,
        "session_id": session.id,
        "as_of": seconds(now_ms),
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
            "offer_timeout": offers.and_then(|offers| Some(offers.open.as_ref()?.ends_at())),
            "triggers": offers.and_then(|offers| offers.evaluate_at),
        },
        "offers": offering(store, now_ms, policy, product, &session).await?,
        "last_error": session.last_error,
        "log": entries.iter().map(entry).collect::<Vec<_>>(),
    })))
}

/// What was offered, what keeps the session from the next offer, and what was decided lately.
async fn offering(
    store: &dyn Store,
    now_ms: u64,
    policy: &Policy,
    product: &ProductId,
    session: &Session,
) -> Result<Value, Error> {
    let (rows, counters): (Vec<_>, Vec<_>) =
        session.quotas(policy, seconds(now_ms)).into_iter().unzip();
    let counts = store.index(product, &rows, now_ms).await?;
    let quotas = counters.iter().zip(counts).map(|(counter, count)| {
        json!({
            "reason": counter.role.skip_reason(),
            "used": count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0),
            "max": counter.max,
            "ends_at": counter.ends_at,
        })
    });
    let quotas: Vec<Value> = quotas.collect();
    let offers = session.offers.as_deref().cloned().unwrap_or_default();
    let wait_s = policy.resilience.min_interval_s;
    Ok(json!({
        "enabled": policy.program.as_ref().is_some_and(|program| program.is_enabled),
        "page": offers.page.as_deref().map(AgentFsm::to_snapshot),
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
