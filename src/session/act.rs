//! The last of decide, commit, act: what is written down may now be told.

use super::registry::{Inner, Written};
use crate::domain::id::Key;
use crate::domain::log::NewEntry;
use crate::domain::machine::Machine;
use crate::domain::proactive::Tally;
use crate::metrics::product_label;

/// Counts what was written, logs changes of state, and lets feed, outbox and mirror know.
pub(super) fn act<M: Machine>(inner: &Inner<M>, key: &Key, written: &Written<'_, M>) {
    let around = &inner.around;
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
    count(inner, key, &written.effects.tallies);
    around
        .metrics
        .user_properties_dropped
        .inc_by(written.effects.dropped_properties);
    (around.committed)(key, written);
}

/// Counts what was decided about offers, written down or not.
pub(super) fn count<M: Machine>(inner: &Inner<M>, key: &Key, tallies: &[Tally]) {
    let metrics = &inner.around.metrics;
    let is_named = inner.around.product_label;
    let product = product_label(is_named, key.product.as_str());
    // Triggers are named by whoever owns the product.
    let name = |trigger| product_label(is_named, trigger);
    for tally in tallies {
        let (counter, trigger, what) = match tally {
            Tally::Evaluated(names, asked) => {
                metrics.count_turn(key.product.as_str(), names, *asked, is_named);
                continue;
            }
            Tally::Trigger(trigger, what) => (&metrics.triggers, name(trigger), *what),
            Tally::Skipped(trigger, reason) => {
                let trigger = trigger.as_deref().map_or("", name);
                (&metrics.offers_skipped, trigger, *reason)
            }
        };
        counter.with_label_values(&[product, trigger, what]).inc();
    }
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
