//! The way back: the end of a delivery returns to its session as an input like any other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::delivery::Report;
use crate::domain::id::Key;
use crate::domain::session::{Input, Session, Settlement};
use crate::session::{Error, Registry};

/// How often a session is told again that could not listen. Giving up costs no more than a look into
/// the conversation once the lease has run out.
const TRIES_MAX: u32 = 5;

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports to the session's actor, again for a while when that cannot listen.
pub struct ToSession {
    /// The way to the actors.
    pub sessions: Registry<Session>,
    /// Time between two tries.
    pub clock: Clock,
}

#[async_trait]
impl Report for ToSession {
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String> {
        let correlation_id: Arc<str> = Arc::from(settlement.delivery.as_str());
        let mut pause = PAUSE;
        for tried in 1.. {
            let input = Input::Settled(settlement.clone());
            match self
                .sessions
                .ask(key, input, Arc::clone(&correlation_id))
                .await
            {
                Ok(_) => break,
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
