//! Removes what is past its time, a bounded amount per call.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};

use super::keys;
use super::ledger::Ledger;
use super::row::{limit, signed, unsigned};
use crate::store::{Aged, Depth, Retention};

/// How many rows one call removes from each table, and how many it passes by.
const CHUNK: usize = 1_000;

/// One round over all tables.
pub(super) fn age(ledger: &mut Ledger, now_ms: u64, keep: Retention) -> rusqlite::Result<Aged> {
    let mut aged = Aged::default();
    log(ledger, now_ms, keep, &mut aged)?;
    states(ledger, now_ms, keep, &mut aged)?;
    index(ledger, now_ms, &mut aged)?;
    outbox(ledger, now_ms, keep, &mut aged)?;
    Ok(aged)
}

/// An entry as far as ageing needs to know it.
struct Old {
    id: i64,
    product: i64,
    offset: (i64, i64),
    key: i64,
    bytes: i64,
}

/// Walks the log from its oldest entry. Entries whose time is not over are passed by, for a clock
/// that ran ahead once must not keep everything behind them; as offsets grow, what is removed is
/// always the oldest part of each tenant's log.
fn log(ledger: &mut Ledger, now_ms: u64, keep: Retention, aged: &mut Aged) -> rusqlite::Result<()> {
    let before_ms = signed(now_ms.saturating_sub(keep.log_ms));
    let bytes_max = signed(keep.log_bytes_max);
    let mut bytes = ledger.log_bytes()?;
    let mut old = Vec::new();
    let mut passed_by = 0;
    {
        let mut select = ledger.db.prepare_cached(
            "SELECT id, product, ms, n, key, octet_length(body) FROM log ORDER BY id",
        )?;
        let mut entries = select.query([])?;
        while let Some(row) = entries.next()? {
            let entry = read_old(row)?;
            if entry.offset.0 < before_ms || bytes > bytes_max {
                bytes -= entry.bytes;
                old.push(entry);
            } else {
                passed_by += 1;
            }
            if old.len() == CHUNK {
                aged.more = true;
                break;
            }
            if passed_by == CHUNK {
                break;
            }
        }
    }
    aged.entries = u64::try_from(old.len()).unwrap_or(u64::MAX);
    remove_entries(ledger, &old)
}

fn remove_entries(ledger: &mut Ledger, old: &[Old]) -> rusqlite::Result<()> {
    let mut trimmed = BTreeMap::new();
    let mut touched = BTreeSet::new();
    let mut bytes = 0;
    let mut delete = ledger.db.prepare_cached("DELETE FROM log WHERE id = ?1")?;
    for entry in old {
        delete.execute([entry.id])?;
        trimmed.insert(entry.product, entry.offset);
        touched.insert(entry.key);
        bytes += entry.bytes;
    }
    drop(delete);
    for (product, (ms, n)) in trimmed {
        ledger
            .db
            .prepare_cached("UPDATE products SET trimmed_ms = ?2, trimmed_n = ?3 WHERE id = ?1")?
            .execute(params![product, ms, n])?;
    }
    for key in touched {
        keys::drop_if_bare(&ledger.db, key)?;
    }
    ledger.count_log_bytes(-bytes);
    Ok(())
}

fn read_old(row: &Row<'_>) -> rusqlite::Result<Old> {
    Ok(Old {
        id: row.get(0)?,
        product: row.get(1)?,
        offset: (row.get(2)?, row.get(3)?),
        key: row.get(4)?,
        bytes: row.get(5)?,
    })
}

fn states(ledger: &Ledger, now_ms: u64, keep: Retention, aged: &mut Aged) -> rusqlite::Result<()> {
    let before_ms = signed(now_ms.saturating_sub(keep.state_ms));
    let idle: Vec<i64> = ledger
        .db
        .prepare_cached(
            "SELECT id FROM keys WHERE written_h <= ?1 AND written_ms < ?2 AND due_ms IS NULL
             ORDER BY written_h LIMIT ?3",
        )?
        .query_map(
            params![keys::hour(before_ms), before_ms, limit(CHUNK)],
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    for id in &idle {
        keys::forget(&ledger.db, *id)?;
    }
    count(idle.len(), &mut aged.states, &mut aged.more);
    Ok(())
}

fn index(ledger: &Ledger, now_ms: u64, aged: &mut Aged) -> rusqlite::Result<()> {
    let pending: Vec<bool> = ledger
        .db
        .prepare_cached(
            "DELETE FROM index_rows WHERE number IN
             (SELECT number FROM index_rows WHERE expires_ms < ?1 ORDER BY expires_ms LIMIT ?2)
             RETURNING space IN ('pending_session', 'pending_user', 'pending_email')",
        )?
        .query_map(params![signed(now_ms), limit(CHUNK)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let links = pending.iter().filter(|pending| **pending).count();
    aged.pending_links += u64::try_from(links).unwrap_or(u64::MAX);
    aged.more |= pending.len() == CHUNK;
    Ok(())
}

/// Finished deliveries, and with them the inputs that were parked.
fn outbox(ledger: &Ledger, now_ms: u64, keep: Retention, aged: &mut Aged) -> rusqlite::Result<()> {
    let before_ms = signed(now_ms.saturating_sub(keep.outbox_ms));
    let finished = ledger
        .db
        .prepare_cached(
            "DELETE FROM outbox WHERE seq IN
             (SELECT seq FROM outbox WHERE finished_ms < ?1 ORDER BY finished_ms LIMIT ?2)",
        )?
        .execute(params![before_ms, limit(CHUNK)])?;
    count(finished, &mut aged.deliveries, &mut aged.more);
    let parked = ledger
        .db
        .prepare_cached(
            "DELETE FROM parked WHERE id IN
             (SELECT id FROM parked WHERE ms < ?1 ORDER BY ms LIMIT ?2)",
        )?
        .execute(params![before_ms, limit(CHUNK)])?;
    aged.more |= parked == CHUNK;
    Ok(())
}

fn count(removed: usize, into: &mut u64, more: &mut bool) {
    *into += u64::try_from(removed).unwrap_or(u64::MAX);
    *more |= removed == CHUNK;
}

/// Sizes for metrics.
pub(super) fn depth(db: &Connection) -> rusqlite::Result<Depth> {
    db.prepare_cached(
        "SELECT (SELECT count(*) FROM outbox WHERE finished_ms IS NULL),
         (SELECT count(*) FROM outbox WHERE status = 'dead'),
         (SELECT value FROM sums WHERE name = 'log_bytes'),
         (SELECT count(*) FROM quarantine),
         (SELECT coalesce(max(last_ms), 0) FROM products)",
    )?
    .query_row([], |row| {
        Ok(Depth {
            outbox: unsigned(row, 0)?,
            dead_letters: unsigned(row, 1)?,
            log_bytes: unsigned(row, 2)?,
            quarantined: unsigned(row, 3)?,
            newest_ms: unsigned(row, 4)?,
        })
    })
}
