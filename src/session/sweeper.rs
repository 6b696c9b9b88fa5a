//! Wakes keys whose deadline passed while nobody was live: after a restart, after passivation, or
//! because the instance that kept the timer is gone.

use std::time::Duration;

use super::registry::Registry;
use crate::clock::Drift;
use crate::domain::machine::Machine;

/// The most keys claimed in one round, so that a restart with many overdue sessions loads gradually.
const CLAIM_MAX: usize = 500;

/// For how long a claimed key is left to whoever claimed it: about as long as it takes to serve one. Who takes longer
/// has it woken once more; who has died meanwhile does not keep it from others.
const CLAIM: Duration = Duration::from_secs(1);

/// By how much the clock must have been set back to be noticed, milliseconds; deadlines are late by no
/// more than that.
const SET_BACK_MS: i64 = 1_000;

/// Which keys a round claims.
#[derive(Clone, Copy)]
enum Wanted {
    /// Those whose deadline passed this many milliseconds ago.
    Overdue(u64),
    /// Those that were written before the clock was set back.
    Ahead,
}

/// Runs until the service stops. Every `interval` it claims what is overdue by as much, because live
/// actors serve their own deadlines; only the first round takes everything that waited for a restart.
/// A full round is followed by the next at once, as long as there is room for live keys.
///
/// At the start, and whenever the clock was set back, it also wakes keys whose deadlines were written
/// by a clock that was ahead: their actors know how long to wait all the same.
pub async fn run<M: Machine>(registry: Registry<M>, interval: Duration) {
    let around = &registry.0.around;
    let mut drift = Drift::new(&around.clock);
    let mut grace_ms = 0;
    let mut looks_ahead = true;
    loop {
        looks_ahead |= drift.look() <= -SET_BACK_MS;
        if looks_ahead {
            let limit = limit(&registry);
            looks_ahead = sweep(&registry, Wanted::Ahead, limit)
                .await
                .is_none_or(|n| n == limit);
        }
        let limit = limit(&registry);
        let claimed = sweep(&registry, Wanted::Overdue(grace_ms), limit).await;
        let room = registry.0.limits.live_max.saturating_sub(registry.live());
        if claimed == Some(CLAIM_MAX) && room > 0 {
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
        let limit = limit(registry);
        let claimed = sweep(registry, Wanted::Overdue(0), limit)
            .await
            .unwrap_or(0);
        woken += claimed;
        if claimed < limit {
            return woken;
        }
    }
}

/// How many keys there is room for in one round.
fn limit<M: Machine>(registry: &Registry<M>) -> usize {
    let room = registry.0.limits.live_max.saturating_sub(registry.live());
    CLAIM_MAX.min(room.max(1))
}

/// Claims keys and wakes them; answers how many, or `None` when the store could not be read.
async fn sweep<M: Machine>(registry: &Registry<M>, wanted: Wanted, limit: usize) -> Option<usize> {
    let around = &registry.0.around;
    let now_ms = around.clock.now_ms();
    let until_ms = now_ms + u64::try_from(CLAIM.as_millis()).unwrap_or(0);
    let store = &around.store;
    let claimed = match wanted {
        Wanted::Overdue(grace_ms) => {
            let overdue_ms = now_ms.saturating_sub(grace_ms);
            store.claim_overdue(overdue_ms, until_ms, limit).await
        }
        Wanted::Ahead => store.claim_ahead(now_ms, until_ms, limit).await,
    };
    match claimed {
        Ok(keys) => {
            around.metrics.sessions_swept.inc_by(keys.len() as u64);
            for key in &keys {
                registry.wake(key);
            }
            Some(keys.len())
        }
        Err(error) => {
            error.report("overdue sessions could not be read");
            None
        }
    }
}
