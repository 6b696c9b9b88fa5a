//! Who may have how much of what all share: requests under way and those that wait for it, and the memory of
//! their bodies.
//!
//! A product may hold a part of what is *still free*, not of the whole (dynamic thresholds, Choudhury and
//! Hahne 1998): with a share of 0.8 each holds at most four times what nobody holds. One product alone
//! so gets 80 %, two get 44 % each, and however many flood, something is always left for one that has
//! nothing yet. No list of who wants what is needed, and of a product at rest only a zero is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge};

use super::queue::Queue;
use super::throttle::Throttle;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::ProductId;
use crate::metrics::Metrics;

/// Everything whose use is bounded across requests.
#[derive(Clone)]
pub struct Admission {
    /// Ingest requests that were read and are not yet answered.
    pub(super) requests: Queue,
    /// Bytes of memory for ingest bodies that are read or parsed.
    pub(super) bodies: Shares,
    /// Registrations by whoever is no operator.
    pub(super) registrations: Arc<Throttle>,
    /// What pages ask and report of offers.
    pub(super) page_calls: Arc<Throttle>,
    /// The same for all other bodies, apart so that a flood of activity closes no other door.
    pub(super) small_bodies: Shares,
}

impl Admission {
    /// Nobody holds anything.
    pub fn new(config: &Config, clock: &Clock, metrics: &Metrics) -> Self {
        let limits = &config.http;
        let shares = |name, max: usize, gauge: &IntGauge| {
            Shares(Arc::new(Inner {
                name,
                max: max as u64,
                percent: limits.product_share_percent,
                held: Mutex::default(),
                gauge: gauge.clone(),
                exhausted: metrics.share_exhausted.clone(),
                product_label: config.metrics.product_label,
            }))
        };
        let (requests, waiting) = (limits.ingest_requests_max, limits.ingest_waiting_max);
        let (bodies, small_bodies) = (limits.bodies_bytes_max, limits.small_bodies_bytes_max);
        Self {
            requests: Queue::new(
                shares("requests", requests, &metrics.ingest_requests_held),
                shares("waiting", waiting, &metrics.ingest_requests_waiting),
                Duration::from_millis(limits.ingest_wait_ms),
                clock.clone(),
                metrics.ingest_wait_seconds.clone(),
            ),
            registrations: Arc::new(Throttle::new(
                clock.clone(),
                config.registration.per_minute,
                config.registration.total_per_minute,
            )),
            page_calls: Arc::new(Throttle::new(
                clock.clone(),
                config.proactive.page_calls_per_minute,
                config.proactive.page_calls_total_per_minute,
            )),
            bodies: shares("bodies", bodies, &metrics.bodies_bytes),
            small_bodies: shares("small_bodies", small_bodies, &metrics.small_bodies_bytes),
        }
    }
}

/// A bounded amount of something, shared by products. Cheap to clone.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

struct Inner {
    name: &'static str,
    max: u64,
    /// How much of the whole one product alone may hold.
    percent: u64,
    held: Mutex<Held>,
    gauge: IntGauge,
    exhausted: IntCounterVec,
    product_label: bool,
}

#[derive(Default)]
struct Held {
    total: u64,
    by_product: HashMap<ProductId, u64>,
}

/// There is not enough left for this product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Shares {
    /// Holds nothing yet for the product.
    pub(super) fn open(&self, product: &ProductId) -> Hold {
        Hold {
            shares: self.clone(),
            product: product.clone(),
            amount: 0,
        }
    }

    /// Counts a request of the product that was refused for want of what is shared here.
    pub(super) fn count_refusal(&self, product: &ProductId) {
        let inner = &self.0;
        let product = if inner.product_label {
            product.as_str()
        } else {
            ""
        };
        let labels = [product, inner.name];
        inner.exhausted.with_label_values(&labels).inc();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, held: &Held) {
        self.gauge
            .set(i64::try_from(held.total).unwrap_or(i64::MAX));
    }

    /// Whether one product may hold `own` when `total` is held in all.
    fn admits(&self, own: u64, total: u64) -> bool {
        let free = self.max.checked_sub(total);
        free.is_some_and(|free| {
            own.saturating_mul(100 - self.percent) <= free.saturating_mul(self.percent)
        })
    }
}

/// What one request holds; given back when dropped.
pub(super) struct Hold {
    shares: Shares,
    product: ProductId,
    amount: u64,
}

impl Hold {
    /// Takes `more`, and counts when there is not enough left. A request is refused nothing while it is
    /// the only one that holds anything: one that alone exceeds the bound would otherwise never be served.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        let grown = self.try_grow(more);
        grown.inspect_err(|_| self.shares.count_refusal(&self.product))
    }

    /// The same, uncounted: for who has not given up yet.
    pub(super) fn try_grow(&mut self, more: usize) -> Result<(), Exhausted> {
        let (inner, more) = (&self.shares.0, more as u64);
        let held = &mut *inner.lock();
        // No more products are ever asked for than were in force.
        let of_product = match held.by_product.get_mut(&self.product) {
            Some(amount) => amount,
            None => held.by_product.entry(self.product.clone()).or_default(),
        };
        let (own, total) = (*of_product + more, held.total + more);
        if held.total > self.amount && !inner.admits(own, total) {
            return Err(Exhausted);
        }
        (*of_product, held.total) = (own, total);
        inner.show(held);
        self.amount += more;
        Ok(())
    }

    /// Gives everything back.
    pub(super) fn release(&mut self) {
        let inner = &self.shares.0;
        let mut held = inner.lock();
        held.total -= self.amount;
        if let Some(of_product) = held.by_product.get_mut(&self.product) {
            *of_product -= self.amount;
        }
        inner.show(&held);
        self.amount = 0;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.release();
        }
    }
}
