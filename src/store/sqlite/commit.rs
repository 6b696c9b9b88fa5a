//! One commit: check first, then write.

use rusqlite::Connection;

use super::ledger::Ledger;
use super::{index, keys, log, outbox, settled};
use crate::store::{Commit, Guard, Outcome};

/// Writes a commit inside the running transaction, or finds that it must not be written; then
/// nothing has been changed, so others in the same transaction are not harmed.
pub(super) fn apply(ledger: &mut Ledger, commit: &Commit) -> rusqlite::Result<Outcome> {
    if let Some(flaw) = commit.flaw() {
        return Ok(Outcome::NotWritten(flaw));
    }
    let Some(new) = &commit.state else {
        if !guards_hold(ledger, commit)? {
            return Ok(Outcome::Conflict(None));
        }
        let product = ledger.product(&commit.product)?;
        write_rows(&ledger.db, product, commit)?;
        return Ok(Outcome::Committed);
    };

    let held = match ledger.product_if_known(&commit.product)? {
        Some(product) => keys::find(ledger, product, &new.key)?,
        None => None,
    };
    let version = held.as_ref().map_or(0, |held| held.version);
    if !new.follows(version) || !guards_hold(ledger, commit)? {
        let newest = match held {
            Some(held) => keys::newest(&ledger.db, held.id)?,
            None => None,
        };
        return Ok(Outcome::Conflict(newest));
    }

    let product = ledger.product(&commit.product)?;
    let first = ledger.next_entry()?;
    let newest = log::newest_after(first, held.as_ref(), commit);
    let key = keys::write(&ledger.db, product, held.as_ref(), newest, commit, new)?;
    if let Some(settled) = &new.settled {
        settled::write(&ledger.db, key, settled)?;
    }
    log::append(ledger, product, key, held.as_ref(), first, commit)?;
    for delivery in &commit.effects.deliveries {
        outbox::insert(&ledger.db, product, &new.key, delivery, commit.now_ms)?;
    }
    write_rows(&ledger.db, product, commit)?;
    Ok(Outcome::Committed)
}

/// What needs no state: changes of the outbox and of the index. Deliveries of the same commit are
/// in the outbox by now, for one run of a state machine may ask for a delivery and withdraw it.
fn write_rows(db: &Connection, product: i64, commit: &Commit) -> rusqlite::Result<()> {
    outbox::change(db, &commit.effects.outbox, commit.now_ms)?;
    for write in &commit.effects.index {
        index::write(db, product, write)?;
    }
    Ok(())
}

fn guards_hold(ledger: &mut Ledger, commit: &Commit) -> rusqlite::Result<bool> {
    for guard in &commit.guards {
        let holds = match guard {
            Guard::Index { key, value } => {
                let found = match ledger.product_if_known(&commit.product)? {
                    Some(product) => index::read(&ledger.db, product, key, commit.now_ms)?,
                    None => None,
                };
                found == *value
            }
            Guard::NoState { key } => match ledger.product_if_known(&key.product)? {
                Some(product) => {
                    keys::find(ledger, product, key)?.is_none_or(|held| held.version == 0)
                }
                None => true,
            },
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}
