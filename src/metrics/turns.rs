//! Turns of triggers.
//!
//! Every batch of actions is the turn of all of a product's triggers, or of the first few. Instead of counting with each
//! trigger's own counter, which all lie apart, it is counted how far it went; and when somebody asks, that is spread
//! over the triggers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::IntCounterVec;

use super::product_label;

/// The names of a product's triggers, in the order of their turns.
type Names = Arc<[Arc<str>]>;

/// The turns of each product's triggers since somebody asked.
#[derive(Debug, Default)]
pub(super) struct Turns {
    products: RwLock<HashMap<Box<str>, Reach>>,
}

/// How far the turns of one product's triggers went.
#[derive(Debug)]
struct Reach {
    names: Names,
    /// Whether labels name what customers have named.
    is_named: bool,
    /// How often each was the last whose turn it was.
    by_last: Box<[AtomicU64]>,
}

impl Turns {
    /// Counts a turn of the first `asked` of a product's triggers. Once a product has other triggers than before, what
    /// these came to is written to `into`.
    pub(super) fn count(
        &self,
        product: &str,
        (names, asked): (&Names, usize),
        is_named: bool,
        into: &IntCounterVec,
    ) {
        let Some(last) = asked.checked_sub(1) else {
            return;
        };
        let is_known = |reach: &Reach| Arc::ptr_eq(&reach.names, names);
        let products = self.products.read();
        let products = products.unwrap_or_else(PoisonError::into_inner);
        if let Some(reach) = products.get(product).filter(|reach| is_known(reach)) {
            return reach.add(last);
        }
        drop(products);
        let products = self.products.write();
        let mut products = products.unwrap_or_else(PoisonError::into_inner);
        let others = products.remove(product);
        let reach = match others {
            // Somebody else was faster.
            Some(reach) if is_known(&reach) => reach,
            others => {
                others.inspect(|reach| reach.spread(product, into));
                Reach::new(names, is_named)
            }
        };
        reach.add(last);
        products.insert(product.into(), reach);
    }

    /// Writes to `into` what has been counted since the last time.
    pub(super) fn spread(&self, into: &IntCounterVec) {
        let products = self.products.read();
        let products = products.unwrap_or_else(PoisonError::into_inner);
        for (product, reach) in &*products {
            reach.spread(product, into);
        }
    }
}

impl Reach {
    fn new(names: &Names, is_named: bool) -> Self {
        Self {
            names: Arc::clone(names),
            is_named,
            by_last: names.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn add(&self, last: usize) {
        if let Some(count) = self.by_last.get(last) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From the last trigger to the first: each had its turn as often as the one behind it, and when it was the last.
    fn spread(&self, product: &str, into: &IntCounterVec) {
        let label = |name| product_label(self.is_named, name);
        let mut turns = 0;
        for (name, count) in self.names.iter().zip(&self.by_last).rev() {
            turns += count.swap(0, Ordering::Relaxed);
            if turns > 0 {
                let labels = [label(product), label(name), "evaluated"];
                into.with_label_values(&labels).inc_by(turns);
            }
        }
    }
}
