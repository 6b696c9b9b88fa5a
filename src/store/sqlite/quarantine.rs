//! Where rows go that cannot be read: copied as they are, counted, and out of the way.

use rusqlite::{Connection, params};

use super::ledger::Ledger;
use super::log::Flawed;
use super::{chain, keys, outbox};
use crate::domain::log::IndexKey;

/// Sets a state aside; its key becomes absent. The sequence of its log goes on if it can be read.
pub(super) fn state(db: &Connection, id: i64, reason: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO quarantine (what, address, reason, content)
         SELECT 'state', concat(p.name, '/', k.kind, '/', k.name), ?2,
         CAST(concat_ws(char(10), CAST(k.state AS TEXT), rtrim(CAST(s.state AS TEXT))) AS BLOB)
         FROM keys k LEFT JOIN products p ON p.id = k.product LEFT JOIN settled s ON s.key = k.id
         WHERE k.id = ?1 AND k.state IS NOT NULL",
    )?
    .execute(params![id, reason])?;
    db.prepare_cached(
        "UPDATE keys SET sequence = coalesce(
             (SELECT l.sequence FROM log l WHERE l.id = newest AND l.key = ?1), 0)
         WHERE id = ?1 AND sequence < 0",
    )?
    .execute([id])?;
    keys::forget(db, id)
}

/// Sets a log entry aside, unless another reader was faster.
pub(super) fn entry(ledger: &mut Ledger, flawed: &Flawed) -> rusqlite::Result<()> {
    let (ms, n) = flawed.offset;
    let here = params![flawed.id, ms, n, flawed.reason];
    ledger
        .db
        .prepare_cached(
            "INSERT INTO quarantine (what, address, reason, content)
             SELECT 'log entry', concat(p.name, '/', l.ms, '-', l.n), ?4,
             CAST(concat_ws(',', quote(l.key), quote(l.sequence), quote(l.schema_version),
             quote(l.type), quote(l.at), quote(l.source), quote(l.correlation_id),
             quote(l.user_id), quote(l.body)) AS BLOB)
             FROM log l LEFT JOIN products p ON p.id = l.product
             WHERE l.id = ?1 AND l.ms = ?2 AND l.n = ?3",
        )?
        .execute(here)?;
    let is_there = ledger
        .db
        .prepare_cached("SELECT 1 FROM log WHERE id = ?1 AND ms = ?2 AND n = ?3")?
        .exists(params![flawed.id, ms, n])?;
    if is_there {
        chain::remove_flawed(ledger, flawed.id)?;
    }
    Ok(())
}

/// Sets a delivery aside and lets its lane go on.
pub(super) fn delivery(
    db: &Connection,
    seq: i64,
    reason: &str,
    now_ms: u64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO quarantine (what, address, reason, content)
         SELECT 'delivery', CAST(id AS TEXT), ?2,
         CAST(concat_ws(',', quote(product), quote(kind), quote(name), quote(lane), quote(status),
         quote(attempts), quote(created_ms), quote(started_ms), quote(unsettled_ms), quote(body))
         AS BLOB) FROM outbox WHERE seq = ?1",
    )?
    .execute(params![seq, reason])?;
    outbox::remove(db, seq, now_ms)
}

/// Sets an index row aside.
pub(super) fn index_row(
    db: &Connection,
    product: i64,
    key: &IndexKey,
    reason: &str,
) -> rusqlite::Result<()> {
    let (space, id) = (key.space.as_str(), &*key.id);
    db.prepare_cached(
        "INSERT INTO quarantine (what, address, reason, content)
         SELECT 'index row', concat(p.name, '/', i.space, '/', i.id), ?4,
         CAST(quote(i.value) AS BLOB)
         FROM index_rows i LEFT JOIN products p ON p.id = i.product
         WHERE i.product = ?1 AND i.space = ?2 AND i.id = ?3",
    )?
    .execute(params![product, space, id, reason])?;
    db.prepare_cached("DELETE FROM index_rows WHERE product = ?1 AND space = ?2 AND id = ?3")?
        .execute(params![product, space, id])?;
    Ok(())
}
