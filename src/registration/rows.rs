//! The rows in which registrations and what belongs to them are stored.

use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::id::ProductId;
use crate::domain::log::{Effects, IndexKey, IndexWrite, Space};
use crate::store::{Commit, Error, Guard, Listed, Outcome, Store};

/// The tenant under which everything is stored. No product can be called like this.
const TENANT: &str = "@registrations";

/// How often a commit is repeated whose answer was lost.
const REPEATS_MAX: usize = 4;

/// Reads and writes rows.
pub(super) struct Rows {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
}

/// What a change rests on, and what it writes.
#[derive(Default)]
pub(super) struct Draft {
    guards: Vec<Guard>,
    writes: Vec<IndexWrite>,
}

impl Rows {
    /// All registrations.
    pub(super) async fn registrations(&self) -> Result<Vec<Listed>, Error> {
        let rows = self.store.listed(Space::Registration).await?;
        let own = rows
            .into_iter()
            .filter(|row| row.product.as_str() == TENANT);
        Ok(own.collect())
    }

    /// A row, if it is there; nothing where no row is asked for.
    pub(super) async fn read(&self, key: Option<&IndexKey>) -> Result<Option<Arc<str>>, Error> {
        let Some(key) = key else { return Ok(None) };
        let mut rows = self.read_all(std::slice::from_ref(key)).await?;
        Ok(rows.pop().flatten())
    }

    /// Rows in the order asked.
    pub(super) async fn read_all(&self, keys: &[IndexKey]) -> Result<Vec<Option<Arc<str>>>, Error> {
        let now_ms = self.clock.now_ms();
        self.store.index(&tenant(), keys, now_ms).await
    }

    /// Whether it was written; if not, what it rested on has changed.
    pub(super) async fn write(&self, draft: Draft) -> Result<bool, Error> {
        let first = draft.writes.first().cloned();
        let commit = Arc::new(Commit {
            id: self.chance.bytes(),
            product: tenant(),
            now_ms: self.clock.now_ms(),
            state: None,
            effects: Effects {
                index: draft.writes,
                ..Effects::default()
            },
            guards: draft.guards,
        });
        let mut repeated = 0;
        loop {
            match self.store.commit(Arc::clone(&commit)).await {
                Outcome::Committed => return Ok(true),
                Outcome::Conflict(_) if repeated == 0 => return Ok(false),
                // An earlier try may have been written: then the row is what we made it.
                Outcome::Conflict(_) => {
                    let Some(first) = first else { return Ok(false) };
                    return Ok(self.read(Some(&first.key)).await? == first.value);
                }
                Outcome::Unknown(_) if repeated < REPEATS_MAX => repeated += 1,
                Outcome::NotWritten(error) | Outcome::Unknown(error) => return Err(error),
            }
        }
    }
}

impl Draft {
    /// Writes a row that must still be what was read, for good; `None` removes it.
    pub(super) fn replace(
        mut self,
        key: IndexKey,
        read: Option<Arc<str>>,
        value: Option<&str>,
    ) -> Self {
        self.guards.push(Guard::Index {
            key: key.clone(),
            value: read,
        });
        self.put(key, value, u64::MAX)
    }

    /// Writes a row whatever it was.
    pub(super) fn put(mut self, key: IndexKey, value: Option<&str>, expires_ms: u64) -> Self {
        self.writes.push(IndexWrite {
            key,
            value: value.map(Arc::from),
            expires_ms,
        });
        self
    }

    /// Whether nothing would be written.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

fn tenant() -> ProductId {
    ProductId::from(TENANT)
}
