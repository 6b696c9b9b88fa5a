//! The stored form of a session, and what of it settles: actions of the window, and remembered keys.

use serde::{Deserialize, Serialize};

use super::ring;
use super::state::{Held, Link, Session};
use crate::domain::id::SessionId;
use crate::domain::machine::{Encoded, Settled};

/// About as many bytes as an action of the window takes beside its description.
const HELD_BYTES: usize = 64;

/// What commits write again and again before it pays to let it settle: writing into the settled part costs about as
/// much as a page, and a state of which less is fresh shares its page with more others.
const REPEATED_BYTES: usize = 3072;

/// How many bytes of the settled part may be of no use, beside as many as are of use.
const USELESS_BYTES: usize = 4096;

/// What the stored form of most sessions fits into, so that it need not grow while it is written.
const MOSTLY_BYTES: usize = 1024;

/// What is written into the settled part, a line of JSON each time.
#[derive(Serialize)]
struct Written<'a> {
    window: &'a [Held],
    seen: ring::Packed<'a>,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Read {
    window: Vec<Held>,
    seen: ring::Unpacked,
}

pub(super) fn encode(session: &mut Session) -> Encoded {
    let settled = settle(session);
    Encoded {
        state: as_stored(session, |session| to_bytes(session).into()),
        settled,
    }
}

pub(super) fn decode(state: &[u8], settled: &[u8]) -> Result<Session, String> {
    let text = |error: serde_json::Error| error.to_string();
    let mut session: Session = serde_json::from_slice(state).map_err(text)?;
    let (mut held, mut seen) = (Vec::new(), Vec::new());
    for line in serde_json::Deserializer::from_slice(settled).into_iter::<Read>() {
        let mut line = line.map_err(text)?;
        held.append(&mut line.window);
        seen.push(line.seen);
    }
    if let Link::Unlinked { window } = &mut session.link {
        window.complete(held)?;
    }
    session.seen.complete(seen)?;
    session.settled_bytes = settled.len();
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

/// What is fresh, if it is time to let it settle. Mostly it is put behind what has settled before; once more than half
/// of that is of no use any more, what is left of it is written anew.
fn settle(session: &mut Session) -> Option<Settled> {
    let bytes_of = |held: &Held| HELD_BYTES + held.description.len();
    let Session {
        link,
        seen,
        settled_bytes,
        ..
    } = session;
    let mut window = match link {
        Link::Unlinked { window } => Some(window),
        Link::Linked { .. } => None,
    };
    let repeated = window
        .as_ref()
        .map(|window| window.repeated_bytes(bytes_of));
    if repeated.unwrap_or_default() + seen.repeated_bytes() <= REPEATED_BYTES {
        return None;
    }
    let items = window.as_deref().map_or(&[][..], |window| window);
    let useful = items.iter().map(bytes_of).sum::<usize>() + seen.bytes();
    let anew = *settled_bytes > 2 * useful + USELESS_BYTES;
    let mut line = to_bytes(&Written {
        window: window.as_mut().map_or(&[], |window| window.settle(anew)),
        seen: seen.settle(anew),
    });
    line.push(b'\n');
    let behind_bytes = if anew { 0 } else { *settled_bytes };
    *settled_bytes = behind_bytes + line.len();
    Some(Settled {
        behind_bytes,
        bytes: line.into(),
    })
}

/// Notes that nothing of a session is stored.
pub(super) fn unsettle(session: &mut Session) {
    if let Link::Unlinked { window } = &mut session.link {
        window.unsettle();
    }
    session.seen.unsettle();
    session.settled_bytes = 0;
}

fn to_bytes(part: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MOSTLY_BYTES);
    serde_json::to_writer(&mut bytes, part)
        .expect("a session holds only strings, numbers and lists of them");
    bytes
}
