//! When issued keys were last used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rows::{Draft, Rows};
use crate::domain::log::{IndexKey, Space};
use crate::store::Error;

/// How long the time of a key's last use is kept.
const KEPT_MS: u64 = 400 * 86_400_000;

/// How much later a key must be used again for its last use to be written again.
const STEP_MS: u64 = 60_000;

/// Uses that are not written down yet: writing each would make reading as dear as writing.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<Arc<str>, u64>>);

impl Uses {
    /// Notes that a key was used.
    pub(super) fn note(&self, key: &Arc<str>, now_ms: u64) {
        let mut uses = self.lock();
        match uses.get_mut(key) {
            Some(last_ms) => *last_ms = now_ms,
            None => {
                uses.insert(Arc::clone(key), now_ms);
            }
        }
    }

    /// When keys were last used, Unix milliseconds, in the order asked.
    pub(super) async fn last(&self, rows: &Rows, keys: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        let stored = rows.read_all(&addresses(keys.iter().copied())).await?;
        let uses = self.lock();
        let both = keys.iter().zip(stored);
        Ok(both
            .map(|(key, stored)| uses.get(*key).copied().max(parse(stored)))
            .collect())
    }

    /// Writes down what was noted.
    pub(super) async fn write(&self, rows: &Rows, now_ms: u64) -> Result<(), Error> {
        let uses: Vec<(Arc<str>, u64)> = {
            let uses = self.lock();
            let all = uses.iter();
            all.map(|(key, ms)| (Arc::clone(key), *ms)).collect()
        };
        if uses.is_empty() {
            return Ok(());
        }
        let keys = addresses(uses.iter().map(|(key, _)| &**key));
        let stored = rows.read_all(&keys).await?;
        let mut draft = Draft::default();
        for ((key, (_, ms)), stored) in keys.into_iter().zip(&uses).zip(stored) {
            if *ms >= parse(stored).unwrap_or(0).saturating_add(STEP_MS) {
                let expires_ms = now_ms.saturating_add(KEPT_MS);
                draft = draft.put(key, Some(&ms.to_string()), expires_ms);
            }
        }
        if !draft.is_empty() {
            rows.write(draft).await?;
        }
        for (key, ms) in uses {
            let mut noted = self.lock();
            if noted.get(&key) == Some(&ms) {
                noted.remove(&key);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<IndexKey> {
    keys.map(|key| IndexKey::new(Space::KeyUse, key)).collect()
}

fn parse(stored: Option<Arc<str>>) -> Option<u64> {
    stored?.parse().ok()
}
