//! Names of products that there are not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::id::ProductId;

/// How long a name is not looked for again.
const PAUSE_MS: u64 = 1_000;

/// The most names that are remembered; once there are so many nothing is looked for until they are forgotten.
const NAMES_MAX: usize = 1_000;

/// Names that were looked for in vain. It bounds what guessing costs: no more than so many looks in a pause.
#[derive(Default)]
pub(super) struct Missing(Mutex<HashMap<ProductId, u64>>);

impl Missing {
    /// Whether the name is to be looked for; then it is not for a while.
    pub(super) fn is_worth_a_look(&self, id: &ProductId, now_ms: u64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen_ms) = seen.get(id)
            && now_ms.saturating_sub(*seen_ms) < PAUSE_MS
        {
            return false;
        }
        if seen.len() >= NAMES_MAX {
            seen.retain(|_, seen_ms| now_ms.saturating_sub(*seen_ms) < PAUSE_MS);
        }
        if seen.len() >= NAMES_MAX {
            return false;
        }
        seen.insert(id.clone(), now_ms);
        true
    }
}
