//! Keeps the write-ahead log short without making commits wait for it.
//!
//! Moving pages into the database takes long, so a second connection does it beside the writer.
//! Under constant load that alone never catches up, because only a moment without new pages lets
//! the log start over: beyond [`LAG_MAX`] times the usual amount the writer takes that moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::ledger::Ledger;
use super::open::PATIENCE;
use super::row::failure;
use crate::store::Error;

/// How many times the usual amount of pages may gather before the writer itself steps in.
const LAG_MAX: u64 = 4;

/// How many times the writer looks at the log while the usual amount gathers that is being moved.
const LOOKS: u64 = 16;

/// How long the writer waits for readers when it checkpoints: all commits wait with it.
const WRITER_PATIENCE: Duration = Duration::from_millis(20);

/// Watches the length of the log from the writer's side.
pub(super) struct Gauge {
    nudge: SyncSender<()>,
    turn: Turn,
    pages: u64,
    patience: u64,
    /// Pages in the log, as the newest transaction left it.
    length: Arc<AtomicU64>,
    /// The length at the last look, and the one at which the next is worth what it costs.
    seen: u64,
    next: u64,
}

/// Held by whoever checkpoints: the database refuses a second one instead of letting it wait.
type Turn = Arc<Mutex<()>>;

/// What wakes the thread that checkpoints.
pub(super) struct Nudges {
    nudges: Receiver<()>,
    turn: Turn,
}

/// A gauge that nudges whenever the writer's transactions have gathered `pages`.
pub(super) fn gauge(writer: &mut Connection, pages: u32) -> rusqlite::Result<(Gauge, Nudges)> {
    let (nudge, nudges) = sync_channel(1);
    let turn = Turn::default();
    let pages = u64::from(pages.max(1));
    let length = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&length);
    writer.wal_hook(Some(move |_: &mut Wal, pages| {
        told.store(u64::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }))?;
    let gauge = Gauge {
        nudge,
        turn: Arc::clone(&turn),
        pages,
        patience: pages * LAG_MAX,
        length,
        seen: 0,
        next: 0,
    };
    Ok((gauge, Nudges { nudges, turn }))
}

impl Gauge {
    /// Looks at the log after a transaction and has it shortened where needed.
    pub(super) fn look(&mut self, ledger: &mut Ledger) {
        let length = self.length.load(Ordering::Relaxed);
        let has_restarted = length < std::mem::replace(&mut self.seen, length);
        if length < self.next && !has_restarted {
            return;
        }
        let Ok(log) = checkpoint(&ledger.db, "NOOP") else {
            return;
        };
        let is_moving = log.pages.saturating_sub(log.moved) >= self.pages;
        self.next = if is_moving {
            log.pages + self.pages / LOOKS
        } else {
            log.moved + self.pages
        };
        if log.pages >= self.patience {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.patience = match impatiently(&ledger.db, "RESTART") {
                Ok(after) if !after.hindered => self.pages * LAG_MAX,
                // A reader in the middle of its work prevented it, and a backup reads for long: try again
                // when the log has doubled.
                Ok(_) => log.pages.saturating_mul(2),
                Err(error) => {
                    // The database cannot take what the log holds, so the log must not grow.
                    ledger.health.troubled(failure(&error));
                    ledger.health.doubt();
                    self.pages * LAG_MAX
                }
            };
        } else if is_moving {
            // One waiting nudge is enough; and without its thread the writer steps in above.
            let _ = self.nudge.try_send(());
        }
    }

    /// Moves everything that was committed into the database and empties the log, so that nothing is
    /// appended behind pages that a failed sync may have lost. If it cannot be done the log stays
    /// suspect.
    pub(super) fn start_over(&mut self, ledger: &mut Ledger) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match checkpoint(&ledger.db, "TRUNCATE") {
            Ok(after) if !after.hindered => {
                self.patience = self.pages * LAG_MAX;
                ledger.health.started_over();
            }
            Ok(_) => {
                let reason = "its write-ahead log cannot start over while somebody reads it";
                ledger.health.troubled(Error::Unavailable(reason.into()));
            }
            Err(error) => ledger.health.troubled(failure(&error)),
        }
    }

    /// Empties the log and its file; `false` when somebody's reading prevents it.
    pub(super) fn empty(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        impatiently(db, "TRUNCATE").map(|log| !log.hindered)
    }
}

/// Moves pages whenever nudged, until the writer is gone.
pub(super) fn run(db: &Connection, nudges: &Nudges) {
    let mut fails = false;
    while nudges.nudges.recv().is_ok() {
        let _turn = nudges.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = checkpoint(db, "PASSIVE");
        // Said once per change: while it fails the writer asks again and again.
        match &moved {
            Err(error) if !fails => {
                tracing::warn!(%error, "the write-ahead log cannot be moved into the database");
            }
            Ok(_) if fails => {
                tracing::info!("the write-ahead log is moved into the database again");
            }
            _ => {}
        }
        fails = moved.is_err();
    }
}

/// Empties the log and its file; for the first and the last moment of a database.
pub(super) fn truncate(db: &Connection) {
    if let Err(error) = checkpoint(db, "TRUNCATE") {
        tracing::warn!(%error, "the write-ahead log could not be emptied");
    }
}

/// The log as a checkpoint left it.
struct Log {
    /// Whether someone else's work prevented the checkpoint from doing all it should.
    hindered: bool,
    /// Pages in the log.
    pages: u64,
    /// How many of them are in the database already.
    moved: u64,
}

/// A checkpoint by the writer, which waits for readers only as long as every commit may.
fn impatiently(db: &Connection, mode: &str) -> rusqlite::Result<Log> {
    db.busy_timeout(WRITER_PATIENCE)?;
    let log = checkpoint(db, mode);
    db.busy_timeout(PATIENCE)?;
    log
}

fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<Log> {
    db.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            let count = |column| {
                row.get(column)
                    .map(|n: i64| u64::try_from(n).unwrap_or_default())
            };
            Ok(Log {
                hindered: count(0)? != 0,
                pages: count(1)?,
                moved: count(2)?,
            })
        })
}
