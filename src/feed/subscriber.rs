//! One reader of the feed: a cursor.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use prometheus::IntGauge;
use tokio::sync::watch;

use super::channel::{Channel, Feed};
use super::filter::Filter;
use super::shelf::Page;
use super::sse;
use crate::domain::log::Offset;
use crate::metrics::product_label;
use crate::store;

/// Reads the feed from a position onwards. Dropping it ends the subscription.
pub struct Subscriber {
    feed: Feed,
    channel: Arc<Channel>,
    news: watch::Receiver<Offset>,
    cursor: Offset,
    filter: Filter,
    greeted: bool,
    /// Where it reads while it lags behind the ring.
    page: Option<Arc<Page>>,
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
            page: None,
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
                Some(written) => written,
                None => match self.catch_up().await {
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

    /// A write's worth of events after the cursor; `None` when it lags behind the ring.
    fn look(&mut self) -> Option<Bytes> {
        let ring = self.channel.ring();
        let (found, to) = ring.after(self.cursor)?;
        let (written, events) = found.admitted(&self.filter);
        drop(ring);
        self.feed.0.metrics.stream_sent.inc_by(events);
        self.cursor = to;
        self.page = None;
        Some(written)
    }

    /// The same from what the store has, and says what it no longer has.
    async fn catch_up(&mut self) -> Result<Bytes, store::Error> {
        let inner = &self.feed.0;
        let emptied = self.channel.ring().emptied;
        let is_usable = |page: &Arc<Page>| page.emptied == emptied && page.has_after(self.cursor);
        let page = match self.page.take().filter(is_usable) {
            Some(page) => page,
            None => inner.page(&self.channel, self.cursor).await?,
        };
        let (found, to) = page.after(self.cursor);
        let (mut written, mut events) = found.admitted(&self.filter);
        if page.trimmed > self.cursor {
            inner.metrics.stream_gaps.inc();
            events += 1;
            let mut with_gap = BytesMut::new();
            sse::write_gap(
                &mut with_gap,
                &self.channel.product,
                self.cursor,
                page.trimmed,
            );
            with_gap.extend_from_slice(&written);
            written = with_gap.freeze();
        }
        inner.metrics.stream_sent.inc_by(events);
        // A page that saw nothing at all still moves to the ring's floor: nothing lies between.
        self.cursor = if to > self.cursor {
            to
        } else {
            self.channel.ring().floor
        };
        self.page = Some(page);
        Ok(written)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        gauge(&self.feed, &self.channel).dec();
    }
}

fn gauge(feed: &Feed, channel: &Channel) -> IntGauge {
    let label = product_label(feed.0.limits.product_label, channel.product.as_str());
    feed.0
        .metrics
        .stream_subscribers
        .with_label_values(&[label])
}
