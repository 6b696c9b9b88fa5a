//! Whoever answers a command: a running service, or the store of one that does not run.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::announce::store_name;
use super::connect::{Service, failed};
use super::run::complain;
use super::{serve, store};
use crate::app::Parts;
use crate::chance::Chance;
use crate::client::{Connector, Error};
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::metrics::Metrics;
use crate::product::Source;
use crate::store::Store;
use crate::store::sqlite::upkeep;
use crate::terminal::Advised;

/// Who it is.
pub(super) enum Found {
    Service(Connector),
    Store(Arc<dyn Store>),
}

impl Found {
    /// The service; or the configured store, if nobody listens where the configuration says, which is then said on
    /// standard error. Nothing stands in for a service that somebody has named.
    pub(super) async fn by(
        service: &Service,
        config: &Config,
        chance: &Chance,
    ) -> anyhow::Result<Self> {
        let connector = service.operator(config)?;
        // Whatever it answers, it is there.
        let away = match connector.get(&["healthz"], &[]).await {
            Err(away @ Error::NobodyListens(_)) if !service.is_named() => away,
            Err(away @ Error::NobodyListens(_)) => return Err(failed(away)),
            _ => return Ok(Self::Service(connector)),
        };
        let opened = open(config, chance).with_context(|| away.to_string());
        let store = opened.map_err(|error| {
            let next =
                "event-connector serve; or, if it runs, say where with --url or CONNECTOR_URL";
            Advised::new(error, next)
        })?;
        let name = store_name(config);
        complain(&format!("{away}; the store {name} answers instead"));
        Ok(Self::Store(store))
    }
}

/// What `serve` would build its app on, with this store.
pub(super) fn parts(
    config: Config,
    chance: Chance,
    store: Arc<dyn Store>,
) -> anyhow::Result<Parts> {
    let source = Source::new(&config.products.path, &config.products.inline);
    let (products, _) = serve::first_products(&source)?;
    Ok(Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance,
        metrics: Metrics::new(),
        store,
        spool: None,
        products,
        source: None,
    })
}

/// The store as it is: looking at it makes no file and changes no schema.
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
