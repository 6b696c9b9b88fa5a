//! The embedded store: one file, one process.
//!
//! The cast: one **writer** thread owns the only connection that writes and takes whatever waits
//! into one transaction, so that a single sync makes many commits durable; **readers** answer from
//! connections of their own; the **checkpointer** moves the write-ahead log into the database
//! while the writer goes on; the **ledger** is what the writer remembers between commits; its
//! **health** is whether commits succeed.
//!
//! Guarantees beyond those of [`super::Store`]:
//!
//! * A commit that fails inside a group fails alone: the group is rolled back and every job of it
//!   is repeated in a transaction of its own.
//! * The file is bounded by [`Options::bytes_max`] and the write-ahead log by four times
//!   [`Options::checkpoint_pages`]; a full store answers [`super::Error::Full`] and recovers as
//!   soon as ageing has freed pages.
//! * A failed sync is believed. The system counts the pages that it could not write as clean, so a
//!   later sync succeeds without them, and after a loss of power whatever was appended behind them
//!   would be gone. So the group whose write or sync failed is answered [`super::Outcome::Unknown`],
//!   and nothing is appended before everything committed has been moved into the database, which has
//!   its own sync, and the log has started over from nothing. Until then writes are refused and reads
//!   go on. Every start begins the same way, because the process before may have been killed in that
//!   state. A sync of the database that failed needs no more than SQLite's own rule: pages leave the
//!   log only after a sync that succeeded, and are written again until then.
//! * While commits fail, [`super::Store::ready`] says why and every group first tries whether they
//!   succeed again; the beginning and the end are logged, not what happens in between.
//! * Commits do not vanish on opening: a log whose damage came after its writing, or that lies beside
//!   an empty database, is refused and left alone. What SQLite's checksums cannot tell from a
//!   transaction that was never finished, the last one, is dropped as it does.
//! * A second process, or a second handle in this process, is refused. So is a schema from a newer
//!   program. An older schema is upgraded when the file is opened; [`upkeep`] does the rest.
//! * What is removed is overwritten (`secure_delete`), and the write-ahead log is emptied at the end of
//!   an erasure and whenever the file is opened.
//! * Files are readable by their owner only, for they hold personal data.
//! * No thread but those started through the caller's function, and no look at a clock.
//!
//! Parked inputs age like finished deliveries. Rows set aside stay until an operator removes them.
//!
//! Deliberately absent: a share of the file for a second process (use the Redis store), and
//! shrinking it: freed pages are used again.

mod age;
mod attempts;
mod backend;
mod chain;
mod checkpoint;
mod commit;
mod deliveries;
mod erase;
mod examine;
mod health;
mod index;
mod keys;
mod lease;
mod ledger;
mod log;
mod open;
mod options;
mod outbox;
mod quarantine;
mod reader;
mod row;
mod schema;
mod settled;
pub mod upkeep;
mod writer;

pub use backend::{Sqlite, Work};
pub use options::{Options, Synchronous};
pub use schema::{Plan, STEPS, SchemaError, Step};
