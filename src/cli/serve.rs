//! `serve`: the service itself.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::store;
use crate::app::{App, Parts};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::product::{Catalogue, Error, Fingerprint, Products, Source};
use crate::store::Store;
use crate::store::sqlite::Sqlite;
use crate::tasks::Tasks;
use crate::telemetry;

/// Runs until SIGTERM or SIGINT; SIGHUP reloads the products.
pub(super) async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::install(&config.log);
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    let source = Source::new(&config.products.path, &config.products.inline);
    let (products, seen) = first_products(&source)?;
    let store = open_store(&config)?;
    let listener = TcpListener::bind(config.http.bind)
        .await
        .with_context(|| format!("cannot listen on {}", config.http.bind))?;
    let reload = Arc::new(Notify::new());
    let parts = Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        store,
        products,
        source: Some((source, seen, Arc::clone(&reload))),
    };
    let app = App::build(parts)?;
    announce(&app, listener.local_addr()?);
    let finished = app.serve(listener, until_told(reload)?).await?;
    if finished {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped before everything was finished; it goes on at the next start");
    }
    Ok(ExitCode::SUCCESS)
}

fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let store = Sqlite::open(store::options(config), &|name, work| {
        Tasks::thread(name, work)
    })
    .with_context(|| format!("cannot open the store {}", config.store.path.display()))?;
    Ok(Arc::new(store))
}

/// The list as it is at the start. A missing file means no products yet; a list with bad rows
/// starts with the good ones; a list that is none at all is a mistake.
fn first_products(source: &Source) -> anyhow::Result<(Products, Option<Fingerprint>)> {
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(Error::Missing(path)) => {
            tracing::warn!(path = %path.display(), "no products yet: there is no such file");
            return Ok((Products::default(), None));
        }
        Err(error) => bail!(error),
    };
    let catalogue = Catalogue::parse(loaded.text.expose_secret())?;
    for problem in &catalogue.problems {
        tracing::error!("a product row is wrong and left out: {problem}");
    }
    for (product, notice) in catalogue.notices() {
        tracing::warn!(product_id = product.as_str(), "{notice}");
    }
    Ok((Products::new(catalogue), Some(loaded.fingerprint)))
}

fn announce(app: &App, address: std::net::SocketAddr) {
    let state = app.state();
    let products = state.products.all();
    tracing::info!(
        %address,
        store = %state.config.store.path.display(),
        products = products.len(),
        version = env!("CARGO_PKG_VERSION"),
        "listening on http://{address}"
    );
    let base = match state.config.http.public_url.as_str() {
        "" => format!("http://{address}"),
        url => url.to_owned(),
    };
    for product in products {
        tracing::info!(
            product_id = product.id.as_str(),
            "product {id}: ingest {base}/ingest/{id}, feed {base}/stream/{id}",
            id = product.id
        );
    }
    if state.config.admin.key.expose_secret().is_empty() {
        tracing::warn!("admin.key is not set: GET /sessions/… refuses everybody");
    }
}

/// Completes at the first SIGTERM or SIGINT. SIGHUP nudges `reload` meanwhile.
fn until_told(reload: Arc<Notify>) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => reload.notify_one(),
            }
        }
        tracing::info!("stopping");
    })
}
