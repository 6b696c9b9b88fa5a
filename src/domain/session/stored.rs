//! The stored form of a session, and what of it settles: actions of the window, and remembered keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ring;
use super::settling::Weight;
use super::state::{Held, Link, Session};
use crate::domain::machine::Encoded;

/// About as many bytes as an action of the window takes.
const HELD_BYTES: usize = 160;

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
        state: session.as_stored(to_bytes),
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
    Ok(session.restored())
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
    serde_json::to_vec(part)
        .expect("a session holds only strings, numbers and lists of them")
        .into()
}
