//! Whoever is asked about deliveries.

use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;

use crate::chance::Chance;
use crate::cli::connect::{Service, failed};
use crate::cli::found::Found;
use crate::client::Connector;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::outbox;
use crate::store::Store;

/// A running service, or the store of one that does not run.
pub(super) enum Source {
    Service(Connector),
    Store {
        store: Arc<dyn Store>,
        clock: Clock,
        chance: Chance,
    },
}

impl Source {
    /// The service, or the configured store.
    pub(super) async fn find(service: &Service, config: &Config) -> anyhow::Result<Self> {
        let chance = Chance::system();
        Ok(match Found::by(service, config, &chance).await? {
            Found::Service(connector) => Self::Service(connector),
            Found::Store(store) => Self::Store {
                store,
                clock: Clock::system(),
                chance,
            },
        })
    }

    /// One page of a listing.
    pub(super) async fn list(&self, filters: &[(String, String)]) -> anyhow::Result<Value> {
        match self {
            Self::Service(connector) => connector
                .get(&["deliveries"], filters)
                .await
                .map_err(failed),
            Self::Store { store, .. } => {
                let query = outbox::read_query(filters.iter().cloned())?;
                Ok(outbox::list(&**store, &query).await?)
            }
        }
    }

    /// One delivery with everything about it.
    pub(super) async fn show(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Service(connector) => connector
                .get(&["deliveries", id], &[])
                .await
                .map_err(failed),
            Self::Store { store, .. } => {
                let shown = outbox::show(&**store, id).await?;
                shown.context(outbox::UNKNOWN)
            }
        }
    }

    /// Has a delivery sent again; answers which one that is.
    pub(super) async fn replay(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Service(connector) => {
                let path = ["deliveries", id, "replay"];
                connector.post(&path, None).await.map_err(failed)
            }
            Self::Store {
                store,
                clock,
                chance,
            } => {
                let sent = outbox::replay(&**store, clock, chance, id).await?;
                Ok(sent.context(outbox::UNKNOWN)?.shown)
            }
        }
    }

    /// Has a note taken back; answers the delivery that does it.
    pub(super) async fn redact(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Service(connector) => {
                let path = ["deliveries", id, "redact"];
                connector.post(&path, None).await.map_err(failed)
            }
            Self::Store { .. } => anyhow::bail!(
                "no service runs, and a note is taken back by one; start it, or name it with --url"
            ),
        }
    }

    /// Whether what is to be sent waits for a service to be started.
    pub(super) fn is_asleep(&self) -> bool {
        matches!(self, Self::Store { .. })
    }

    pub(super) async fn close(self) {
        if let Self::Store { store, .. } = self {
            store.close().await;
        }
    }
}
