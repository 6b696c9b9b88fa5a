//! Work on its way out, lane by lane.
//!
//! Only the oldest unfinished delivery of a lane carries a due time. Every change that finishes a
//! delivery hands the lane on to the next one.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::attempts;
use super::row::{signed, unsigned};
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::{DeliveryId, Key, PartId};
use crate::domain::log::{NewDelivery, OutboxChange};
use crate::store::Retry;

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

/// When the oldest open delivery was queued, by platform: it is in front of its lane, so that only fronts are read.
pub(super) fn oldest(db: &Connection) -> rusqlite::Result<Vec<(Arc<str>, u64)>> {
    db.prepare_cached(
        "SELECT substr(rest, 1, instr(rest, '/') - 1) AS platform, min(created_ms)
         FROM (SELECT substr(o.lane, length(p.name) + 2) AS rest, o.created_ms
               FROM outbox o JOIN products p ON p.id = o.product
               WHERE o.due_ms IS NOT NULL AND substr(o.lane, 1, length(p.name) + 1) = p.name || '/')
         WHERE instr(rest, '/') > 0 GROUP BY platform ORDER BY platform",
    )?
    .query_map([], |row| {
        let platform: String = row.get(0)?;
        Ok((platform.into(), unsigned(row, 1)?))
    })?
    .collect()
}

/// Changes work in the outbox, in order. What is finished stays as it is.
pub(super) fn change(
    db: &Connection,
    changes: &[OutboxChange],
    now_ms: u64,
) -> rusqlite::Result<()> {
    let mut rest = changes.iter().peekable();
    while let Some(change) = rest.next() {
        match change {
            OutboxChange::Attempted { id, attempt } => {
                let next = rest.peek().and_then(|next| End::of(next));
                match next.filter(|end| end.id == id) {
                    // The call that ended it, and then the end: one row, written once.
                    Some(end) => {
                        finish(db, &end, Some(attempt), now_ms)?;
                        rest.next();
                    }
                    None => attempted(db, id, attempt)?,
                }
            }
            OutboxChange::RetryNow { lane } => hurry(db, lane, now_ms)?,
            OutboxChange::Delivered { .. }
            | OutboxChange::Dead { .. }
            | OutboxChange::Withdrawn { .. } => {
                if let Some(end) = End::of(change) {
                    finish(db, &end, None, now_ms)?;
                }
            }
        }
    }
    Ok(())
}

/// How a delivery ends.
struct End<'a> {
    id: &'a DeliveryId,
    status: &'static str,
    part: Option<&'a PartId>,
    error: Option<&'a str>,
}

impl<'a> End<'a> {
    fn of(change: &'a OutboxChange) -> Option<Self> {
        let (id, status, part, error) = match change {
            OutboxChange::Delivered { id, part } => (id, "delivered", part.as_ref(), None),
            OutboxChange::Dead { id, reason } => (id, "dead", None, Some(&**reason)),
            OutboxChange::Withdrawn { id } => (id, "withdrawn", None, None),
            OutboxChange::Attempted { .. } | OutboxChange::RetryNow { .. } => return None,
        };
        Some(Self {
            id,
            status,
            part,
            error,
        })
    }
}

fn attempted(db: &Connection, id: &DeliveryId, attempt: &AttemptRecord) -> rusqlite::Result<()> {
    let open: Option<i64> = db
        .prepare_cached("SELECT seq FROM outbox WHERE id = ?1 AND finished_ms IS NULL")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    open.map_or(Ok(()), |seq| attempts::append(db, seq, attempt))
}

fn finish(
    db: &Connection,
    end: &End<'_>,
    attempt: Option<&AttemptRecord>,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let open: Option<(i64, bool, u32)> = db
        .prepare_cached(
            "SELECT seq, due_ms IS NOT NULL, calls FROM outbox
             WHERE id = ?1 AND finished_ms IS NULL",
        )?
        .query_row([end.id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((seq, was_due, calls)) = open else {
        return Ok(());
    };
    let number = calls + u32::from(attempt.is_some());
    db.prepare_cached(
        "UPDATE outbox SET status = ?2, part = ?3, error = coalesce(?4, error),
         finished_ms = ?5, due_ms = NULL, calls = ?6,
         http_status = iif(?6 = calls, http_status, ?7) WHERE seq = ?1",
    )?
    .execute(params![
        seq,
        end.status,
        end.part.map(PartId::as_str),
        end.error,
        signed(now_ms),
        number,
        attempt.and_then(|attempt| attempt.http_status),
    ])?;
    if let Some(attempt) = attempt {
        attempts::insert(db, seq, number, attempt)?;
    }
    if was_due {
        advance(db, seq, now_ms)?;
    }
    Ok(())
}

/// Makes the oldest unfinished delivery of the lane of `seq` due, where none is.
fn advance(db: &Connection, seq: i64, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE outbox SET due_ms = ?2 WHERE seq =
         (SELECT next.seq FROM outbox known JOIN outbox next ON next.lane = known.lane
          WHERE known.seq = ?1 AND next.finished_ms IS NULL ORDER BY next.seq LIMIT 1)",
    )?
    .execute(params![seq, signed(now_ms)])?;
    Ok(())
}

/// The same of a lane in which one may be.
pub(super) fn go_on(
    db: &Connection,
    (seq, lane): (i64, &str),
    now_ms: u64,
) -> rusqlite::Result<()> {
    match due(db, lane)? {
        None => advance(db, seq, now_ms),
        Some(_) => Ok(()),
    }
}

/// The delivery of the lane that carries its due time. It is nearly always the oldest that is not finished, which is
/// looked at first.
fn due(db: &Connection, lane: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT seq FROM outbox WHERE lane = ?1 AND finished_ms IS NULL AND due_ms IS NOT NULL
         ORDER BY seq LIMIT 1",
    )?
    .query_row([lane], |row| row.get(0))
    .optional()
}

/// Removes a delivery, whatever became of it, and lets its lane go on.
pub(super) fn remove(db: &Connection, seq: i64, now_ms: u64) -> rusqlite::Result<()> {
    let was_due: Option<bool> = db
        .prepare_cached("SELECT due_ms IS NOT NULL FROM outbox WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    if was_due == Some(true) {
        // Finished first, so that the lane goes on to the next one.
        db.prepare_cached("UPDATE outbox SET due_ms = NULL, finished_ms = ?2 WHERE seq = ?1")?
            .execute(params![seq, signed(now_ms)])?;
        advance(db, seq, now_ms)?;
    }
    db.prepare_cached("DELETE FROM outbox WHERE seq = ?1")?
        .execute([seq])?;
    Ok(())
}

/// Whatever waits in front of a lane for a later attempt is due now.
pub(super) fn hurry(db: &Connection, lane: &str, now_ms: u64) -> rusqlite::Result<()> {
    if let Some(seq) = due(db, lane)? {
        db.prepare_cached(
            "UPDATE outbox SET due_ms = ?2 WHERE seq = ?1 AND due_ms > ?2 AND status = 'waiting'",
        )?
        .execute(params![seq, signed(now_ms)])?;
    }
    Ok(())
}

/// Puts a finished delivery back into its old place in the lane. Whoever waits in front of the lane steps back;
/// whoever is under way there goes first.
pub(super) fn revive(
    db: &Connection,
    (seq, lane): (i64, &str),
    now_ms: u64,
) -> rusqlite::Result<()> {
    let mut step_back =
        db.prepare_cached("UPDATE outbox SET due_ms = NULL WHERE seq = ?1 AND status = 'waiting'")?;
    let is_under_way = match due(db, lane)? {
        None => false,
        Some(front) => step_back.execute([front])? == 0,
    };
    db.prepare_cached(
        "UPDATE outbox SET status = 'waiting', finished_ms = NULL, due_ms = NULL, attempts = 0,
         started_ms = NULL, revived = revived + 1 WHERE seq = ?1",
    )?
    .execute([seq])?;
    // Asking again whether one is due would look through the whole lane.
    if is_under_way {
        return Ok(());
    }
    advance(db, seq, now_ms)
}

/// Puts a leased delivery back, if `retry` comes from the newest lease.
pub(super) fn retry(db: &Connection, retry: &Retry) -> rusqlite::Result<()> {
    let held: Option<i64> = db
        .prepare_cached(
            "UPDATE outbox SET status = 'waiting', due_ms = ?3, started_ms = NULL,
             unsettled_ms = ?4, error = coalesce(?5, error), attempts = attempts + ?6
             WHERE id = ?1 AND status = 'leased' AND fence = ?2 RETURNING seq",
        )?
        .query_row(
            params![
                retry.id.as_str(),
                signed(retry.fence),
                signed(retry.not_before_ms),
                retry.unsettled_since_ms.map(signed),
                retry.error,
                retry.counts
            ],
            |row| row.get(0),
        )
        .optional()?;
    match (held, &retry.attempt) {
        (Some(seq), Some(attempt)) => attempts::append(db, seq, attempt),
        _ => Ok(()),
    }
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
