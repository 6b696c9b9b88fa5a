//! States under their keys: versions, commit ids, deadlines.

use std::sync::Arc;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::ledger::Ledger;
use super::row::{flaw, limit as rows, senseless, signed, unsigned};
use super::{quarantine, settled};
use crate::domain::id::{Key, Kind};
use crate::store::commit::remember;
use crate::store::{Commit, CommitId, StateWrite, Stored};

/// The bytes of a page, which the database is created with.
const PAGE_BYTES: usize = 4096;

/// What a page spends on itself and on each of its rows.
const SPENT_BYTES: usize = 24;

/// What a row holds besides texts and blobs: numbers, and how long everything is.
const NUMBERS_BYTES: usize = 48;

/// What the writer must know of a key to decide about a commit.
pub(super) struct Held {
    /// The key's number.
    pub(super) id: i64,
    /// The version of its state, 0 without one.
    pub(super) version: u64,
    /// The sequence its log has reached.
    pub(super) sequence: u64,
    commits: Vec<CommitId>,
    /// The row of its newest log entry, which may be gone.
    pub(super) newest: Option<i64>,
    due_ms: Option<i64>,
    /// The hour of the newest commit, if there is a state.
    written_h: Option<i64>,
    /// The bytes of its state and of the padding behind it.
    padded: usize,
}

/// What a reader found under a key.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A state.
    State(Stored),
    /// A row that makes no sense, by its number.
    Flawed(i64),
}

/// Reads a state by its key.
pub(super) fn load(db: &Connection, key: &Key) -> rusqlite::Result<Found> {
    let mut select = db.prepare_cached(
        "SELECT k.version, k.sequence, k.commits, k.state, k.written_ms, s.state, k.id
         FROM products p JOIN keys k ON k.product = p.id LEFT JOIN settled s ON s.key = k.id
         WHERE p.name = ?1 AND k.kind = ?2 AND k.name = ?3 AND k.state IS NOT NULL",
    )?;
    let mut found = select.query(params![key.product.as_str(), key.kind.as_str(), &*key.id])?;
    let Some(row) = found.next()? else {
        return Ok(Found::Nothing);
    };
    match stored(row) {
        Ok(state) => Ok(Found::State(state)),
        Err(error) => match flaw(&error) {
            Some(_) => Ok(Found::Flawed(row.get(6)?)),
            None => Err(error),
        },
    }
}

/// Reads what a commit is checked against. An unreadable row is set aside first.
pub(super) fn find(ledger: &mut Ledger, product: i64, key: &Key) -> rusqlite::Result<Option<Held>> {
    match held(&ledger.db, product, key) {
        Err(error) => match flaw(&error) {
            Some(reason) => {
                if let Some(id) = number(&ledger.db, product, key)? {
                    quarantine::state(&ledger.db, id, &reason)?;
                }
                held(&ledger.db, product, key)
            }
            None => Err(error),
        },
        found => found,
    }
}

/// The number of a key that has, or had, a state.
pub(super) fn number(db: &Connection, product: i64, key: &Key) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM keys WHERE product = ?1 AND kind = ?2 AND name = ?3")?
        .query_row(params![product, key.kind.as_str(), &*key.id], |row| {
            row.get(0)
        })
        .optional()
}

/// The newest state of a key, for the loser of a conflict. An unreadable one is set aside.
pub(super) fn newest(db: &Connection, id: i64) -> rusqlite::Result<Option<Stored>> {
    let read = db
        .prepare_cached(
            "SELECT k.version, k.sequence, k.commits, k.state, k.written_ms, s.state
             FROM keys k LEFT JOIN settled s ON s.key = k.id
             WHERE k.id = ?1 AND k.state IS NOT NULL",
        )?
        .query_row([id], stored)
        .optional();
    match read {
        Err(error) => match flaw(&error) {
            Some(reason) => quarantine::state(db, id, &reason).map(|()| None),
            None => Err(error),
        },
        read => read,
    }
}

/// The statement that writes a snapshot over another one, and `$more` columns.
macro_rules! rewrite {
    ($more:literal) => {
        concat!(
            "UPDATE keys SET version = ?2, sequence = ?3, written_ms = ?4, commits = ?5, state = ?6,
             padding = zeroblob(?7), newest = ?8",
            $more,
            " WHERE id = ?1"
        )
    };
}

/// Writes a snapshot over what is held, or a first one, with the row of the key's newest log entry, and
/// answers the key's number.
pub(super) fn write(
    db: &Connection,
    product: i64,
    held: Option<&Held>,
    newest: Option<i64>,
    commit: &Commit,
    new: &StateWrite,
) -> rusqlite::Result<i64> {
    let entries = u64::try_from(commit.effects.entries.len()).unwrap_or(u64::MAX);
    let sequence = signed(held.map_or(0, |held| held.sequence).saturating_add(entries));
    let version = signed(new.base.saturating_add(1));
    let known = held.map_or(&[][..], |held| &held.commits);
    let commits = remember(known, commit.id);
    let commits = commits.as_flattened();
    let due_ms = new.due_ms.map(signed);
    let written_ms = signed(new.as_of_ms);
    let written_h = hour(written_ms);
    let named = new.key.kind.as_str().len() + new.key.id.len();
    let bytes = |commits: &[u8], state: usize| NUMBERS_BYTES + named + commits.len() + state;
    let before = held.map_or(0, |held| bytes(known.as_flattened(), held.padded));
    let padding = padding(bytes(commits, new.state.len()), before);
    if let Some(held) = held {
        let state = &*new.state;
        let values: [&dyn ToSql; 9] = [
            &held.id,
            &version,
            &sequence,
            &written_ms,
            &commits,
            &state,
            &padding,
            &newest,
            &due_ms,
        ];
        // An index is moved by whatever names its column, even if nothing changes.
        let (update, values) = match values.split_last() {
            Some((_, others)) if held.due_ms == due_ms => (rewrite!(""), others),
            _ => (rewrite!(", due_ms = ?9"), &values[..]),
        };
        db.prepare_cached(update)?.execute(values)?;
        if held.written_h != Some(written_h) {
            db.prepare_cached("UPDATE keys SET written_h = ?2 WHERE id = ?1")?
                .execute([held.id, written_h])?;
        }
        return Ok(held.id);
    }
    db.prepare_cached(
        "INSERT INTO keys (product, kind, name, version, sequence, due_ms, written_ms, commits,
         state, written_h, padding, newest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, zeroblob(?11), ?12)",
    )?
    .execute(params![
        product,
        new.key.kind.as_str(),
        &*new.key.id,
        version,
        sequence,
        due_ms,
        written_ms,
        commits,
        &*new.state,
        written_h,
        padding,
        newest,
    ])?;
    Ok(db.last_insert_rowid())
}

/// Hands out keys whose deadline has passed, the longest overdue first, and moves their deadlines
/// to the end of the claim. The next commit of a key writes its true deadline again.
pub(super) fn claim_overdue(
    ledger: &mut Ledger,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Key>> {
    let overdue = "SELECT k.id, p.name, k.kind, k.name FROM keys k
                   LEFT JOIN products p ON p.id = k.product
                   WHERE k.due_ms <= ?1 ORDER BY k.due_ms, k.id LIMIT ?3";
    claim(&ledger.db, overdue, now_ms, until_ms, limit)
}

/// The same for keys that were written when the clock was ahead of `now_ms`, and whose deadline
/// lies beyond the claim.
pub(super) fn claim_ahead(
    ledger: &mut Ledger,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Key>> {
    let ahead = "SELECT k.id, p.name, k.kind, k.name FROM keys k
                 LEFT JOIN products p ON p.id = k.product
                 WHERE k.due_ms > ?2 AND k.written_ms > ?1 ORDER BY k.due_ms, k.id LIMIT ?3";
    claim(&ledger.db, ahead, now_ms, until_ms, limit)
}

fn claim(
    db: &Connection,
    sql: &str,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Key>> {
    let mut keys = Vec::new();
    let mut flawed = Vec::new();
    let mut select = db.prepare_cached(sql)?;
    let mut found = select.query(params![signed(now_ms), signed(until_ms), rows(limit)])?;
    while let Some(row) = found.next()? {
        let id: i64 = row.get(0)?;
        match read_key(row, 1) {
            Ok(key) => keys.push((id, key)),
            Err(error) => flawed.push((id, flaw(&error).ok_or(error)?)),
        }
    }
    for (id, reason) in flawed {
        quarantine::state(db, id, &reason)?;
    }
    let mut claim = db.prepare_cached("UPDATE keys SET due_ms = ?2 WHERE id = ?1")?;
    for (id, _) in &keys {
        claim.execute(params![id, signed(until_ms)])?;
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// Removes a state and its version; the sequence stays as long as log entries refer to it.
pub(super) fn forget(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE keys SET state = NULL, commits = NULL, version = 0, due_ms = NULL,
         written_h = NULL, padding = NULL WHERE id = ?1",
    )?
    .execute([id])?;
    db.prepare_cached("DELETE FROM settled WHERE key = ?1")?
        .execute([id])?;
    drop_if_bare(db, id)
}

/// Removes the row of a key that has neither state nor log left.
pub(super) fn drop_if_bare(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM keys WHERE id = ?1 AND state IS NULL
         AND NOT EXISTS (SELECT 1 FROM log WHERE id = newest AND key = ?1)",
    )?
    .execute([id])?;
    Ok(())
}

/// A key from three columns: tenant, kind, identifier.
pub(super) fn read_key(row: &Row<'_>, first: usize) -> rusqlite::Result<Key> {
    let product: String = row.get(first)?;
    let id = row.get(first + 2)?;
    Ok(Key {
        product: product.into(),
        kind: read_kind(row, first + 1)?,
        id,
    })
}

/// A kind by its name.
pub(super) fn read_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    Kind::parse(&name).ok_or_else(|| senseless(column, Type::Text, "no kind has this name"))
}

fn held(db: &Connection, product: i64, key: &Key) -> rusqlite::Result<Option<Held>> {
    db.prepare_cached(
        "SELECT iif(state IS NULL, 0, version), sequence, iif(state IS NULL, x'', commits), id,
         written_h, newest, ifnull(length(state), 0) + ifnull(length(padding), 0), due_ms
         FROM keys WHERE product = ?1 AND kind = ?2 AND name = ?3",
    )?
    .query_row(params![product, key.kind.as_str(), &*key.id], |row| {
        Ok(Held {
            version: unsigned(row, 0)?,
            sequence: unsigned(row, 1)?,
            commits: whole_ids(row, 2)?,
            id: row.get(3)?,
            written_h: row.get(4)?,
            newest: row.get(5)?,
            padded: usize::try_from(unsigned(row, 6)?).unwrap_or_default(),
            due_ms: row.get(7)?,
        })
    })
    .optional()
}

/// A snapshot from six columns: version, sequence, commit ids, state, time, settled part.
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let version = unsigned(row, 0)?;
    if version == 0 {
        return Err(senseless(0, Type::Integer, "a state has a version"));
    }
    let state: Vec<u8> = row.get(3)?;
    Ok(Stored {
        version,
        sequence: unsigned(row, 1)?,
        commits: whole_ids(row, 2)?,
        written_ms: unsigned(row, 4)?,
        state: Arc::from(state),
        settled: settled::read(row, 5)?,
        news: Vec::new(),
    })
}

fn whole_ids(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<CommitId>> {
    if let ValueRef::Blob(bytes) = row.get_ref(column)?
        && let (ids, []) = bytes.as_chunks()
    {
        return Ok(ids.to_vec());
    }
    Err(senseless(column, Type::Blob, "commit ids are whole"))
}

/// The hour of a time.
pub(super) fn hour(ms: i64) -> i64 {
    ms / 3_600_000
}

/// How many zeros are added to a row that is `bytes` long without them, and was `before` long with them.
/// Its size is then one of few: one of which one to four fill a page, or a multiple of the smallest. A row of
/// the size that it had is written in its place; one that grew moves its neighbours, often on to other pages.
/// So a row that needs less than it had keeps its size, unless it needs much less.
fn padding(bytes: usize, before: usize) -> i64 {
    let fits = |size: &usize| *size >= bytes;
    let mut within_page = (1..=4).rev().map(|rows| PAGE_BYTES / rows - SPENT_BYTES);
    let size = within_page.find(fits);
    let size = size.unwrap_or_else(|| bytes.next_multiple_of(PAGE_BYTES / 4));
    let size = if before <= size * 2 {
        size.max(before)
    } else {
        size
    };
    rows(size - bytes)
}
