//! One reader of the feed: a cursor.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use prometheus::IntGauge;
use tokio::sync::watch;

use super::channel::{Channel, Feed, Frame};
use super::filter::Filter;
use super::sse;
use crate::domain::log::Offset;
use crate::store;

/// Reads the feed from a position onwards. Dropping it ends the subscription.
pub struct Subscriber {
    feed: Feed,
    channel: Arc<Channel>,
    news: watch::Receiver<Offset>,
    cursor: Offset,
    filter: Filter,
    greeted: bool,
}

/// What the ring has for a cursor.
enum Look {
    Frames(Vec<Arc<Frame>>, Offset),
    Behind,
}

impl Subscriber {
    pub(super) fn new(feed: Feed, channel: Arc<Channel>, cursor: Offset, filter: Filter) -> Self {
        let news = channel.head.subscribe();
        gauge(&feed, &channel).inc();
        Self {
            feed,
            channel,
            news,
            cursor,
            filter,
            greeted: false,
        }
    }

    /// The next bytes for the subscriber: several events when several wait, a heartbeat when
    /// nothing happened for `heartbeat`. `None` when the service stops.
    pub async fn next(&mut self, heartbeat: std::time::Duration) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(sse::HEARTBEAT));
        }
        let inner = Arc::clone(&self.feed.0);
        // However much there is still to read: it resumes where it stopped.
        if inner.closing.is_cancelled() {
            return None;
        }
        let mut quiet = std::pin::pin!(inner.clock.sleep(heartbeat));
        loop {
            // Marked as seen before looking, so that news in between wakes us again.
            self.news.mark_unchanged();
            let written = match self.look() {
                Look::Frames(frames, to) => self.take(&frames, to),
                Look::Behind => match self.catch_up().await {
                    Ok(written) => written,
                    Err(error) => {
                        tracing::warn!(product_id = %self.channel.product, %error, "a subscriber could not catch up");
                        inner
                            .metrics
                            .stream_dropped
                            .with_label_values(&["error"])
                            .inc();
                        return None;
                    }
                },
            };
            if !written.is_empty() {
                return Some(written);
            }
            if self.is_behind() {
                continue;
            }
            tokio::select! {
                biased;
                () = inner.closing.cancelled() => return None,
                changed = self.news.changed() => changed.ok()?,
                () = &mut quiet => return Some(Bytes::from_static(sse::HEARTBEAT)),
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.cursor < self.channel.ring().head
    }

    /// Up to a write's worth of frames after the cursor, and how far that looked.
    fn look(&self) -> Look {
        let ring = self.channel.ring();
        if self.cursor < ring.floor {
            return Look::Behind;
        }
        let first = ring
            .frames
            .partition_point(|frame| frame.entry.offset <= self.cursor);
        let max = self.feed.0.limits.coalesce_entries;
        let frames: Vec<_> = ring.frames.range(first..).take(max).cloned().collect();
        let is_all = first + frames.len() == ring.frames.len();
        let to = match frames.last() {
            Some(last) if !is_all => last.entry.offset,
            _ => ring.head,
        };
        Look::Frames(frames, to.max(self.cursor))
    }

    fn take(&mut self, frames: &[Arc<Frame>], to: Offset) -> Bytes {
        self.cursor = to;
        let wanted = frames
            .iter()
            .filter(|frame| self.filter.admits(&frame.entry));
        self.join(wanted.map(|frame| frame.bytes.clone()).collect())
    }

    /// Reads what the ring no longer has from the store, and says what the store no longer has.
    async fn catch_up(&mut self) -> Result<Bytes, store::Error> {
        let inner = &self.feed.0;
        inner.metrics.stream_catch_ups.inc();
        let limit = inner.limits.page_entries;
        let page = inner
            .store
            .feed(&self.channel.product, self.cursor, limit)
            .await?;
        let mut frames = Vec::new();
        if page.trimmed > self.cursor {
            inner.metrics.stream_gaps.inc();
            frames.push(sse::gap(&self.channel.product, self.cursor, page.trimmed));
        }
        let wanted = page
            .entries
            .into_iter()
            .filter(|entry| self.filter.admits(entry));
        frames.extend(wanted.map(|entry| Frame::new(entry).bytes));
        // A page that saw nothing at all still moves to the ring's floor: nothing lies between.
        let floor = self.channel.ring().floor;
        let reached = page.scanned.max(page.trimmed);
        self.cursor = if reached > self.cursor {
            reached
        } else {
            floor
        };
        Ok(self.join(frames))
    }

    fn join(&self, frames: Vec<Bytes>) -> Bytes {
        self.feed.0.metrics.stream_sent.inc_by(frames.len() as u64);
        if let [only] = frames.as_slice() {
            return only.clone();
        }
        let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
        for frame in &frames {
            joined.extend_from_slice(frame);
        }
        joined.freeze()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        gauge(&self.feed, &self.channel).dec();
    }
}

fn gauge(feed: &Feed, channel: &Channel) -> IntGauge {
    let is_named = feed.0.limits.product_label;
    let label = if is_named {
        channel.product.as_str()
    } else {
        ""
    };
    feed.0
        .metrics
        .stream_subscribers
        .with_label_values(&[label])
}
