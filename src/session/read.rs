//! From the store to a state: what was written of it, and what the log says of its past.

use super::actor::Actor;
use crate::domain::machine::{Machine, Past};
use crate::store::{self, Entry, Stored};

/// How far back into the log a state may look, entries: first a little, which is enough for most, and then ever more.
const LOOKS_BACK: [usize; 4] = [16, 64, 256, 1024];

impl<M: Machine> Actor<M> {
    /// Makes sure the cache holds the state as last seen.
    pub(super) async fn load(&mut self) -> Result<(), store::Error> {
        if self.kept.cached.is_some() {
            return Ok(());
        }
        let losses = self.store().losses();
        match self.store().load(&self.key).await {
            Ok(stored) => self.adopt(stored, losses).await,
            Err(store::Error::Unreadable { .. }) => self.adopt(None, losses).await,
            Err(error) => Err(error),
        }
    }

    /// Takes over what the store holds. A state that cannot be decoded is set aside: the session
    /// starts afresh and stops nobody else.
    pub(super) async fn adopt(
        &mut self,
        stored: Option<Stored>,
        losses: u64,
    ) -> Result<(), store::Error> {
        let around = &self.registry.0.around;
        let read = around.clock.monotonic();
        let mut as_of_ms = around.clock.now_ms();
        if let Some(stored) = stored {
            // Written ahead of the clock: it was set back since, and what counts is how long the
            // deadline was away then.
            as_of_ms = as_of_ms.max(stored.written_ms);
            match M::decode(&stored.state, &stored.settled) {
                Ok(mut state) => {
                    self.recall(&mut state, stored.sequence).await?;
                    self.kept.keep(Box::new(state), stored.version, losses);
                    self.kept.set_alarm(as_of_ms, read);
                    return Ok(());
                }
                Err(reason) => {
                    tracing::error!(key = %self.key, reason, "a state is unreadable and was set aside");
                    around.store.quarantine(&self.key, &reason).await?;
                }
            }
        }
        self.kept.keep(Box::new(self.open()), 0, losses);
        self.kept.set_alarm(as_of_ms, read);
        Ok(())
    }

    /// Gives a state back what its stored form leaves to the log. Nothing that was appended after `sequence` is part
    /// of it.
    async fn recall(&self, state: &mut M, sequence: u64) -> Result<(), store::Error> {
        let around = &self.registry.0.around;
        let policy = (around.policy)(&self.key.product);
        let mut wants_more = state.recall(&[], &policy);
        for limit in LOOKS_BACK {
            if !wants_more {
                break;
            }
            let newest = self.store().history(&self.key, limit).await?;
            let until = newest.iter().filter(|entry| entry.sequence <= sequence);
            let past: Vec<_> = until.map(past).collect();
            wants_more = state.recall(&past, &policy) && newest.len() == limit;
        }
        Ok(())
    }

    fn open(&self) -> M {
        let around = &self.registry.0.around;
        let policy = (around.policy)(&self.key.product);
        M::open(&self.key, &policy, around.clock.now_s())
    }
}

fn past(entry: &Entry) -> Past<'_> {
    Past {
        r#type: &entry.r#type,
        at: entry.at,
        source: &entry.source,
        body: &entry.body,
    }
}
