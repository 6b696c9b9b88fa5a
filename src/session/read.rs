//! From the store to a state: what was written of it, and what the log says of its past.

use super::actor::Actor;
use super::kept::Standing;
use crate::domain::machine::{Machine, Past};
use crate::store::{self, Entry, Stored};

/// How far back into the log a state may look, entries: first a little, which is enough for most, and then ever more.
const LOOKS_BACK: [usize; 4] = [16, 64, 256, 1024];

/// A state as it was earlier, and where it stood then.
type Known<'a, M> = (&'a M, Standing);

impl<M: Machine> Actor<M> {
    /// Makes sure the cache holds the state as last seen.
    pub(super) async fn load(&mut self) -> Result<(), store::Error> {
        match self.kept.cached {
            Some(_) => Ok(()),
            // In a box, as is all that seldom happens: whoever waits for a commit has room for it otherwise.
            None => Box::pin(self.read()).await,
        }
    }

    async fn read(&mut self) -> Result<(), store::Error> {
        let losses = self.store().losses();
        match self.store().load(&self.key).await {
            Ok(stored) => self.adopt(stored, losses, None).await,
            Err(store::Error::Unreadable { .. }) => self.adopt(None, losses, None).await,
            Err(error) => Err(error),
        }
    }

    /// Takes over what the store holds. A state that cannot be decoded is set aside: the session
    /// starts afresh and stops nobody else. The same state may still be `known` as it was earlier.
    pub(super) async fn adopt(
        &mut self,
        stored: Option<Stored>,
        losses: u64,
        known: Option<Known<'_, M>>,
    ) -> Result<(), store::Error> {
        let around = &self.registry.0.around;
        let read = around.clock.monotonic();
        let mut as_of_ms = around.clock.now_ms();
        if let Some(stored) = stored {
            // Written ahead of the clock: it was set back since, and what counts is how long the
            // deadline was away then.
            as_of_ms = as_of_ms.max(stored.written_ms);
            match M::decode(&stored.state, &stored.settled).map(Box::new) {
                Ok(mut state) => {
                    let standing = Standing {
                        version: stored.version,
                        sequence: Some(stored.sequence),
                        losses,
                    };
                    let known = known.filter(|(_, then)| then.losses == losses);
                    self.recall(&mut state, &stored, known).await?;
                    self.kept.keep(state, standing);
                    self.kept.set_alarm(as_of_ms, read);
                    return Ok(());
                }
                Err(reason) => {
                    tracing::error!(key = %self.key, reason, "a state is unreadable and was set aside");
                    around.store.quarantine(&self.key, &reason).await?;
                }
            }
        }
        let standing = Standing {
            version: 0,
            sequence: None,
            losses,
        };
        self.kept.keep(Box::new(self.open()), standing);
        self.kept.set_alarm(as_of_ms, read);
        Ok(())
    }

    /// Gives a state back what its stored form leaves to the log.
    async fn recall(
        &self,
        state: &mut M,
        stored: &Stored,
        known: Option<Known<'_, M>>,
    ) -> Result<(), store::Error> {
        let policy = (self.registry.0.around.policy)(&self.key.product);
        let mut wants_more = state.recalls();
        if let Some((earlier, then)) = known.filter(|_| wants_more)
            && let Some(news) = news(stored, then.sequence)
        {
            wants_more = state.recall(Some(earlier), &news, &policy);
        }
        for limit in LOOKS_BACK {
            if !wants_more {
                break;
            }
            let newest = self.store().history(&self.key, limit).await?;
            // Nothing that was appended since is part of the state.
            let until = newest
                .iter()
                .filter(|entry| entry.sequence <= stored.sequence);
            let past: Vec<_> = until.map(past).collect();
            wants_more = state.recall(None, &past, &policy) && newest.len() == limit;
        }
        Ok(())
    }

    fn open(&self) -> M {
        let around = &self.registry.0.around;
        let policy = (around.policy)(&self.key.product);
        M::open(&self.key, &policy, around.clock.now_s())
    }
}

/// What was appended behind the entry `known`, newest first, if all of it was told.
fn news(stored: &Stored, known: Option<u64>) -> Option<Vec<Past<'_>>> {
    let count = stored.sequence.checked_sub(known?)?;
    (stored.news.len() as u64 == count).then(|| stored.news.iter().map(past).collect())
}

fn past(entry: &Entry) -> Past<'_> {
    Past {
        r#type: &entry.r#type,
        at: entry.at,
        source: &entry.source,
        body: &entry.body,
    }
}
