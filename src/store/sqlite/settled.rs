//! The settled parts of states: each a row with room behind what is written, so that what is added is written in its
//! place. A row that grew would move its neighbours instead, on to other pages each time.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row};

use crate::domain::machine::Settled;

/// What fills the room. No settled part ends with it.
const ROOM: u8 = b' ';

/// How much of a large row is on its own page: as little as there may be, so that many rows share one.
const FRONT_BYTES: usize = 484;

/// What each further page of a row holds.
const PAGE_BYTES: usize = 4092;

/// Writes of a key's settled part, behind what is to stay of it.
pub(super) fn write(db: &Connection, id: i64, new: &Settled) -> rusqlite::Result<()> {
    let behind = new.behind_bytes;
    let mut stored = None;
    if behind > 0 {
        if let Ok(mut row) = db.blob_open(MAIN_DB, "settled", "state", id, false)
            && behind + new.bytes.len() <= row.len()
        {
            return row.write_all_at(&new.bytes, behind);
        }
        stored = db
            .prepare_cached("SELECT state FROM settled WHERE key = ?1")?
            .query_row([id], |row| row.get::<_, Vec<u8>>(0))
            .optional()?;
    }
    let mut whole = new.onto(&stored.unwrap_or_default()).to_vec();
    whole.resize(room(whole.len()), ROOM);
    db.prepare_cached("INSERT OR REPLACE INTO settled (key, state) VALUES (?1, ?2)")?
        .execute((id, whole))?;
    Ok(())
}

/// A settled part from a column of its row, empty where there is none.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<[u8]>> {
    let bytes = match row.get_ref(column)? {
        ValueRef::Null => return Ok(Arc::default()),
        found => found.as_blob()?,
    };
    let end = bytes.iter().rposition(|byte| *byte != ROOM);
    let written = end.and_then(|end| bytes.get(..=end));
    Ok(written.unwrap_or_default().into())
}

/// The size of a row of which `bytes` are written. It doubles, so that what is moved with it is never much.
fn room(bytes: usize) -> usize {
    let pages = bytes.saturating_sub(FRONT_BYTES).div_ceil(PAGE_BYTES);
    match pages {
        0 => FRONT_BYTES,
        pages => FRONT_BYTES + pages.next_power_of_two() * PAGE_BYTES,
    }
}
