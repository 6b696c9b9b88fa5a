//! Pages of the log that were read for those who lag, kept for the next who lag.
//!
//! Subscribers who lost their service, or were away for as long, come back together and ask for the same
//! stretch: it is read and rendered once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::block::{Blocks, Stretch};
use crate::domain::log::Offset;
use crate::store::FeedPage;

/// A page of the log, as it was when it was read.
pub(super) struct Page {
    /// What it follows.
    from: Offset,
    /// Up to where it reaches.
    reach: Offset,
    /// The newest entry that retention had removed.
    pub(super) trimmed: Offset,
    /// How often the channel had been told to forget when it was read.
    pub(super) emptied: u64,
    events: Blocks,
}

impl Page {
    pub(super) fn new(from: Offset, page: FeedPage, emptied: u64, block_entries: usize) -> Self {
        Self {
            from,
            reach: page.scanned.max(page.trimmed),
            trimmed: page.trimmed,
            emptied,
            events: Blocks::new(page.entries, block_entries),
        }
    }

    /// Whether it says anything about what follows `cursor`.
    pub(super) fn has_after(&self, cursor: Offset) -> bool {
        self.from <= cursor && cursor < self.reach
    }

    /// What it has behind `cursor`, and how far somebody who has that has got.
    pub(super) fn after(&self, cursor: Offset) -> (Stretch<'_>, Offset) {
        let found = self.events.after(cursor);
        let to = found.reach(self.reach);
        (found, to)
    }
}

/// The pages read last, at most so many entries.
#[derive(Default)]
pub(super) struct Shelf {
    /// By the offset that they follow.
    pages: BTreeMap<Offset, Arc<Page>>,
    /// The same offsets, in the order in which they were read.
    order: VecDeque<Offset>,
    entries: usize,
}

impl Shelf {
    /// A page that says what follows `cursor`.
    pub(super) fn find(&self, cursor: Offset) -> Option<Arc<Page>> {
        let (_, page) = self.pages.range(..=cursor).next_back()?;
        page.has_after(cursor).then(|| Arc::clone(page))
    }

    /// Puts a page there. Those that were read before all others make room; the newest stays, whatever its
    /// size.
    pub(super) fn put(&mut self, page: Arc<Page>, entries_max: usize) {
        let from = page.from;
        self.entries += page.events.len();
        if let Some(replaced) = self.pages.insert(from, page) {
            self.entries -= replaced.events.len();
            self.order.retain(|offset| *offset != from);
        }
        self.order.push_back(from);
        while self.entries > entries_max && self.order.len() > 1 {
            let oldest = self.order.pop_front().and_then(|at| self.pages.remove(&at));
            self.entries -= oldest.map_or(0, |page| page.events.len());
        }
    }
}
