//! What a test wants of its service.

use std::path::Path;
use std::sync::Arc;

use event_connector::clock::Clock;
use event_connector::spool::Spool;
use event_connector::store::Store;
use serde_json::{Value, json};

/// What differs from the documented defaults.
pub(crate) struct Setup {
    /// Pairs of `CONNECTOR__…` variables.
    pub env: Vec<(String, String)>,
    /// What the product is registered with.
    pub(crate) integration_type: &'static str,
    /// Laid over the product's `integration_config`.
    pub integration: Value,
    /// Time.
    pub clock: Clock,
    /// More products, with the same secret and no platform.
    pub(crate) more_products: &'static [&'static str],
    /// Opens the store, where it is not `SQLite` as it is.
    pub(crate) store: Option<Opener>,
    /// Where activity is kept while the store is away.
    pub(crate) spool: Option<Spool>,
}

/// Opens a store at a path.
pub(crate) type Opener = Box<dyn FnOnce(&Path) -> Arc<dyn Store> + Send>;

impl Default for Setup {
    fn default() -> Self {
        Self {
            env: Vec::new(),
            integration_type: "intercom",
            integration: json!({}),
            clock: Clock::system(),
            more_products: &[],
            store: None,
            spool: None,
        }
    }
}

impl Setup {
    pub(crate) fn with(variable: &str, value: &str) -> Self {
        Self::default().and(variable, value)
    }

    pub(crate) fn and(mut self, variable: &str, value: &str) -> Self {
        self.env.push((variable.to_owned(), value.to_owned()));
        self
    }
}
