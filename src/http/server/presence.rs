//! What one connection is doing, and since when.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::Limits;

/// The phases of a connection, from its first byte to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing was received yet.
    Silent,
    /// Between two requests.
    KeptAlive,
    /// A part of a request's head was received.
    Head,
    /// A request is handled or answered.
    Busy,
    /// An endless answer is under way.
    Stream,
}

/// Shared by a connection's task and the table. Only the task changes the phase; the table may ask
/// it to leave.
pub(super) struct Presence {
    phase: AtomicU8,
    since_ms: AtomicU64,
    /// Its place in the order of those that wait; only meaningful while it waits.
    pub(super) turn: AtomicU64,
    is_evicted: AtomicBool,
    is_writing: AtomicBool,
    waker: AtomicWaker,
}

impl Presence {
    pub(super) fn new(turn: u64, now_ms: u64) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Silent as u8),
            since_ms: AtomicU64::new(now_ms),
            turn: AtomicU64::new(turn),
            is_evicted: AtomicBool::new(false),
            is_writing: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        let all = [
            Phase::Silent,
            Phase::KeptAlive,
            Phase::Head,
            Phase::Busy,
            Phase::Stream,
        ];
        all[usize::from(phase)]
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn set_since(&self, phase: Phase, now_ms: u64) {
        self.since_ms.store(now_ms, Ordering::Relaxed);
        self.set(phase);
    }

    /// Until when the peer may take for what it has begun; `None` while it is our turn, or while an
    /// answer is still being written. A first head counts from the start of the connection, so that a
    /// byte now and then gains no time.
    pub(super) fn deadline_ms(&self, limits: &Limits) -> Option<u64> {
        if self.is_writing() {
            return None;
        }
        let limit_ms = match self.phase() {
            Phase::Silent | Phase::Head => limits.head_ms,
            Phase::KeptAlive => limits.keep_alive_ms,
            Phase::Busy | Phase::Stream => return None,
        };
        Some(
            self.since_ms
                .load(Ordering::Relaxed)
                .saturating_add(limit_ms),
        )
    }

    /// Whether bytes of an answer wait for the peer to take them. The body is complete before.
    pub(super) fn is_writing(&self) -> bool {
        self.is_writing.load(Ordering::Relaxed)
    }

    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Asks the connection to make room for another.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    /// Who is woken when the connection shall make room.
    pub(super) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}
