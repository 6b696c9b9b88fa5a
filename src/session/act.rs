//! The last of decide, commit, act: what is written down may now be told.

use super::registry::{Surroundings, Written};
use crate::domain::id::Key;
use crate::domain::log::NewEntry;
use crate::domain::machine::Machine;

/// Counts what was written, logs changes of state, and lets feed, outbox and mirror know.
pub(super) fn act<M: Machine>(around: &Surroundings<M>, key: &Key, written: &Written<'_, M>) {
    for entry in &written.effects.entries {
        let counter = &around.metrics.log_entries;
        counter.with_label_values(&[entry.r#type.as_str()]).inc();
        if !entry.r#type.on_feed() {
            tell(key, entry);
        }
    }
    around
        .metrics
        .window_trimmed
        .inc_by(written.effects.trimmed_actions);
    (around.committed)(key, written);
}

/// One line for a change of state, queryable by its fields. The entry's body stays in the store: it
/// may name what a user did.
fn tell(key: &Key, entry: &NewEntry) {
    tracing::info!(
        product_id = %key.product,
        session_id = &*key.id,
        user_id = entry.user_id.as_deref(),
        event_type = entry.r#type.as_str(),
        source = entry.source,
        correlation_id = &*entry.correlation_id,
        "session {}: {}",
        key.id,
        entry.r#type.as_str()
    );
}
