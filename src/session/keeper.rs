//! The one timer of all keys at rest.

use super::registry::Registry;
use crate::domain::machine::Machine;

/// Rouses keys at their deadlines and puts idle ones to sleep. Ends when nobody rests, or when the
/// service stops and what is due was roused for a last time; whoever rests next starts it again.
pub(super) async fn run<M: Machine>(registry: Registry<M>) {
    let inner = &registry.0;
    let clock = &inner.around.clock;
    while let Some(next) = registry.look() {
        if clock.has_come(next) {
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            biased;
            () = inner.around.tasks.stopping() => {
                while registry.look().is_some_and(|next| clock.has_come(next)) {}
                inner.lock().next_look = None;
                return;
            }
            () = inner.sooner.notified() => {}
            () = clock.sleep_until(next) => {}
        }
    }
}
