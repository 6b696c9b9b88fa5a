//! What is written in one step, and what becomes of it.

use std::sync::Arc;

use super::{Error, Stored};
use crate::domain::id::{Key, ProductId};
use crate::domain::log::{Effects, IndexKey};
use crate::domain::machine::Settled;

/// How many writers a snapshot remembers, each by its newest commit.
pub const WRITERS_MAX: usize = 32;

/// Whoever commits to a key, one commit after another: an instance, from its start to its end. Drawn at random.
pub type WriterId = [u8; 4];

/// Identifies one commit over all its repetitions, among the newest of its key: its writer, and four bytes drawn
/// at random. Whoever commits again asks no more about the commit before, so that of each writer one is remembered.
pub type CommitId = [u8; 8];

/// The id of another commit of a writer.
pub fn commit_id(writer: WriterId, drawn: [u8; 4]) -> CommitId {
    let [a, b, c, d] = writer;
    let [e, f, g, h] = drawn;
    [a, b, c, d, e, f, g, h]
}

/// What a snapshot remembers, oldest first, once a commit is written on what it has remembered.
pub(super) fn remember(known: &[CommitId], id: CommitId) -> Vec<CommitId> {
    let writer = |id: &CommitId| id.first_chunk::<{ size_of::<WriterId>() }>().copied();
    let others = known.iter().filter(|known| writer(known) != writer(&id));
    let mut ids: Vec<_> = others.copied().chain([id]).collect();
    ids.drain(..ids.len().saturating_sub(WRITERS_MAX));
    ids
}

/// The state part of a commit.
#[derive(Clone, Debug)]
pub struct StateWrite {
    /// Whose state.
    pub key: Key,
    /// The version it was computed from, 0 when there was none.
    pub base: u64,
    /// Whether the store has lost that version, together with whatever else it held (see [`super::Store::losses`]): then
    /// it is written where there is nothing by now, or something older.
    pub is_restored: bool,
    /// The sequence of the newest log entry that the writer knows, if it wants to know of newer ones when somebody was
    /// faster (see [`Stored::news`]).
    pub known: Option<u64>,
    /// The new serialised state.
    pub state: Arc<[u8]>,
    /// What is written of its settled part, if anything; that goes with the state when it goes.
    pub settled: Option<Settled>,
    /// When the key must be woken, Unix milliseconds; `None` clears the deadline.
    pub due_ms: Option<u64>,
    /// What the decision took for the time, Unix milliseconds. Later than the commit's own time when
    /// the clock was set back before a deadline, which is then served at the time it was set for.
    pub as_of_ms: u64,
}

impl StateWrite {
    /// Whether it may be written where `version` is the newest one, 0 when there is none.
    pub(super) fn follows(&self, version: u64) -> bool {
        if self.is_restored {
            version < self.base
        } else {
            version == self.base
        }
    }
}

/// A fact the decision rested on.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// The index row still has the value that was read; `None` means absent or expired.
    Index {
        /// The row.
        key: IndexKey,
        /// What was read.
        value: Option<Arc<str>>,
    },
    /// No state has ever been written under the key.
    NoState {
        /// The key.
        key: Key,
    },
}

/// Everything one decision changes, written in one atomic step.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Kept over repetitions.
    pub id: CommitId,
    /// The tenant all of it belongs to.
    pub product: ProductId,
    /// The wall clock of the decision, Unix milliseconds; index rows expire against it.
    pub now_ms: u64,
    /// The new snapshot; `None` for commits that only touch the index or what is in the outbox.
    pub state: Option<StateWrite>,
    /// Log entries, deliveries, outbox changes and index rows. Entries and deliveries need a state.
    pub effects: Effects,
    /// What must still be true.
    pub guards: Vec<Guard>,
}

impl Commit {
    /// Why no backend writes it, whatever it holds already.
    pub(super) fn flaw(&self) -> Option<Error> {
        let effects = &self.effects;
        let reason = match &self.state {
            None if !effects.entries.is_empty() || !effects.deliveries.is_empty() => {
                "entries and deliveries need a state"
            }
            Some(new) if new.key.product != self.product => "a commit belongs to one product",
            _ => return None,
        };
        Some(Error::Backend(reason.into()))
    }
}

/// What became of a commit.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Durable.
    Committed,
    /// Someone was faster. Carries the newest snapshot of the commit's key, if it has one.
    Conflict(Option<Stored>),
    /// Refused without effect: repeat later.
    NotWritten(Error),
    /// The answer was lost: repeat the same commit.
    Unknown(Error),
}
