//! Combining batches as published clients do. Nothing of ours merges, so it lives with the cases.

use event_connector::client::{ActionsPayload, Field};
use serde_json::Value;

/// The batches as one: actions in the order of their batches, numbered from 0; the first batch's
/// product and session; the first truthy value of each identity; the latest hand-off. `None` for
/// no batches.
pub(crate) fn merge(payloads: &[ActionsPayload]) -> Option<ActionsPayload> {
    let first = payloads.first()?;
    let actions: Vec<_> = payloads
        .iter()
        .flat_map(|payload| payload.actions.iter().cloned())
        .zip(0_u64..)
        .map(|(mut action, index)| {
            action.index = Field::from(Value::from(index));
            action
        })
        .collect();
    let identity = |field: fn(&ActionsPayload) -> &Field| {
        let mut values = payloads.iter().map(field);
        values
            .find(|value| value.is_truthy())
            .cloned()
            .unwrap_or_default()
    };
    let mut latest = &first.forwarded_at;
    for payload in payloads {
        if payload.forwarded_at.as_f64() > latest.as_f64() {
            latest = &payload.forwarded_at;
        }
    }
    Some(ActionsPayload {
        product_id: first.product_id.clone(),
        session_id: first.session_id.clone(),
        user_id: identity(|payload| &payload.user_id),
        email: identity(|payload| &payload.email),
        conversation_id: identity(|payload| &payload.conversation_id),
        count: Field::from(Value::from(actions.len())),
        actions,
        forwarded_at: latest.clone(),
    })
}
