//! Things that go wrong on demand.

use std::collections::VecDeque;

use crate::store::Error;

/// What will go wrong. Faults of commits strike in the order they were injected, one per commit;
/// so do faults of reads.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The next commit conflicts although nobody was faster.
    Conflict,
    /// The next commit is written, and its answer is lost. One that conflicts says so.
    LostReply,
    /// The next commit is refused and changes nothing.
    NotWritten(Error),
    /// The next commit is lost on its way: it changes nothing, and nobody says so.
    LostRequest,
    /// The next read fails.
    Read(Error),
    /// The next load finds a row it cannot read, if it finds one at all. Other reads pass it by.
    Unreadable,
}

/// Faults that wait.
#[derive(Debug, Default)]
pub(super) struct Plan {
    commits: VecDeque<Fault>,
    reads: VecDeque<Error>,
    unreadable: u32,
}

impl Plan {
    /// Puts a fault behind those that wait already.
    pub(super) fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Read(error) => self.reads.push_back(error),
            Fault::Unreadable => self.unreadable += 1,
            fault => self.commits.push_back(fault),
        }
    }

    /// What goes wrong with the commit at hand.
    pub(super) fn for_commit(&mut self) -> Option<Fault> {
        self.commits.pop_front()
    }

    /// What goes wrong with the read at hand.
    pub(super) fn for_read(&mut self) -> Result<(), Error> {
        self.reads.pop_front().map_or(Ok(()), Err)
    }

    /// Whether the row at hand is unreadable.
    pub(super) fn spoils_row(&mut self) -> bool {
        let spoils = self.unreadable > 0;
        self.unreadable -= u32::from(spoils);
        spoils
    }
}
