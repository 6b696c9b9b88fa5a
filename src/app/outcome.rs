//! The way back: the end of a delivery returns to its session as an input like any other.

use std::sync::Arc;

use async_trait::async_trait;

use crate::delivery::Report;
use crate::domain::id::Key;
use crate::domain::session::{Input, Session, Settlement};
use crate::session::Registry;

/// Reports to the session's actor.
pub(super) struct ToSession(pub(super) Registry<Session>);

#[async_trait]
impl Report for ToSession {
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String> {
        let correlation_id = Arc::from(settlement.delivery.as_str());
        let asked = self.0.ask(key, Input::Settled(settlement), correlation_id);
        asked.await.map(drop).map_err(|error| error.to_string())
    }
}
