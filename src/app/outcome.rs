//! The way back: the end of a delivery returns to its session as an input like any other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::delivery::Report;
use crate::domain::id::Key;
use crate::domain::log::Effects;
use crate::domain::session::{Input, Session, Settlement};
use crate::session::{Error, Registry};
use crate::store::{self, Commit, Outcome, Store};

/// How often an end is told again that nobody could listen to. Giving up costs no more than a look into the
/// conversation, or another push, once the lease has run out.
const TRIES_MAX: u32 = 5;

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports to the session's actor, or to the store where no session has to hear of it; again for a while when
/// that fails.
pub struct ToSession {
    /// The way to the actors.
    pub sessions: Registry<Session>,
    /// Where deliveries are.
    pub store: Arc<dyn Store>,
    /// Identifiers of commits.
    pub chance: Chance,
    /// Time, also between two tries.
    pub clock: Clock,
}

#[async_trait]
impl Report for ToSession {
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String> {
        let mut pause = PAUSE;
        for tried in 1.. {
            let told = match settlement.alone() {
                Some(effects) => self.write(key, effects).await,
                None => self.tell(key, &settlement).await,
            };
            match told {
                Ok(()) => break,
                Err(Error::Overloaded | Error::NotWritten(_)) if tried < TRIES_MAX => {
                    self.clock.sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

impl ToSession {
    async fn tell(&self, key: &Key, settlement: &Settlement) -> Result<(), Error> {
        let correlation_id: Arc<str> = Arc::from(settlement.delivery.as_str());
        let input = Input::Settled(settlement.clone());
        let told = self.sessions.ask(key, input, correlation_id);
        told.await.map(drop)
    }

    /// Writes what needs no state. It changes nothing the second time.
    async fn write(&self, key: &Key, effects: Effects) -> Result<(), Error> {
        let commit = Commit {
            id: self.chance.bytes(),
            product: key.product.clone(),
            now_ms: self.clock.now_ms(),
            state: None,
            effects,
            guards: Vec::new(),
        };
        match self.store.commit(Arc::new(commit)).await {
            Outcome::Committed => Ok(()),
            Outcome::NotWritten(error) | Outcome::Unknown(error) => Err(Error::NotWritten(error)),
            Outcome::Conflict(_) => {
                let error = "it conflicted although it rests on nothing";
                Err(Error::NotWritten(store::Error::Backend(error.into())))
            }
        }
    }
}
