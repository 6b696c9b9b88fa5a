//! The calls made for each delivery.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::row::{senseless, signed, unsigned, unsigned_if_any};
use crate::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use crate::store::ATTEMPTS_MAX;

/// Writes a call down and forgets the oldest beyond [`ATTEMPTS_MAX`].
pub(super) fn append(db: &Connection, seq: i64, attempt: &AttemptRecord) -> rusqlite::Result<()> {
    let number: u32 = db
        .prepare_cached(
            "UPDATE outbox SET calls = calls + 1, http_status = ?2 WHERE seq = ?1 RETURNING calls",
        )?
        .query_row(params![seq, attempt.http_status], |row| row.get(0))?;
    insert(db, seq, number, attempt)
}

/// Writes down the call of this number, as the delivery counts it already.
pub(super) fn insert(
    db: &Connection,
    seq: i64,
    number: u32,
    attempt: &AttemptRecord,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO attempts (delivery, number, call, started_ms, took_ms, http_status, outcome,
         reason, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        seq,
        number,
        attempt.call.as_str(),
        signed(attempt.started_ms),
        attempt.took_ms.map(signed),
        attempt.http_status,
        attempt.outcome.as_str(),
        attempt.reason,
        attempt.excerpt,
    ])?;
    if number > ATTEMPTS_MAX {
        db.prepare_cached("DELETE FROM attempts WHERE delivery = ?1 AND number <= ?2")?
            .execute(params![seq, number - ATTEMPTS_MAX])?;
    }
    Ok(())
}

/// The calls of a delivery, oldest first. One that cannot be read is left out.
pub(super) fn of(db: &Connection, seq: i64) -> rusqlite::Result<Vec<(u32, AttemptRecord)>> {
    let mut select = db.prepare_cached(
        "SELECT number, call, started_ms, took_ms, http_status, outcome, reason, excerpt
         FROM attempts WHERE delivery = ?1 ORDER BY number",
    )?;
    let mut rows = select.query([seq])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(attempt) => found.push(attempt),
            Err(error) => tracing::warn!(%error, "a call of a delivery cannot be read"),
        }
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(u32, AttemptRecord)> {
    let named = |column| -> rusqlite::Result<String> { row.get(column) };
    let unknown = |column| senseless(column, Type::Text, "no such word is known");
    let attempt = AttemptRecord {
        call: Call::parse(&named(1)?).ok_or_else(|| unknown(1))?,
        started_ms: unsigned(row, 2)?,
        took_ms: unsigned_if_any(row, 3)?,
        http_status: row.get(4)?,
        outcome: AttemptOutcome::parse(&named(5)?).ok_or_else(|| unknown(5))?,
        reason: row.get(6)?,
        excerpt: row.get(7)?,
    };
    Ok((row.get(0)?, attempt))
}
