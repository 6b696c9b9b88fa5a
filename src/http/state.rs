//! What handlers reach: handles only, cheap to clone.

use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::ProductId;
use crate::domain::session::Session;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::product::{Product, Products};
use crate::session::linker::Linker;
use crate::session::{Eraser, Registry};
use crate::store::Store;

use super::problem::Problem;

/// Shared by all handlers.
#[derive(Clone)]
pub struct AppState {
    /// Limits and keys.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Clock,
    /// Request ids.
    pub chance: Chance,
    /// Who may post here.
    pub products: Products,
    /// The way to every session.
    pub sessions: Registry<Session>,
    /// The way from conversations to sessions.
    pub linker: Linker,
    /// What forgets people.
    pub eraser: Eraser,
    /// The live feed.
    pub feed: Feed,
    /// What was written.
    pub store: Arc<dyn Store>,
    /// Counters.
    pub metrics: Metrics,
}

impl AppState {
    /// The product named in a path: trimmed, compared as a string (contract 0.3).
    pub fn product(&self, id: &str) -> Result<Arc<Product>, Problem> {
        self.products
            .get(&ProductId::from(id.trim()))
            .ok_or_else(Problem::unknown_product)
    }

    /// The `product` label, which an operator may switch off.
    pub fn product_label<'a>(&self, id: &'a str) -> &'a str {
        if self.config.metrics.product_label {
            id
        } else {
            ""
        }
    }
}
