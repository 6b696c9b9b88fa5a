//! Facts that span sessions.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::quarantine;
use super::row::{flaw, signed, text};
use crate::domain::id::ProductId;
use crate::domain::log::{IndexKey, IndexWrite, Space};
use crate::store::Listed;

/// Index rows as a reader found them.
pub(super) struct Rows {
    /// In the order asked.
    pub(super) values: Vec<Option<Arc<str>>>,
    /// Rows that cannot be read, under the tenant's number; they count as absent.
    pub(super) flawed: Vec<(i64, IndexKey)>,
}

/// Reads rows in the order asked; expired ones are absent.
pub(super) fn read_all(
    db: &Connection,
    product: &ProductId,
    keys: &[IndexKey],
    now_ms: u64,
) -> rusqlite::Result<Rows> {
    let mut rows = Rows {
        values: vec![None; keys.len()],
        flawed: Vec::new(),
    };
    let product: Option<i64> = db
        .prepare_cached("SELECT id FROM products WHERE name = ?1")?
        .query_row([product.as_str()], |row| row.get(0))
        .optional()?;
    let Some(product) = product else {
        return Ok(rows);
    };
    // One snapshot for all rows, so that the answer is a state that once was.
    let snapshot = db.unchecked_transaction()?;
    for (key, value) in keys.iter().zip(&mut rows.values) {
        match value_of(&snapshot, product, key, now_ms) {
            Ok(found) => *value = found,
            Err(error) => {
                flaw(&error).ok_or(error)?;
                rows.flawed.push((product, key.clone()));
            }
        }
    }
    snapshot.finish()?;
    Ok(rows)
}

/// Reads one row inside the writer's transaction. An unreadable one is set aside.
pub(super) fn read(
    db: &Connection,
    product: i64,
    key: &IndexKey,
    now_ms: u64,
) -> rusqlite::Result<Option<Arc<str>>> {
    match value_of(db, product, key, now_ms) {
        Err(error) => {
            let reason = flaw(&error).ok_or(error)?;
            quarantine::index_row(db, product, key, &reason)?;
            Ok(None)
        }
        found => found,
    }
}

/// Writes or removes one row.
pub(super) fn write(db: &Connection, product: i64, write: &IndexWrite) -> rusqlite::Result<()> {
    let (space, id) = (write.key.space.as_str(), &*write.key.id);
    if let Some(value) = &write.value {
        db.prepare_cached(
            "INSERT INTO index_rows (product, space, id, value, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms",
        )?
        .execute(params![
            product,
            space,
            id,
            &**value,
            signed(write.expires_ms)
        ])?;
    } else {
        db.prepare_cached("DELETE FROM index_rows WHERE product = ?1 AND space = ?2 AND id = ?3")?
            .execute(params![product, space, id])?;
    }
    Ok(())
}

fn value_of(
    db: &Connection,
    product: i64,
    key: &IndexKey,
    now_ms: u64,
) -> rusqlite::Result<Option<Arc<str>>> {
    db.prepare_cached(
        "SELECT value FROM index_rows
         WHERE product = ?1 AND space = ?2 AND id = ?3 AND expires_ms >= ?4",
    )?
    .query_row(
        params![product, key.space.as_str(), &*key.id, signed(now_ms)],
        |row| row.get(0),
    )
    .optional()
}

/// All rows of a space that is listed.
pub(super) fn listed(db: &Connection, space: Space) -> rusqlite::Result<Vec<Listed>> {
    if !space.is_listed() {
        return Ok(Vec::new());
    }
    let mut select = db.prepare_cached(
        "SELECT p.name, i.id, i.value FROM products p
         JOIN index_rows i ON i.product = p.id AND i.space = ?1 ORDER BY p.id, i.number",
    )?;
    let mut rows = select.query([space.as_str()])?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        listed.push(Listed {
            product: ProductId::from(&*text(row, 0)?),
            id: text(row, 1)?.into(),
            value: text(row, 2)?.into(),
        });
    }
    Ok(listed)
}
