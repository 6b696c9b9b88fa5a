//! The one timer of all keys at rest.

use super::registry::Registry;
use crate::domain::machine::Machine;

/// Rouses keys at their deadlines and puts idle ones to sleep. Ends when nobody rests, or when the
/// service stops and what is due was roused for a last time; whoever rests next starts it again.
pub(super) async fn run<M: Machine>(registry: Registry<M>) {
    let inner = &registry.0;
    while let Some(wait) = registry.look() {
        if wait.is_zero() {
            // There is more than is done under one lock.
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            biased;
            () = inner.around.tasks.stopping() => {
                while registry.look().is_some_and(|wait| wait.is_zero()) {}
                inner.lock().next_look = None;
                return;
            }
            () = inner.sooner.notified() => {}
            () = inner.around.clock.sleep(wait) => {}
        }
    }
}
