//! Events as they are written to sockets: rendered once, for everybody.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::filter::Filter;
use super::sse;
use crate::domain::id::Key;
use crate::domain::log::Offset;
use crate::store::Entry;

/// How much longer than its body an event is at most, on the wire.
const FRAME_BYTES: usize = 64;

/// What is known of one event, and how many bytes of its block it takes.
struct Frame {
    offset: Offset,
    key: Key,
    r#type: Arc<str>,
    user_id: Option<Arc<str>>,
    length: usize,
}

/// A few events that follow each other, in one piece of memory. Whoever wants all of them writes it as it
/// is: nothing is copied or rendered for a subscriber, and one that takes nothing keeps no more than one
/// block from being freed.
#[derive(Default)]
struct Block {
    frames: Vec<Frame>,
    bytes: Bytes,
}

/// Blocks in the order of their events.
#[derive(Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    frames: usize,
}

/// The events of one block behind a cursor; none when there are none.
#[derive(Default)]
pub(super) struct Stretch<'a> {
    frames: &'a [Frame],
    /// All of them.
    bytes: Bytes,
    /// Whether there are others behind them.
    has_more: bool,
}

impl Stretch<'_> {
    /// How far somebody who has these has got, when `end` is how far it has been looked at all.
    pub(super) fn reach(&self, end: Offset) -> Offset {
        let last = self.frames.last().filter(|_| self.has_more);
        last.map_or(end, |frame| frame.offset)
    }

    /// Those that the filter admits, and how many that are.
    pub(super) fn admitted(self, filter: &Filter) -> (Bytes, u64) {
        let is_admitted =
            |frame: &&Frame| filter.admits(&frame.key, frame.user_id.as_deref(), &frame.r#type);
        let count = self.frames.iter().filter(is_admitted).count();
        if count == self.frames.len() {
            return (self.bytes, count as u64);
        }
        let (mut rest, mut admitted) = (self.bytes, BytesMut::new());
        for frame in self.frames {
            let event = rest.split_to(frame.length);
            if is_admitted(&frame) {
                admitted.extend_from_slice(&event);
            }
        }
        (admitted.freeze(), count as u64)
    }
}

impl Block {
    fn last(&self) -> Option<Offset> {
        self.frames.last().map(|frame| frame.offset)
    }

    /// Renders more events behind those that are there. Bytes that a subscriber still holds are copied.
    fn extend(&mut self, entries: impl Iterator<Item = Entry>) {
        let entries: Vec<Entry> = entries.collect();
        let lengths = entries.iter().map(|entry| entry.body.len() + FRAME_BYTES);
        let mut bytes = BytesMut::from(std::mem::take(&mut self.bytes));
        bytes.reserve(lengths.sum());
        for entry in entries {
            let length = sse::write_event(&mut bytes, entry.offset, &entry.body);
            self.frames.push(Frame {
                offset: entry.offset,
                key: entry.key,
                r#type: entry.r#type,
                user_id: entry.user_id,
                length,
            });
        }
        self.bytes = bytes.freeze();
    }

    fn forget(&mut self, frames: usize) {
        let forgotten: usize = self.frames.drain(..frames).map(|frame| frame.length).sum();
        self.bytes.advance(forgotten);
    }

    /// Those behind `cursor`.
    fn after(&self, cursor: Offset) -> Stretch<'_> {
        let read = self.frames.partition_point(|frame| frame.offset <= cursor);
        let (read, frames) = self.frames.split_at(read);
        let begin: usize = read.iter().map(|frame| frame.length).sum();
        Stretch {
            frames,
            bytes: self.bytes.slice(begin..),
            has_more: false,
        }
    }
}

impl Blocks {
    /// Renders a page of events, `block_entries` of them in a block.
    pub(super) fn new(entries: Vec<Entry>, block_entries: usize) -> Self {
        let mut blocks = Self::default();
        blocks.extend(entries, block_entries);
        blocks
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.frames
    }

    /// Appends events. The newest block is filled up to `block_entries` events first, so that whoever comes
    /// later finds events together that came one by one.
    pub(super) fn extend(&mut self, entries: Vec<Entry>, block_entries: usize) {
        self.frames += entries.len();
        let mut entries = entries.into_iter();
        while entries.len() > 0 {
            let short = |block: &&mut Block| block.frames.len() < block_entries;
            if let Some(newest) = self.blocks.back_mut().filter(short) {
                let room = block_entries - newest.frames.len();
                newest.extend(entries.by_ref().take(room));
            } else {
                self.blocks.push_back(Block::default());
            }
        }
    }

    /// Lets go of the oldest events so that `frames` are left; returns the newest that went.
    pub(super) fn shorten(&mut self, frames: usize) -> Option<Offset> {
        let mut newest = None;
        while self.frames > frames {
            let oldest = self.blocks.front_mut()?;
            let surplus = (self.frames - frames).min(oldest.frames.len());
            let gone = oldest.frames.get(surplus - 1);
            newest = gone.map(|frame| frame.offset);
            self.frames -= surplus;
            if surplus < oldest.frames.len() {
                oldest.forget(surplus);
            } else {
                self.blocks.pop_front();
            }
        }
        newest
    }

    /// What comes first after `cursor`, as far as it is in one block.
    pub(super) fn after(&self, cursor: Offset) -> Stretch<'_> {
        let is_read = |block: &Block| block.last().is_none_or(|last| last <= cursor);
        let at = self.blocks.partition_point(is_read);
        self.blocks
            .get(at)
            .map_or_else(Stretch::default, |block| Stretch {
                has_more: at + 1 < self.blocks.len(),
                ..block.after(cursor)
            })
    }
}
