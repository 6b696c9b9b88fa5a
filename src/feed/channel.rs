//! One channel per product: a reader of the committed log fills a ring that all subscribers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::block::{Blocks, Stretch};
use super::filter::{Filter, Start};
use super::shelf::{Page, Shelf};
use super::subscriber::Subscriber;
use crate::clock::Clock;
use crate::domain::id::ProductId;
use crate::domain::log::Offset;
use crate::metrics::Metrics;
use crate::store::{self, FeedPage, Store};
use crate::tasks::Tasks;

/// Bounds on what the feed holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most events a ring keeps, and the most that are kept of what was read for those behind it.
    pub ring_entries: usize,
    /// The most entries read from the store at once.
    pub page_entries: usize,
    /// The most events in one write to a subscriber.
    pub coalesce_entries: usize,
    /// The most subscribers of one product.
    pub subscribers_max: usize,
    /// Whether metrics name the product.
    pub product_label: bool,
    /// How often the reader looks at the store without having been nudged.
    pub poll: Duration,
}

/// The feed of all products. Cheap to clone.
#[derive(Clone)]
pub struct Feed(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) metrics: Metrics,
    pub(super) limits: Limits,
    pub(super) closing: CancellationToken,
    channels: Mutex<HashMap<ProductId, Weak<Channel>>>,
}

/// The product has as many subscribers as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the product has {max} subscribers already")]
pub struct TooManySubscribers {
    /// The limit.
    pub max: usize,
}

/// What all subscribers of one product share.
pub(super) struct Channel {
    pub(super) product: ProductId,
    ring: RwLock<Ring>,
    pub(super) head: watch::Sender<Offset>,
    nudge: Notify,
    /// Held by whoever reads the store for those who lag: the others will find what they need on the shelf.
    catching_up: tokio::sync::Mutex<()>,
}

/// The newest events. Every visible entry after `floor` up to `head` is in it.
pub(super) struct Ring {
    events: Blocks,
    pub(super) floor: Offset,
    pub(super) head: Offset,
    /// Pages of what came before, read for those who lag.
    shelf: Shelf,
    /// Counts how often entries were said to be gone, so that a page read before is not used any more.
    pub(super) emptied: u64,
}

impl Ring {
    /// What it has behind `cursor`, and how far somebody who has that has got; `None` when `cursor` lags
    /// behind it.
    pub(super) fn after(&self, cursor: Offset) -> Option<(Stretch<'_>, Offset)> {
        if cursor < self.floor {
            return None;
        }
        let found = self.events.after(cursor);
        let to = found.reach(self.head.max(cursor));
        Some((found, to))
    }
}

impl Feed {
    /// Nobody listens yet.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        tasks: Tasks,
        metrics: Metrics,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            tasks,
            metrics,
            limits,
            closing: CancellationToken::new(),
            channels: Mutex::default(),
        }))
    }

    /// Something was committed for the product: whoever listens should look.
    pub fn nudge(&self, product: &ProductId) {
        if let Some(channel) = self.0.existing(product) {
            channel.nudge.notify_one();
        }
    }

    /// Starts listening.
    pub async fn subscribe(
        &self,
        product: &ProductId,
        start: Start,
        filter: Filter,
    ) -> Result<Result<Subscriber, TooManySubscribers>, store::Error> {
        // The head is read before the channel is looked up: a new channel starts there, and an
        // existing one has seen at least that much or will.
        let head = self.0.store.head(product).await?;
        let channel = match self.0.existing(product) {
            Some(channel) => channel,
            None => self.0.open(product, head),
        };
        let max = self.0.limits.subscribers_max;
        if channel.head.receiver_count() >= max {
            return Ok(Err(TooManySubscribers { max }));
        }
        let cursor = match start {
            Start::Live => head,
            // An offset from the future was never ours; waiting for it would mean silence.
            Start::After(offset) => offset.min(head),
        };
        Ok(Ok(Subscriber::new(self.clone(), channel, cursor, filter)))
    }

    /// Lets go of all frames of the product; subscribers that lag read the store instead. For entries
    /// that are no longer in the store.
    pub fn forget(&self, product: &ProductId) {
        if let Some(channel) = self.0.existing(product) {
            channel.empty();
        }
    }

    /// The same for all products: the store has lost what it held.
    pub fn forget_all(&self) {
        for channel in self.0.channels().values().filter_map(Weak::upgrade) {
            channel.empty();
        }
    }

    /// Lets go of what was read for subscribers that lag, of all products: retention has removed entries,
    /// and what is no longer kept shall be announced, not told.
    pub fn forget_pages(&self) {
        for channel in self.0.channels().values().filter_map(Weak::upgrade) {
            let mut ring = channel.ring_mut();
            ring.shelf = Shelf::default();
            ring.emptied += 1;
        }
    }

    /// Ends every subscription; subscribers resume elsewhere or later with `Last-Event-ID`.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Whether [`Feed::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }
}

impl Inner {
    fn channels(&self) -> MutexGuard<'_, HashMap<ProductId, Weak<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn existing(&self, product: &ProductId) -> Option<Arc<Channel>> {
        self.channels().get(product).and_then(Weak::upgrade)
    }

    /// Opens the product's channel, unless somebody else just did, and starts its reader.
    fn open(self: &Arc<Self>, product: &ProductId, head: Offset) -> Arc<Channel> {
        let mut channels = self.channels();
        if let Some(channel) = channels.get(product).and_then(Weak::upgrade) {
            return channel;
        }
        channels.retain(|_, channel| channel.strong_count() > 0);
        let channel = Arc::new(Channel {
            product: product.clone(),
            ring: RwLock::new(Ring {
                events: Blocks::default(),
                floor: head,
                head,
                shelf: Shelf::default(),
                emptied: 0,
            }),
            head: watch::Sender::new(head),
            nudge: Notify::new(),
            catching_up: tokio::sync::Mutex::default(),
        });
        channels.insert(product.clone(), Arc::downgrade(&channel));
        let reader = read(Arc::clone(self), Arc::downgrade(&channel));
        self.tasks.spawn("feed reader", reader);
        channel
    }
}

impl Channel {
    pub(super) fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_mut(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty(&self) {
        let mut ring = self.ring_mut();
        ring.events = Blocks::default();
        ring.shelf = Shelf::default();
        ring.floor = ring.head;
        ring.emptied += 1;
    }

    /// Appends what was read when the ring had been emptied `emptied` times; forgets the oldest
    /// events. A ring that was emptied since is left alone: the page is read again.
    fn fill(&self, page: FeedPage, emptied: u64, limits: &Limits) {
        let mut ring = self.ring_mut();
        if ring.emptied != emptied {
            return;
        }
        if page.trimmed > ring.head {
            // Retention was faster than this reader. Whoever stands before the hole is sent to the
            // store, which says what is missing.
            ring.events = Blocks::default();
            ring.floor = page.trimmed;
        }
        ring.events.extend(page.entries, limits.coalesce_entries);
        if let Some(gone) = ring.events.shorten(limits.ring_entries) {
            ring.floor = gone;
        }
        ring.head = ring.head.max(page.scanned);
        let head = ring.head;
        drop(ring);
        self.head.send_if_modified(|seen| {
            let is_news = head > *seen;
            *seen = (*seen).max(head);
            is_news
        });
    }
}

impl Inner {
    /// The page of the log that follows `cursor`: as somebody has read it already, or else as it is.
    pub(super) async fn page(
        &self,
        channel: &Channel,
        cursor: Offset,
    ) -> Result<Arc<Page>, store::Error> {
        let shelved = || channel.ring().shelf.find(cursor);
        if let Some(page) = shelved() {
            return Ok(page);
        }
        // One at a time: the others most likely want what the first one reads.
        let _alone = channel.catching_up.lock().await;
        if let Some(page) = shelved() {
            return Ok(page);
        }
        self.metrics.stream_catch_ups.inc();
        let emptied = channel.ring().emptied;
        let Limits {
            page_entries,
            coalesce_entries,
            ring_entries,
            ..
        } = self.limits;
        let read = self.store.feed(&channel.product, cursor, page_entries);
        let page = Arc::new(Page::new(cursor, read.await?, emptied, coalesce_entries));
        let mut ring = channel.ring_mut();
        if ring.emptied == emptied && page.has_after(cursor) {
            ring.shelf.put(Arc::clone(&page), ring_entries);
        }
        Ok(page)
    }
}

/// Follows the log for as long as anybody holds the channel.
async fn read(feed: Arc<Inner>, channel: Weak<Channel>) {
    loop {
        let Some(strong) = channel.upgrade() else {
            return;
        };
        let (after, emptied) = {
            let ring = strong.ring();
            (ring.head, ring.emptied)
        };
        let limit = feed.limits.page_entries;
        match feed.store.feed(&strong.product, after, limit).await {
            Ok(page) => {
                let is_full = page.entries.len() >= limit;
                if let Some(first) = page.entries.first() {
                    let lag_ms = feed.clock.now_ms().saturating_sub(first.offset.ms);
                    let lag = Duration::from_millis(lag_ms).as_secs_f64();
                    feed.metrics.stream_lag_seconds.observe(lag);
                }
                if page.scanned > after {
                    strong.fill(page, emptied, &feed.limits);
                }
                if is_full || strong.ring().emptied != emptied {
                    continue;
                }
            }
            Err(error) => {
                error.report(&format!("the feed of {} could not be read", strong.product));
            }
        }
        tokio::select! {
            biased;
            () = feed.tasks.stopping() => return,
            () = strong.nudge.notified() => {}
            () = feed.clock.sleep(feed.limits.poll) => {}
        }
    }
}
