//! The embedded store: one file, one process.
//!
//! The cast: one **writer** thread owns the only connection that writes and takes whatever waits
//! into one transaction, so that a single sync makes many commits durable; **readers** answer from
//! connections of their own; the **checkpointer** moves the write-ahead log into the database
//! while the writer goes on; the **ledger** is what the writer remembers between commits.
//!
//! Guarantees beyond those of [`super::Store`]:
//!
//! * A commit that fails inside a group fails alone: the group is rolled back and every job of it
//!   is repeated in a transaction of its own.
//! * The file is bounded by [`Options::bytes_max`] and the write-ahead log by sixteen times
//!   [`Options::checkpoint_pages`]; a full store answers [`super::Error::Full`] and recovers as
//!   soon as ageing has freed pages.
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
mod backend;
mod checkpoint;
mod commit;
mod erase;
mod index;
mod keys;
mod ledger;
mod log;
mod open;
mod options;
mod outbox;
mod quarantine;
mod reader;
mod row;
mod schema;
pub mod upkeep;
mod writer;

pub use backend::{Sqlite, Work};
pub use options::{Options, Synchronous};
pub use schema::{Plan, STEPS, SchemaError, Step};
