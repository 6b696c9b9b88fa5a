//! Rows about a person: found by readers, page by page, and removed by the writer.

use rusqlite::{Connection, Row as SqlRow, params};

use super::ledger::Ledger;
use super::row::{limit, signed, text};
use super::{chain, keys, outbox};
use crate::domain::id::{Key, Kind, ProductId};
use crate::store::erasure::{Place, Row, Rows, Subject, Table, Trace};

/// How many rows one page looks at, and so the most that one transaction removes.
const PAGE: usize = 1_000;

/// How a table is read: the columns are its number, the tenant and up to four texts.
const fn select(table: Table) -> (&'static str, &'static str) {
    match table {
        Table::States => (
            "SELECT t.id, p.name, t.kind, t.name, t.state, NULL FROM keys t
             LEFT JOIN products p ON p.id = t.product WHERE t.state IS NOT NULL AND",
            "t.id",
        ),
        Table::Log => (
            "SELECT t.id, p.name, k.kind, k.name, t.user_id, t.body FROM log t
             LEFT JOIN products p ON p.id = t.product LEFT JOIN keys k ON k.id = t.key WHERE",
            "t.id",
        ),
        Table::Index => (
            "SELECT t.number, p.name, t.space, t.id, t.value, NULL FROM index_rows t
             LEFT JOIN products p ON p.id = t.product WHERE",
            "t.number",
        ),
        Table::Outbox => (
            "SELECT t.seq, p.name, t.kind, t.name, t.body, NULL FROM outbox t
             LEFT JOIN products p ON p.id = t.product WHERE",
            "t.seq",
        ),
        Table::Parked => (
            "SELECT t.id, NULL, t.key, t.input, NULL, NULL FROM parked t WHERE",
            "t.id",
        ),
        Table::Quarantine => (
            "SELECT t.id, NULL, t.address, t.content, NULL, NULL FROM quarantine t WHERE",
            "t.id",
        ),
    }
}

/// Looks through one page.
pub(super) fn trace(
    db: &Connection,
    subject: &dyn Subject,
    from: Place,
) -> rusqlite::Result<Trace> {
    let (select, number) = select(from.table);
    let sql = format!("{select} {number} > ?1 ORDER BY {number} LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let after = u64::try_from(from.after).unwrap_or(u64::MAX);
    let mut rows = statement.query(params![signed(after), limit(PAGE)])?;
    let mut trace = Trace {
        place: from,
        ..Trace::default()
    };
    let (mut looked_at, mut last) = (0, after);
    let mut numbers = Vec::new();
    while let Some(row) = rows.next()? {
        looked_at += 1;
        last = row.get::<_, i64>(0)?.unsigned_abs();
        if is_about(subject, from.table, row)? {
            numbers.push(last);
            note(&mut trace, subject.product(), from.table, row)?;
        }
    }
    trace.rows = Rows::Numbered(numbers);
    trace.next = if looked_at == PAGE {
        Some(Place {
            after: last.into(),
            ..from
        })
    } else {
        Place::after_table(from.table)
    };
    Ok(trace)
}

/// Removes what is still about the person; answers how many rows.
pub(super) fn erase(
    ledger: &mut Ledger,
    subject: &dyn Subject,
    trace: &Trace,
    now_ms: u64,
) -> rusqlite::Result<u64> {
    let table = trace.place.table;
    let (select, number) = select(table);
    let sql = format!("{select} {number} = ?1");
    let mut still = Vec::new();
    let Rows::Numbered(numbers) = &trace.rows else {
        return Ok(0);
    };
    for number in numbers {
        let number = signed(*number);
        let is_still = {
            let mut statement = ledger.db.prepare_cached(&sql)?;
            let mut rows = statement.query([number])?;
            match rows.next()? {
                Some(row) => is_about(subject, table, row)?,
                None => false,
            }
        };
        if is_still {
            still.push(number);
        }
    }
    remove(ledger, table, &still, now_ms)?;
    Ok(still.len() as u64)
}

fn remove(ledger: &mut Ledger, table: Table, numbers: &[i64], now_ms: u64) -> rusqlite::Result<()> {
    let db = &ledger.db;
    let mut each = numbers.iter();
    match table {
        Table::Log => chain::remove(ledger, numbers),
        Table::States => each.try_for_each(|number| keys::forget(db, *number)),
        Table::Outbox => each.try_for_each(|number| outbox::remove(db, *number, now_ms)),
        Table::Index => delete(db, "DELETE FROM index_rows WHERE number = ?1", numbers),
        Table::Parked => delete(db, "DELETE FROM parked WHERE id = ?1", numbers),
        Table::Quarantine => delete(db, "DELETE FROM quarantine WHERE id = ?1", numbers),
    }
}

fn delete(db: &Connection, sql: &str, numbers: &[i64]) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached(sql)?;
    for number in numbers {
        delete.execute([number])?;
    }
    Ok(())
}

fn is_about(subject: &dyn Subject, table: Table, row: &SqlRow<'_>) -> rusqlite::Result<bool> {
    let is_aside = matches!(table, Table::Parked | Table::Quarantine);
    if !is_aside && text(row, 1)? != subject.product().as_str() {
        return Ok(false);
    }
    let (first, second) = (text(row, 2)?, text(row, 3)?);
    let (third, fourth) = (text(row, 4)?, text(row, 5)?);
    let row = match table {
        Table::States => Row::State {
            kind: &first,
            id: &second,
            state: &third,
        },
        Table::Log => Row::Entry {
            kind: &first,
            id: &second,
            user_id: &third,
            body: &fourth,
        },
        Table::Index => Row::Fact {
            space: &first,
            id: &second,
            value: &third,
        },
        Table::Outbox => Row::Delivery {
            kind: &first,
            id: &second,
            body: &third,
        },
        Table::Parked | Table::Quarantine => Row::Aside {
            address: &first,
            content: &second,
        },
    };
    Ok(subject.is_about(&row))
}

/// Tells whoever asked whose row it is, or what it says.
fn note(
    trace: &mut Trace,
    product: &ProductId,
    table: Table,
    row: &SqlRow<'_>,
) -> rusqlite::Result<()> {
    match table {
        Table::States | Table::Log => {
            if let Some(kind) = Kind::parse(&text(row, 2)?) {
                trace.keys.push(Key {
                    product: product.clone(),
                    kind,
                    id: text(row, 3)?.into(),
                });
            }
        }
        Table::Index => trace.values.push(text(row, 4)?.into()),
        Table::Outbox | Table::Parked | Table::Quarantine => {}
    }
    Ok(())
}
