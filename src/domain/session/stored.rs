//! The stored form of a session, and what of it settles: actions of the window, and remembered keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ring;
use super::settling::Weight;
use super::state::{Held, Link, Session};
use crate::domain::id::SessionId;
use crate::domain::machine::Encoded;

/// About as many bytes as an action of the window takes.
const HELD_BYTES: usize = 160;

/// What the stored form of most sessions fits into, so that it need not grow while it is written.
const MOSTLY_BYTES: usize = 1024;

/// The settled part as it is written.
#[derive(Serialize)]
struct Written<'a> {
    window: &'a [Held],
    seen: ring::Packed<'a>,
}

/// The settled part as it is read.
#[derive(Default, Deserialize)]
struct Read {
    window: Vec<Held>,
    seen: ring::Unpacked,
}

pub(super) fn encode(session: &mut Session) -> Encoded {
    let settled = settle(session);
    Encoded {
        state: as_stored(session, to_bytes),
        settled,
    }
}

pub(super) fn decode(state: &[u8], settled: &[u8]) -> Result<Session, String> {
    let text = |error: serde_json::Error| error.to_string();
    let mut session: Session = serde_json::from_slice(state).map_err(text)?;
    let read: Read = match settled {
        [] => Read::default(),
        bytes => serde_json::from_slice(bytes).map_err(text)?,
    };
    if let Link::Unlinked { window } = &mut session.link {
        window.complete(read.window)?;
    }
    session.seen.complete(read.seen)?;
    Ok(restored(session))
}

/// Runs `store` on the session as it is stored: what its machine and the index say of it is mostly what it says
/// itself.
fn as_stored<T>(session: &mut Session, store: impl FnOnce(&Session) -> T) -> T {
    let own = session.id.as_ref().map(SessionId::as_str);
    let is_own = own.is_some() && session.fsm.session_id() == own;
    let name = is_own.then(|| session.fsm.replace_session_id(None));
    let alike = session.indexed_alike();
    let indexed = alike.map(|alike| std::mem::replace(&mut session.indexed, alike));
    let stored = store(session);
    if let Some(name) = name {
        session.fsm.replace_session_id(name);
    }
    if let Some(indexed) = indexed {
        session.indexed = indexed;
    }
    stored
}

/// As it was before it was stored.
fn restored(mut session: Session) -> Session {
    if let (Some(id), None) = (&session.id, session.fsm.session_id()) {
        session.fsm.replace_session_id(Some(id.as_str().to_owned()));
    }
    if session.indexed.is_same() {
        session.indexed = session.to_be_indexed(session.indexed.at);
    }
    session
}

/// The settled part, if it is time to write it again.
fn settle(session: &mut Session) -> Option<Arc<[u8]>> {
    let Session { link, seen, .. } = session;
    let window = match link {
        Link::Unlinked { window } => Some(window),
        Link::Linked { .. } => None,
    };
    let weights = [
        window.as_ref().map(|window| window.weight(HELD_BYTES)),
        Some(seen.weight()),
    ];
    if !weights.into_iter().flatten().sum::<Weight>().is_ripe() {
        return None;
    }
    Some(to_bytes(&Written {
        window: window.map_or(&[], |window| {
            window.settle();
            window
        }),
        seen: seen.settle(),
    }))
}

/// Notes that nothing of a session is stored.
pub(super) fn unsettle(session: &mut Session) {
    if let Link::Unlinked { window } = &mut session.link {
        window.unsettle();
    }
    session.seen.unsettle();
}

fn to_bytes(part: &impl Serialize) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(MOSTLY_BYTES);
    serde_json::to_writer(&mut bytes, part)
        .expect("a session holds only strings, numbers and lists of them");
    bytes.into()
}
