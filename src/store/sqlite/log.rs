//! The log in its two orders: by sequence for one key, by offset for one tenant.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::chain;
use super::keys::{self, Held};
use super::ledger::Ledger;
use super::row::{flaw, limit as rows, offset, signed, unsigned};
use crate::domain::id::{Key, ProductId};
use crate::domain::log::{Offset, SCHEMA_VERSION};
use crate::store::{Commit, Entry, FeedPage};

/// An entry that cannot be read.
pub(super) struct Flawed {
    /// The number of its row, which another entry may have by now.
    pub(super) id: i64,
    /// Its offset, which no other entry ever has.
    pub(super) offset: (i64, i64),
    /// What is wrong with it.
    pub(super) reason: String,
}

impl Flawed {
    /// Tells a damaged row from a failing database, whose `error` it answers.
    fn new(row: &Row<'_>, error: rusqlite::Error) -> rusqlite::Result<Self> {
        let reason = flaw(&error).ok_or(error)?;
        Ok(Self {
            id: row.get(0)?,
            offset: (row.get(1)?, row.get(2)?),
            reason,
        })
    }
}

/// The row of the key's newest entry once a commit's are in the rows from `first` on.
pub(super) fn newest_after(first: i64, held: Option<&Held>, commit: &Commit) -> Option<i64> {
    let rows = (first..).zip(&commit.effects.entries);
    let last = rows.last().map(|(id, _)| id);
    last.or_else(|| held?.newest)
}

/// Appends a commit's entries behind those of the key, in the rows from `first` on.
pub(super) fn append(
    ledger: &mut Ledger,
    product: i64,
    key: i64,
    held: Option<&Held>,
    first: i64,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let mut sequence = held.map_or(0, |held| held.sequence);
    let mut previous = held.and_then(|held| held.newest);
    for (id, entry) in (first..).zip(&commit.effects.entries) {
        sequence = sequence.saturating_add(1);
        let offset = ledger.next_offset(&commit.product, commit.now_ms)?;
        ledger
            .db
            .prepare_cached(
                "INSERT INTO log (product, ms, n, key, sequence, visible, schema_version, type, at,
                 source, correlation_id, user_id, body, id, previous)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                product,
                signed(offset.ms),
                signed(offset.n),
                key,
                signed(sequence),
                entry.r#type.on_feed(),
                SCHEMA_VERSION,
                entry.r#type.as_str(),
                entry.at,
                entry.source,
                &*entry.correlation_id,
                entry.user_id.as_deref(),
                &*entry.body,
                id,
                previous,
            ])?;
        ledger.appended(id);
        previous = Some(id);
        ledger.count_log_bytes(rows(entry.body.len()));
    }
    Ok(())
}

/// The newest entries of a key, newest first.
pub(super) fn history(
    db: &Connection,
    key: &Key,
    limit: usize,
) -> rusqlite::Result<(Vec<Entry>, Vec<Flawed>)> {
    let snapshot = db.unchecked_transaction()?;
    let mut entries = Vec::new();
    let mut flawed = Vec::new();
    let known: Option<(i64, Option<i64>)> = snapshot
        .prepare_cached(
            "SELECT k.id, k.newest FROM products p JOIN keys k ON k.product = p.id
             WHERE p.name = ?1 AND k.kind = ?2 AND k.name = ?3",
        )?
        .query_row(
            params![key.product.as_str(), key.kind.as_str(), &*key.id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((number, mut next)) = known else {
        return Ok((entries, flawed));
    };
    let mut select = snapshot.prepare_cached(
        "SELECT id, ms, n, sequence, schema_version, type, at, source, correlation_id, user_id,
         body, previous FROM log WHERE id = ?1 AND key = ?2",
    )?;
    while entries.len() + flawed.len() < limit
        && let Some(id) = next
    {
        let mut found = select.query(params![id, number])?;
        let Some(row) = found.next()? else { break };
        match read_entry(row, || Ok(key.clone())) {
            Ok(entry) => entries.push(entry),
            Err(error) => flawed.push(Flawed::new(row, error)?),
        }
        next = chain::behind(id, row.get(11)?);
    }
    Ok((entries, flawed))
}

/// The tenant's visible entries after `after`.
pub(super) fn feed(
    db: &Connection,
    product: &ProductId,
    after: Offset,
    limit: usize,
) -> rusqlite::Result<(FeedPage, Vec<Flawed>)> {
    let snapshot = db.unchecked_transaction()?;
    let mut page = FeedPage {
        scanned: after,
        ..FeedPage::default()
    };
    let mut flawed = Vec::new();
    let Some((number, last, trimmed)) = bounds(&snapshot, product)? else {
        return Ok((page, flawed));
    };
    page.trimmed = trimmed;
    let mut select = snapshot.prepare_cached(
        "SELECT l.id, l.ms, l.n, l.sequence, l.schema_version, l.type, l.at, l.source,
         l.correlation_id, l.user_id, l.body, k.kind, k.name
         FROM log l LEFT JOIN keys k ON k.id = l.key
         WHERE l.product = ?1 AND l.visible = 1 AND (l.ms, l.n) > (?2, ?3)
         ORDER BY l.ms, l.n LIMIT ?4",
    )?;
    let mut found = select.query(params![
        number,
        signed(after.ms),
        signed(after.n),
        rows(limit)
    ])?;
    let mut looked_at = 0;
    while let Some(row) = found.next()? {
        looked_at += 1;
        let key = || {
            Ok(Key {
                product: product.clone(),
                kind: keys::read_kind(row, 11)?,
                id: row.get(12)?,
            })
        };
        match read_entry(row, key) {
            Ok(entry) => page.entries.push(entry),
            Err(error) => flawed.push(Flawed::new(row, error)?),
        }
        page.scanned = page.scanned.max(offset(row, 1).unwrap_or_default());
    }
    if looked_at < limit {
        page.scanned = page.scanned.max(last);
    }
    Ok((page, flawed))
}

/// The newest offset ever given to the tenant.
pub(super) fn head(db: &Connection, product: &ProductId) -> rusqlite::Result<Offset> {
    Ok(bounds(db, product)?.map_or_else(Offset::default, |(_, last, _)| last))
}

/// A tenant's number, its newest offset and the newest one that retention removed.
fn bounds(db: &Connection, name: &ProductId) -> rusqlite::Result<Option<(i64, Offset, Offset)>> {
    db.prepare_cached(
        "SELECT id, last_ms, last_n, trimmed_ms, trimmed_n FROM products WHERE name = ?1",
    )?
    .query_row([name.as_str()], |row| {
        Ok((row.get(0)?, offset(row, 1)?, offset(row, 3)?))
    })
    .optional()
}

fn read_entry(
    row: &Row<'_>,
    key: impl FnOnce() -> rusqlite::Result<Key>,
) -> rusqlite::Result<Entry> {
    let text = |column| row.get::<_, Arc<str>>(column);
    Ok(Entry {
        offset: offset(row, 1)?,
        key: key()?,
        sequence: unsigned(row, 3)?,
        schema_version: row.get(4)?,
        r#type: text(5)?,
        at: row.get(6)?,
        source: text(7)?,
        correlation_id: text(8)?,
        user_id: row.get(9)?,
        body: text(10)?,
    })
}
