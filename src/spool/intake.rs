//! Where activity comes in: to its session, or into the spool while the store is away.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Share, Spool};
use crate::clock::Clock;
use crate::domain::action::Activity;
use crate::domain::id::Key;
use crate::domain::session::{Input, Reply, Session};
use crate::metrics::Metrics;
use crate::session::{self, Registry};
use crate::store;

/// Takes activity in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    sessions: Registry<Session>,
    overflow: Option<Overflow>,
}

/// What there is beside the sessions.
#[derive(Clone)]
struct Overflow {
    spool: Spool,
    /// How long a session may take before its share is spooled.
    wait: Duration,
    clock: Clock,
    metrics: Metrics,
}

/// What became of a share that was taken in.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// Its session has it.
    Now(Reply),
    /// It is on this instance's disk, and its session gets it once the store is back.
    Spooled,
}

/// Why a share was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its session did not take it, and there is no spool for it.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The store is away, or what waited for it is still on its way there, and the spool has no room left.
    #[error("the spool is full")]
    Full,
}

impl Intake {
    /// Without a spool everything goes to its session, or is refused.
    pub fn new(sessions: Registry<Session>) -> Self {
        Self {
            sessions,
            overflow: None,
        }
    }

    /// The same with a spool for what a session has not taken in after `wait`.
    #[must_use]
    pub fn with_spool(self, spool: Spool, wait: Duration, clock: Clock, metrics: Metrics) -> Self {
        Self {
            overflow: Some(Overflow {
                spool,
                wait,
                clock,
                metrics,
            }),
            ..self
        }
    }

    /// The spool, if there is one.
    pub fn spool(&self) -> Option<&Spool> {
        self.overflow.as_ref().map(|overflow| &overflow.spool)
    }

    /// Takes a share in. When this returns, it is durable: in the store, or on this instance's disk.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; the share may be repeated.
    pub async fn take(
        &self,
        key: Key,
        activity: Activity,
        correlation_id: Arc<str>,
    ) -> Result<Taken, Refusal> {
        let activity = Arc::new(activity);
        let ask = || {
            let input = Input::Activity(Arc::clone(&activity));
            self.sessions.ask(&key, input, Arc::clone(&correlation_id))
        };
        let Some(overflow) = &self.overflow else {
            return Ok(Taken::Now(ask().await?));
        };
        let is_behind = overflow.spool.is_in_use();
        if !is_behind {
            // A session that answers too late may have it all the same; it recognises it then.
            match overflow.clock.timeout(overflow.wait, ask()).await {
                Some(Ok(reply)) => return Ok(Taken::Now(reply)),
                Some(Err(error)) if !is_away(&error) => return Err(error.into()),
                Some(Err(_)) | None => {}
            }
        }
        let share = Share {
            key: key.clone(),
            correlation_id: Arc::clone(&correlation_id),
            activity: Arc::clone(&activity),
        };
        let appended = overflow.spool.append(&share).await;
        let outcome = if appended.is_ok() { "kept" } else { "refused" };
        let counter = &overflow.metrics.spool_shares;
        counter.with_label_values(&[outcome]).inc();
        match appended {
            Ok(()) => Ok(Taken::Spooled),
            Err(store::Error::Full) => Err(Refusal::Full),
            // The spool itself is broken: better out of turn than not at all.
            Err(_) if is_behind => Ok(Taken::Now(ask().await?)),
            Err(error) => Err(session::Error::NotWritten(error).into()),
        }
    }
}

/// Whether the store cannot be written to at the moment, whoever asks.
pub(super) fn is_away(error: &session::Error) -> bool {
    use crate::store::Error::{Full, Overloaded, Unavailable};
    matches!(
        error,
        session::Error::NotWritten(Full | Overloaded | Unavailable(_))
    )
}
