//! Counters of triggers' turns.
//!
//! Every batch of actions is the turn of all of a product's triggers. By its labels a counter takes longer to find
//! than to count with, so those of a product are found once and kept for as long as its triggers stay.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::IntCounter;

use crate::domain::id::ProductId;

/// The counters of each product's triggers.
#[derive(Default)]
pub(super) struct Turns {
    found: RwLock<HashMap<ProductId, Found>>,
}

/// Triggers and their counters, in the same order.
struct Found {
    names: Arc<[Arc<str>]>,
    counters: Vec<IntCounter>,
}

impl Turns {
    /// Counts a turn for the first `asked` of a product's triggers; `find` finds a trigger's counter.
    pub(super) fn count<'n>(
        &self,
        product: &ProductId,
        (names, asked): (&'n Arc<[Arc<str>]>, usize),
        find: impl Fn(&'n str) -> IntCounter,
    ) {
        let count = |counters: &[IntCounter]| counters.iter().take(asked).for_each(IntCounter::inc);
        let known = self.found.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(product);
        if let Some(found) = found.filter(|found| Arc::ptr_eq(&found.names, names)) {
            return count(&found.counters);
        }
        drop(known);
        let counters: Vec<_> = names.iter().map(|name| find(name)).collect();
        count(&counters);
        let found = Found {
            names: Arc::clone(names),
            counters,
        };
        let mut known = self.found.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(product.clone(), found);
    }
}
