//! Wakes keys whose deadline passed while nobody was live: after a restart, after passivation, or
//! because the instance that kept the timer is gone.

use std::time::Duration;

use super::registry::Registry;
use crate::domain::machine::Machine;

/// The most keys claimed in one round, so that a restart with many overdue sessions loads gradually.
const CLAIM_MAX: usize = 500;

/// For how long a claimed key is left to whoever claimed it.
const CLAIM: Duration = Duration::from_secs(30);

/// Runs until the service stops. Every `interval` it claims what is overdue by as much, because live
/// actors serve their own deadlines; only the first round takes everything that waited for a restart.
/// A full round is followed by the next at once, as long as there is room for live keys.
pub async fn run<M: Machine>(registry: Registry<M>, interval: Duration) {
    let around = &registry.0.around;
    let mut grace_ms = 0;
    loop {
        let claimed = sweep(&registry, grace_ms).await;
        let room = registry.0.limits.live_max.saturating_sub(registry.live());
        if claimed == CLAIM_MAX && room > 0 {
            continue;
        }
        grace_ms = u64::try_from(interval.as_millis()).unwrap_or(0);
        tokio::select! {
            biased;
            () = around.tasks.stopping() => return,
            () = around.clock.sleep(interval) => {}
        }
    }
}

/// Wakes everything that is due now, for a last time before a stop; returns how many keys that were.
pub async fn flush<M: Machine>(registry: &Registry<M>) -> usize {
    let mut woken = 0;
    loop {
        let claimed = sweep(registry, 0).await;
        woken += claimed;
        if claimed < CLAIM_MAX {
            return woken;
        }
    }
}

async fn sweep<M: Machine>(registry: &Registry<M>, grace_ms: u64) -> usize {
    let around = &registry.0.around;
    let room = registry.0.limits.live_max.saturating_sub(registry.live());
    let now_ms = around.clock.now_ms();
    let until_ms = now_ms + u64::try_from(CLAIM.as_millis()).unwrap_or(0);
    let overdue_ms = now_ms.saturating_sub(grace_ms);
    let limit = CLAIM_MAX.min(room.max(1));
    match around
        .store
        .claim_overdue(overdue_ms, until_ms, limit)
        .await
    {
        Ok(keys) => {
            around.metrics.sessions_swept.inc_by(keys.len() as u64);
            for key in &keys {
                registry.wake(key);
            }
            keys.len()
        }
        Err(error) => {
            tracing::warn!(%error, "overdue sessions could not be read");
            0
        }
    }
}
