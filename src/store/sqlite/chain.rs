//! The entries of one key, newest first: the key's row names the newest, and each entry the one before.
//!
//! Retention takes entries away at the old end without a word, so a chain ends where the next row is
//! missing. Whoever takes one from elsewhere does it here, where what is left is joined.
//! The number of a row may be given again once it is gone, to a key that is not this one or to a row
//! that is newer than where the chain came from; both are its end as well.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::keys;
use super::ledger::Ledger;

/// A link of a chain.
struct Link {
    id: i64,
    previous: Option<i64>,
}

/// The newest entry of a key, by its row.
fn newest(db: &Connection, key: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT newest FROM keys WHERE id = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Where the chain goes on behind the row `from`.
pub(super) fn behind(from: i64, previous: Option<i64>) -> Option<i64> {
    previous.filter(|previous| *previous < from)
}

/// Removes entries, whosever they are, and keeps the others of their keys together.
pub(super) fn remove(ledger: &mut Ledger, entries: &[i64]) -> rusqlite::Result<()> {
    let mut by_key: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for id in entries {
        by_key.entry(key(&ledger.db, *id)?).or_default().insert(*id);
    }
    for (key, gone) in &by_key {
        // What is missing there was out of reach before.
        part(&ledger.db, *key, gone)?;
        delete(ledger, *key, gone)?;
    }
    Ok(())
}

/// Removes an entry that cannot be read, which may not even know whose it was.
pub(super) fn remove_flawed(ledger: &mut Ledger, id: i64) -> rusqlite::Result<()> {
    let (key, gone) = (key(&ledger.db, id)?, BTreeSet::from([id]));
    if !part(&ledger.db, key, &gone)?.is_empty() {
        join_anywhere(&ledger.db, id)?;
    }
    delete(ledger, key, &gone)
}

fn key(db: &Connection, id: i64) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT key FROM log WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
}

fn delete(ledger: &mut Ledger, key: i64, gone: &BTreeSet<i64>) -> rusqlite::Result<()> {
    let mut bytes = 0;
    for id in gone {
        bytes += ledger
            .db
            .prepare_cached("DELETE FROM log WHERE id = ?1 RETURNING octet_length(body)")?
            .query_row([id], |row| row.get::<_, i64>(0))?;
    }
    ledger.count_log_bytes(-bytes);
    keys::drop_if_bare(&ledger.db, key)
}

/// Lets every entry that stays name the newest before it that stays too. Answers which of those that go
/// are not in the chain.
fn part(db: &Connection, key: i64, gone: &BTreeSet<i64>) -> rusqlite::Result<BTreeSet<i64>> {
    let mut missing = gone.clone();
    let mut stays = None;
    let mut is_broken = false;
    let mut next = newest(db, key)?;
    while let Some(Link { id, previous }) = link(db, key, next)? {
        next = behind(id, previous);
        if missing.remove(&id) {
            is_broken = true;
            continue;
        }
        if is_broken {
            join(db, key, stays, Some(id))?;
            is_broken = false;
        }
        stays = Some(id);
        if missing.is_empty() {
            return Ok(missing);
        }
    }
    if is_broken {
        join(db, key, stays, None)?;
    }
    Ok(missing)
}

/// Joins what is left around an entry that says of itself to belong elsewhere. Damage alone does that, so
/// it may take as long as a look at every row.
fn join_anywhere(db: &Connection, id: i64) -> rusqlite::Result<()> {
    for sql in [
        "UPDATE log SET previous = (SELECT previous FROM log WHERE id = ?1) WHERE previous = ?1",
        "UPDATE keys SET newest = (SELECT previous FROM log WHERE id = ?1) WHERE newest = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

fn link(db: &Connection, key: i64, id: Option<i64>) -> rusqlite::Result<Option<Link>> {
    db.prepare_cached("SELECT id, previous FROM log WHERE id = ?1 AND key = ?2")?
        .query_row(params![id, key], |row| {
            Ok(Link {
                id: row.get(0)?,
                previous: row.get(1)?,
            })
        })
        .optional()
}

/// Lets an entry, or the key itself, name `previous`.
fn join(
    db: &Connection,
    key: i64,
    entry: Option<i64>,
    previous: Option<i64>,
) -> rusqlite::Result<()> {
    let (sql, id) = match entry {
        Some(entry) => ("UPDATE log SET previous = ?2 WHERE id = ?1", entry),
        None => ("UPDATE keys SET newest = ?2 WHERE id = ?1", key),
    };
    db.prepare_cached(sql)?.execute(params![id, previous])?;
    Ok(())
}
