//! The service on a store that forgets at once: everything it does but writing down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use event_connector::app::{App, Parts};
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::domain::id::{DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset};
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products};
use event_connector::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Outcome, Retention, Retry, Store, Stored,
};
use event_connector::terminal::Terminal;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

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
    let app = App::build(Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        store: Arc::new(Null),
        products: Products::new(rows),
        source: None,
    })?;
    super::announce(listener.local_addr()?);
    app.serve(listener, std::future::pending()).await;
    Ok(())
}

/// Takes everything and keeps nothing.
struct Null;

#[async_trait]
impl Store for Null {
    async fn load(&self, _: &Key) -> Result<Option<Stored>, Error> {
        Ok(None)
    }

    async fn commit(&self, _: Arc<Commit>) -> Outcome {
        Outcome::Committed
    }

    async fn index(
        &self,
        _: &ProductId,
        keys: &[IndexKey],
        _: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        Ok(vec![None; keys.len()])
    }

    async fn history(&self, _: &Key, _: usize) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }

    async fn feed(&self, _: &ProductId, _: Offset, _: usize) -> Result<FeedPage, Error> {
        Ok(FeedPage::default())
    }

    async fn head(&self, _: &ProductId) -> Result<Offset, Error> {
        Ok(Offset::default())
    }

    async fn lease(&self, _: LeaseRequest) -> Result<Vec<Lease>, Error> {
        Ok(Vec::new())
    }

    async fn retry(&self, _: Retry) -> Result<(), Error> {
        Ok(())
    }

    async fn next_delivery_ms(&self, _: &[ProductId]) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    async fn deliveries(&self, _: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        Ok(DeliveryPage::default())
    }

    async fn delivery(&self, _: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        Ok(None)
    }

    async fn replay(
        &self,
        _: &DeliveryId,
        _: DeliveryId,
        _: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        Ok(None)
    }

    async fn recorded_parts(&self, _: &str, _: &[PartId]) -> Result<Vec<PartId>, Error> {
        Ok(Vec::new())
    }

    async fn claim_overdue(&self, _: u64, _: u64, _: usize) -> Result<Vec<Key>, Error> {
        Ok(Vec::new())
    }

    async fn quarantine(&self, _: &Key, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn park(&self, _: &Key, _: u64, _: &str, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn age(&self, _: u64, _: Retention) -> Result<Aged, Error> {
        Ok(Aged::default())
    }

    async fn depth(&self) -> Result<Depth, Error> {
        Ok(Depth::default())
    }

    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn close(&self) {}
}
