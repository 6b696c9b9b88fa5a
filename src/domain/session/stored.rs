//! The stored form of a session, and what of it settles: actions of the window, and remembered keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ring::{Packed, Unpacked};
use super::state::{Held, Link, Session};
use crate::domain::machine::Encoded;
use crate::domain::proactive::Seen;

/// More fresh actions than these settle: about as many as make a state twice as large as it is without any.
const FRESH: usize = 8;

/// The settled part as it is written.
#[derive(Serialize)]
struct Written<'a> {
    window: &'a [Held],
    seen: Packed<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    recent: &'a [Seen],
}

/// The settled part as it is read.
#[derive(Default, Deserialize)]
struct Read {
    window: Vec<Held>,
    seen: Unpacked,
    #[serde(default)]
    recent: Vec<Seen>,
}

pub(super) fn encode(session: &mut Session) -> Encoded {
    let settled = settle(session);
    Encoded {
        state: to_bytes(session),
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
    if let Some(offers) = &mut session.offers {
        offers.seen.complete(read.recent)?;
    }
    Ok(session)
}

/// The settled part, if it is time to write it again.
fn settle(session: &mut Session) -> Option<Arc<[u8]>> {
    let mut window = match &mut session.link {
        Link::Unlinked { window } => Some(window),
        Link::Linked { .. } => None,
    };
    let is_ripe = window.as_ref().is_some_and(|window| window.is_ripe(FRESH));
    let mut recent = session.offers.as_mut().map(|offers| &mut offers.seen);
    let is_recent_ripe = recent.as_ref().is_some_and(|recent| recent.is_ripe(FRESH));
    if !is_ripe && !is_recent_ripe && !session.seen.is_ripe() {
        return None;
    }
    if let Some(recent) = &mut recent {
        recent.settle();
    }
    if let Some(window) = &mut window {
        window.settle();
    }
    Some(to_bytes(&Written {
        window: window.as_deref().map_or(&[], |window| window),
        seen: session.seen.settle(),
        recent: recent.as_deref().map_or(&[], |recent| recent),
    }))
}

/// Notes that nothing of a session is stored.
pub(super) fn unsettle(session: &mut Session) {
    if let Link::Unlinked { window } = &mut session.link {
        window.unsettle();
    }
    session.seen.unsettle();
    if let Some(offers) = &mut session.offers {
        offers.seen.unsettle();
    }
}

fn to_bytes(part: &impl Serialize) -> Arc<[u8]> {
    serde_json::to_vec(part)
        .expect("a session holds only strings, numbers and lists of them")
        .into()
}
