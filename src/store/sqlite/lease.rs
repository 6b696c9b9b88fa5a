//! Whose turn it is: products with something due, one after the other.
//!
//! The index `outbox_turn` leads from one product to the next, so a product with a million deliveries
//! costs as much as one with a single one.

use std::collections::{HashMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ledger::Ledger;
use super::row::{flaw, signed, unsigned, unsigned_if_any};
use super::{attempts, keys, quarantine};
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::ProductId;
use crate::store::{Lease, LeaseRequest};

/// What came of one product's turn.
enum Turn {
    Leased(Lease),
    SetAside,
    Nothing,
}

/// How many more leases each product may have.
struct Room {
    product_max: usize,
    groups: Vec<usize>,
    group_of: HashMap<i64, usize>,
}

/// Leases what is due, in turns. Unreadable work is set aside and its lane goes on.
pub(super) fn lease(ledger: &mut Ledger, request: &LeaseRequest) -> rusqlite::Result<Vec<Lease>> {
    if !anything_is_due(&ledger.db, request.now_ms)? {
        return Ok(Vec::new());
    }
    let mut room = Room::new(ledger, request)?;
    let mut leases = Vec::new();
    let mut again = VecDeque::new();
    let mut round = Round::behind(ledger.served);
    // What is set aside takes a turn as well, so that one call does a bounded amount of work.
    for _ in 0..request.limit {
        let (product, turn) = loop {
            let Some(product) = round.next(&ledger.db)?.or_else(|| again.pop_front()) else {
                return Ok(leases);
            };
            if !room.has_place(product) {
                continue;
            }
            match take(&ledger.db, product, request)? {
                Turn::Nothing => {}
                turn => break (product, turn),
            }
        };
        again.push_back(product);
        ledger.served = product;
        if let Turn::Leased(lease) = turn {
            room.take_place(product);
            leases.push(lease);
        }
    }
    Ok(leases)
}

/// When the next waiting delivery of any product but those in `closed` may be leased.
pub(super) fn next_ms(db: &Connection, closed: &[ProductId]) -> rusqlite::Result<Option<u64>> {
    if closed.is_empty() {
        return db
            .prepare_cached("SELECT max(0, min(due_ms)) FROM outbox WHERE due_ms IS NOT NULL")?
            .query_row([], |row| unsigned_if_any(row, 0));
    }
    let mut number = db.prepare_cached("SELECT id FROM products WHERE name = ?1")?;
    let mut passed_by = Vec::new();
    for name in closed {
        let found: Option<i64> = number
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        passed_by.extend(found);
    }
    let mut earliest = db.prepare_cached(
        "SELECT max(0, min(due_ms)) FROM outbox WHERE product = ?1 AND due_ms IS NOT NULL",
    )?;
    let mut next = None;
    let mut round = Round::behind(i64::MIN);
    while let Some(product) = round.next(db)? {
        if !passed_by.contains(&product) {
            let due_ms = earliest.query_row([product], |row| unsigned_if_any(row, 0))?;
            next = next.into_iter().chain(due_ms).min();
        }
    }
    Ok(next)
}

/// Each product with something waiting once, beginning behind one of them.
struct Round {
    began: i64,
    at: i64,
    is_wrapped: bool,
}

impl Round {
    fn behind(product: i64) -> Self {
        Self {
            began: product,
            at: product,
            is_wrapped: false,
        }
    }

    fn next(&mut self, db: &Connection) -> rusqlite::Result<Option<i64>> {
        let mut select = db.prepare_cached(
            "SELECT product FROM outbox INDEXED BY outbox_turn
             WHERE due_ms IS NOT NULL AND product > ?1 ORDER BY product LIMIT 1",
        )?;
        let mut behind = |at: i64| select.query_row([at], |row| row.get(0)).optional();
        let mut found: Option<i64> = behind(self.at)?;
        if found.is_none() && !self.is_wrapped {
            self.is_wrapped = true;
            found = behind(i64::MIN)?;
        }
        let found = found.filter(|product| !self.is_wrapped || *product <= self.began);
        self.at = found.unwrap_or(i64::MAX);
        Ok(found)
    }
}

impl Room {
    fn new(ledger: &mut Ledger, request: &LeaseRequest) -> rusqlite::Result<Self> {
        let mut room = Self {
            product_max: request.product_max,
            groups: request.quotas.iter().map(|quota| quota.max).collect(),
            group_of: HashMap::new(),
        };
        for (group, quota) in request.quotas.iter().enumerate() {
            for name in &quota.products {
                if let Some(product) = ledger.product_if_known(name)? {
                    room.group_of.insert(product, group);
                }
            }
        }
        Ok(room)
    }

    fn places(&mut self, product: i64) -> Option<&mut usize> {
        let group = *self.group_of.entry(product).or_insert_with(|| {
            self.groups.push(self.product_max);
            self.groups.len() - 1
        });
        self.groups.get_mut(group)
    }

    fn has_place(&mut self, product: i64) -> bool {
        self.places(product).is_some_and(|places| *places > 0)
    }

    fn take_place(&mut self, product: i64) {
        if let Some(places) = self.places(product) {
            *places = places.saturating_sub(1);
        }
    }
}

fn anything_is_due(db: &Connection, now_ms: u64) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM outbox WHERE due_ms <= ?1")?
        .exists([signed(now_ms)])
}

/// Leases the product's longest due delivery.
fn take(db: &Connection, product: i64, request: &LeaseRequest) -> rusqlite::Result<Turn> {
    let mut select = db.prepare_cached(
        "SELECT o.seq, o.id, p.name, o.kind, o.name, o.lane, o.attempts, o.created_ms,
         o.status = 'leased', o.started_ms, o.unsettled_ms, o.fence,
         o.replay_of IS NOT NULL OR o.revived > 0, o.body
         FROM outbox o LEFT JOIN products p ON p.id = o.product
         WHERE o.product = ?1 AND o.due_ms <= ?2 ORDER BY o.due_ms, o.seq LIMIT 1",
    )?;
    let found = select
        .query_row(params![product, signed(request.now_ms)], |row| {
            let seq: i64 = row.get(0)?;
            Ok((seq, read(row)))
        })
        .optional()?;
    let (seq, lost_ms, lease) = match found {
        None => return Ok(Turn::Nothing),
        Some((seq, Ok((lost_ms, lease)))) => (seq, lost_ms, lease),
        Some((seq, Err(error))) => {
            let reason = flaw(&error).ok_or(error)?;
            quarantine::delivery(db, seq, &reason, request.now_ms)?;
            return Ok(Turn::SetAside);
        }
    };
    if let Some(started_ms) = lost_ms {
        attempts::append(db, seq, &AttemptRecord::lost(started_ms))?;
    }
    db.prepare_cached(
        "UPDATE outbox SET status = 'leased', due_ms = ?2, started_ms = ?3, attempts = ?4,
         unsettled_ms = ?5, fence = ?6 WHERE seq = ?1",
    )?
    .execute(params![
        seq,
        signed(request.until_ms),
        signed(request.now_ms),
        lease.attempt - 1,
        lease.unsettled_since_ms.map(signed),
        signed(lease.fence),
    ])?;
    Ok(Turn::Leased(lease))
}

/// A lease, and when the one before it began if that ran out without a word.
fn read(row: &Row<'_>) -> rusqlite::Result<(Option<u64>, Lease)> {
    let id: String = row.get(1)?;
    let attempts: u32 = row.get(6)?;
    let expired: bool = row.get(8)?;
    let lost_ms = unsigned_if_any(row, 9)?.filter(|_| expired);
    let unsettled_ms = unsigned_if_any(row, 10)?;
    let lease = Lease {
        id: id.into(),
        fence: unsigned(row, 11)?.saturating_add(1),
        key: keys::read_key(row, 2)?,
        lane: row.get(5)?,
        body: row.get(13)?,
        // An attempt that ran out without a word has been an attempt.
        attempt: attempts.saturating_add(1 + u32::from(expired)),
        created_ms: unsigned(row, 7)?,
        unsettled_since_ms: unsettled_ms.into_iter().chain(lost_ms).min(),
        replayed: row.get(12)?,
    };
    Ok((lost_ms, lease))
}
