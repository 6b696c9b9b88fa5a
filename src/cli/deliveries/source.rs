//! Whoever is asked about deliveries.

use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::chance::Chance;
use crate::cli::announce::store_name;
use crate::cli::connect::{Service, failed};
use crate::cli::run::complain;
use crate::cli::{serve, store};
use crate::client::{Connector, Error};
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::http::outbox;
use crate::store::Store;
use crate::store::sqlite::upkeep;
use crate::terminal::Advised;

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
    /// The service; or the configured store, if nobody listens where the configuration says, which is then said on
    /// standard error. Nothing stands in for a service that somebody has named.
    pub(super) async fn find(service: &Service, config: &Config) -> anyhow::Result<Self> {
        let connector = service.operator(config)?;
        // Whatever it answers, it is there.
        let away = match connector.get(&["healthz"], &[]).await {
            Err(away @ Error::NobodyListens(_)) if !service.is_named() => away,
            Err(away @ Error::NobodyListens(_)) => return Err(failed(away)),
            _ => return Ok(Self::Service(connector)),
        };
        let chance = Chance::system();
        let opened = open(config, &chance).with_context(|| away.to_string());
        let store = opened.map_err(|error| {
            let next =
                "event-connector serve; or, if it runs, say where with --url or CONNECTOR_URL";
            Advised::new(error, next)
        })?;
        let name = store_name(config);
        complain(&format!("{away}; this is from the store {name}"));
        Ok(Self::Store {
            store,
            clock: Clock::system(),
            chance,
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

/// The store as it is: looking at deliveries makes no file and changes no schema.
fn open(config: &Config, chance: &Chance) -> anyhow::Result<Arc<dyn Store>> {
    if config.store.backend == Backend::Sqlite {
        let plan = upkeep::plan(&store::options(config), None)?;
        if !plan.steps.is_empty() {
            bail!(
                "the schema of {} is older than this program; run event-connector migrate first",
                config.store.path.display()
            );
        }
    }
    serve::open_store(config, chance)
}
