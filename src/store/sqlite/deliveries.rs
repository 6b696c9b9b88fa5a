//! What operators ask: which deliveries there are, and to send one again.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{flaw, senseless, signed, unsigned, unsigned_if_any};
use super::{attempts, keys, outbox};
use crate::domain::id::{DeliveryId, PartId};
use crate::store::{
    DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus, LISTED_MAX,
};

const COLUMNS: &str = "SELECT o.seq, o.id, p.name, o.kind, o.name, o.lane, o.status, o.calls,
    o.created_ms, o.due_ms, o.finished_ms, o.part, o.error, o.http_status, o.replay_of, o.body
    FROM outbox o";
const PRODUCTS: &str = "LEFT JOIN products p ON p.id = o.product";

/// A page of deliveries. What cannot be read is passed by; leasing sets it aside.
pub(super) fn list(db: &Connection, query: &DeliveryQuery) -> rusqlite::Result<DeliveryPage> {
    // Dead letters are few among many, and what is looked for most.
    let from = match query.status {
        Some(DeliveryStatus::Dead) => "INDEXED BY outbox_dead",
        _ => "",
    };
    let only = match query.status {
        Some(DeliveryStatus::Dead) => "o.status = 'dead' AND",
        _ => "",
    };
    let mut select = db.prepare_cached(&format!(
        "{COLUMNS} {from} {PRODUCTS} WHERE {only} o.seq < ?1 ORDER BY o.seq DESC"
    ))?;
    let after = query.after.map_or(i64::MAX, signed);
    let mut rows = select.query([after])?;
    let mut page = DeliveryPage::default();
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let seq = unsigned(row, 0)?;
        if let Some(mut record) = readable(read(row))?
            && query.admits(&record)
            && let Some(body) = readable(row.get(15))?
        {
            record.body = body;
            page.deliveries.push(record);
        }
        looked_at += 1;
        if page.deliveries.len() >= query.limit || looked_at >= LISTED_MAX {
            page.next = Some(seq);
            break;
        }
    }
    Ok(page)
}

/// One delivery and its calls.
pub(super) fn show(db: &Connection, id: &DeliveryId) -> rusqlite::Result<Option<DeliveryHistory>> {
    let found = db
        .prepare_cached(&format!("{COLUMNS} {PRODUCTS} WHERE o.id = ?1"))?
        .query_row([id.as_str()], |row| {
            let mut record = read(row)?;
            record.body = row.get(15)?;
            Ok((row.get::<_, i64>(0)?, record))
        })
        .optional();
    let Some((seq, delivery)) = readable(found)?.flatten() else {
        return Ok(None);
    };
    let attempts = attempts::of(db, seq)?;
    Ok(Some(DeliveryHistory { delivery, attempts }))
}

/// Has a delivery sent again; answers which one that will be.
pub(super) fn replay(
    db: &Connection,
    id: &DeliveryId,
    copy: &DeliveryId,
    now_ms: u64,
) -> rusqlite::Result<Option<DeliveryId>> {
    let found: Option<(i64, String, String)> = db
        .prepare_cached("SELECT seq, status, lane FROM outbox WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((seq, status, lane)) = found else {
        return Ok(None);
    };
    match DeliveryStatus::parse(&status) {
        Some(DeliveryStatus::Waiting) => outbox::hurry(db, &lane, now_ms)?,
        Some(DeliveryStatus::Dead) => outbox::revive(db, (seq, &lane), now_ms)?,
        Some(DeliveryStatus::Delivered | DeliveryStatus::Withdrawn) => {
            duplicate(db, (seq, &lane), copy, now_ms)?;
            return Ok(Some(copy.clone()));
        }
        Some(DeliveryStatus::Leased) | None => {}
    }
    Ok(Some(id.clone()))
}

fn duplicate(
    db: &Connection,
    (seq, lane): (i64, &str),
    copy: &DeliveryId,
    now_ms: u64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO outbox (id, product, kind, name, lane, status, created_ms, body, replay_of)
         SELECT ?2, product, kind, name, lane, 'waiting', ?3, body, id FROM outbox WHERE seq = ?1",
    )?
    .execute(params![seq, copy.as_str(), signed(now_ms)])?;
    outbox::go_on(db, (seq, lane), now_ms)
}

/// Everything but the body.
fn read(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let id: String = row.get(1)?;
    let status: String = row.get(6)?;
    let part: Option<String> = row.get(11)?;
    let replay_of: Option<String> = row.get(14)?;
    Ok(DeliveryRecord {
        id: id.into(),
        key: keys::read_key(row, 2)?,
        lane: row.get(5)?,
        status: DeliveryStatus::parse(&status)
            .ok_or_else(|| senseless(6, Type::Text, "no status has this name"))?,
        calls: row.get(7)?,
        created_ms: unsigned(row, 8)?,
        due_ms: unsigned_if_any(row, 9)?,
        finished_ms: unsigned_if_any(row, 10)?,
        part: part.map(PartId::from),
        error: row.get(12)?,
        http_status: row.get(13)?,
        replay_of: replay_of.map(DeliveryId::from),
        body: "".into(),
    })
}

/// What was read; `None` when the row is damaged.
fn readable<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if flaw(&error).is_some() => Ok(None),
        Err(error) => Err(error),
    }
}
