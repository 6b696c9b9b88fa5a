//! The service on a store that forgets at once: everything it does but writing down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use event_connector::app::{App, Parts};
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products};
use event_connector::store::Outcome;
use event_connector::store::memory::Memory;
use event_connector::terminal::Terminal;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::around::Around;
use crate::row::service;

pub(super) async fn serve(bind: SocketAddr, directory: PathBuf) -> anyhow::Result<()> {
    let listener = TcpListener::bind(bind).await?;
    let products = service::products(&[service::Product::feed("acme")]);
    let settings = service::environment(&directory, bind, &products);
    let config = Config::load(LoadOptions {
        file: None,
        env: settings,
    })?;
    event_connector::telemetry::install(&config.log, Terminal::stderr(&[]));
    let rows = Catalogue::parse(config.products.inline.expose_secret())?;
    let empty = Arc::new(Memory::new());
    let app = App::build(Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        spool: None,
        store: Arc::new(Around::new(empty, |_, _| async { Outcome::Committed })),
        products: Products::new(rows),
        source: None,
    })?;
    super::announce(listener.local_addr()?);
    app.serve(listener, std::future::pending()).await;
    Ok(())
}
