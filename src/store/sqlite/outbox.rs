//! Work on its way out, lane by lane.
//!
//! Only the oldest unfinished delivery of a lane carries a due time. Every change that finishes a
//! delivery hands the lane on to the next one.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::keys;
use super::quarantine;
use super::row::{flaw, limit as rows, signed, unsigned, unsigned_if_any};
use crate::domain::id::{Key, PartId};
use crate::domain::log::{NewDelivery, OutboxChange};
use crate::store::{Lease, Retry};

/// Puts new work at the end of its lane. Work that is there already stays as it is.
pub(super) fn insert(
    db: &Connection,
    product: i64,
    key: &Key,
    new: &NewDelivery,
    now_ms: u64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO outbox (id, product, kind, name, lane, status, created_ms, due_ms, body)
         SELECT ?1, ?2, ?3, ?4, ?5, 'waiting', ?6,
         iif(EXISTS (SELECT 1 FROM outbox WHERE lane = ?5 AND finished_ms IS NULL), NULL, ?6), ?7
         WHERE true ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![
        new.id.as_str(),
        product,
        key.kind.as_str(),
        &*key.id,
        &*new.lane,
        signed(now_ms),
        &*new.body
    ])?;
    Ok(())
}

/// Changes work in the outbox. What is finished stays as it is.
pub(super) fn change(db: &Connection, change: &OutboxChange, now_ms: u64) -> rusqlite::Result<()> {
    let (id, status, part, error) = match change {
        OutboxChange::Delivered { id, part } => (id, "delivered", part.as_ref(), None),
        OutboxChange::Dead { id, reason } => (id, "dead", None, Some(&**reason)),
        OutboxChange::Withdrawn { id } => (id, "withdrawn", None, None),
        OutboxChange::RetryNow { lane } => {
            db.prepare_cached(
                "UPDATE outbox SET due_ms = ?2
                 WHERE status = 'waiting' AND due_ms > ?2 AND seq =
                 (SELECT seq FROM outbox WHERE lane = ?1 AND finished_ms IS NULL
                  ORDER BY seq LIMIT 1)",
            )?
            .execute(params![&**lane, signed(now_ms)])?;
            return Ok(());
        }
    };
    let finished: Option<i64> = db
        .prepare_cached(
            "UPDATE outbox SET status = ?2, part = ?3, error = coalesce(?4, error),
             finished_ms = ?5, due_ms = NULL
             WHERE id = ?1 AND finished_ms IS NULL RETURNING seq",
        )?
        .query_row(
            params![
                id.as_str(),
                status,
                part.map(PartId::as_str),
                error,
                signed(now_ms)
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = finished {
        hand_on(db, seq, now_ms)?;
    }
    Ok(())
}

/// Makes the oldest unfinished delivery of the lane of `seq` due, unless it already carries a time.
fn hand_on(db: &Connection, seq: i64, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE outbox SET due_ms = ?2
         WHERE due_ms IS NULL AND seq =
         (SELECT next.seq FROM outbox done JOIN outbox next ON next.lane = done.lane
          WHERE done.seq = ?1 AND next.finished_ms IS NULL AND next.seq <> ?1
          ORDER BY next.seq LIMIT 1)",
    )?
    .execute(params![seq, signed(now_ms)])?;
    Ok(())
}

/// Removes a delivery, whatever became of it, and lets its lane go on.
pub(super) fn remove(db: &Connection, seq: i64, now_ms: u64) -> rusqlite::Result<()> {
    hand_on(db, seq, now_ms)?;
    db.prepare_cached("DELETE FROM outbox WHERE seq = ?1")?
        .execute([seq])?;
    Ok(())
}

/// Leases what is due, the longest due first. Unreadable work is set aside and its lane goes on.
pub(super) fn lease(
    db: &Connection,
    now_ms: u64,
    until_ms: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Lease>> {
    let mut leases = Vec::new();
    let mut flawed = Vec::new();
    let mut select = db.prepare_cached(
        "SELECT o.seq, o.id, p.name, o.kind, o.name, o.lane, o.body, o.attempts, o.created_ms,
         o.status = 'leased', o.started_ms, o.unsettled_ms
         FROM outbox o LEFT JOIN products p ON p.id = o.product
         WHERE o.due_ms <= ?1 ORDER BY o.due_ms, o.seq LIMIT ?2",
    )?;
    let mut due = select.query(params![signed(now_ms), rows(limit)])?;
    while let Some(row) = due.next()? {
        let seq: i64 = row.get(0)?;
        match read_lease(row) {
            Ok(lease) => leases.push((seq, lease)),
            Err(error) => flawed.push((seq, flaw(&error).ok_or(error)?)),
        }
    }
    for (seq, reason) in flawed {
        quarantine::delivery(db, seq, &reason, now_ms)?;
    }
    let mut take = db.prepare_cached(
        "UPDATE outbox SET status = 'leased', due_ms = ?2, started_ms = ?3, attempts = ?4,
         unsettled_ms = ?5 WHERE seq = ?1",
    )?;
    for (seq, lease) in &leases {
        take.execute(params![
            seq,
            signed(until_ms),
            signed(now_ms),
            lease.attempt - 1,
            lease.unsettled_since_ms.map(signed)
        ])?;
    }
    Ok(leases.into_iter().map(|(_, lease)| lease).collect())
}

/// Puts a leased delivery back. What is not leased stays as it is.
pub(super) fn retry(db: &Connection, retry: &Retry) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE outbox SET status = 'waiting', due_ms = ?2, started_ms = NULL, unsettled_ms = ?3,
         error = ?4, attempts = attempts + ?5 WHERE id = ?1 AND status = 'leased'",
    )?
    .execute(params![
        retry.id.as_str(),
        signed(retry.not_before_ms),
        retry.unsettled_since_ms.map(signed),
        &*retry.error,
        retry.counts
    ])?;
    Ok(())
}

/// Adapts all work to a clock that was set back.
pub(super) fn rewind(
    db: &Connection,
    now_ms: u64,
    by_ms: u64,
    wait_ms_max: u64,
) -> rusqlite::Result<()> {
    let latest_ms = signed(now_ms.saturating_add(wait_ms_max));
    db.prepare_cached(
        "UPDATE outbox SET due_ms = max(?1, min(due_ms - ?2, ?3))
         WHERE due_ms > ?1 AND (?2 > 0 OR due_ms > ?3)",
    )?
    .execute(params![signed(now_ms), signed(by_ms), latest_ms])?;
    db.prepare_cached(
        "UPDATE outbox SET started_ms = min(started_ms, ?1), unsettled_ms = min(unsettled_ms, ?1)
         WHERE finished_ms IS NULL AND (started_ms > ?1 OR unsettled_ms > ?1)",
    )?
    .execute([signed(now_ms)])?;
    Ok(())
}

/// The earliest time at which something may be leased: work that waits, or a lease's end.
pub(super) fn next_ms(db: &Connection) -> rusqlite::Result<Option<u64>> {
    db.prepare_cached("SELECT max(0, min(due_ms)) FROM outbox WHERE due_ms IS NOT NULL")?
        .query_row([], |row| unsigned_if_any(row, 0))
}

/// Which of `parts` a delivery of the lane has recorded, in the order asked.
pub(super) fn recorded_parts(
    db: &Connection,
    lane: &str,
    parts: &[PartId],
) -> rusqlite::Result<Vec<PartId>> {
    let mut exists = db.prepare_cached("SELECT 1 FROM outbox WHERE lane = ?1 AND part = ?2")?;
    let mut recorded = Vec::new();
    for part in parts {
        if exists.exists(params![lane, part.as_str()])? {
            recorded.push(part.clone());
        }
    }
    Ok(recorded)
}

fn read_lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    let id: String = row.get(1)?;
    let expired: bool = row.get(9)?;
    let attempts: u32 = row.get(7)?;
    let started_ms = unsigned_if_any(row, 10)?;
    let unsettled_ms = unsigned_if_any(row, 11)?;
    Ok(Lease {
        id: id.into(),
        key: keys::read_key(row, 2)?,
        lane: row.get(5)?,
        body: row.get(6)?,
        // An attempt that ran out without a word has been an attempt.
        attempt: attempts.saturating_add(1 + u32::from(expired)),
        created_ms: unsigned(row, 8)?,
        unsettled_since_ms: if expired {
            unsettled_ms.into_iter().chain(started_ms).min()
        } else {
            unsettled_ms
        },
    })
}
