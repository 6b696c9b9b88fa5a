//! What handlers reach: handles only, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::attempt::AttemptRecord;
use crate::domain::id::ProductId;
use crate::domain::session::Session;
use crate::feed::Feed;
use crate::metrics::{Metrics, product_label};
use crate::product::{LabelSource, Product, Products};
use crate::registration::Directory;
use crate::session::linker::Linker;
use crate::session::{Eraser, Registry};
use crate::spool::Intake;
use crate::store::Store;
use crate::unkey::Verifier;

use super::admission::Admission;
use super::problem::Problem;

/// Sends one test to a product's push target under an identifier; answers what came of it, or `None` where
/// there is no target.
pub type PushTest =
    Arc<dyn Fn(ProductId, String) -> BoxFuture<'static, Option<AttemptRecord>> + Send + Sync>;

/// Shared by all handlers. Cheap to clone, because every layer of every request does.
#[derive(Clone)]
pub struct AppState(Arc<Handles>);

/// The handles themselves.
pub struct Handles {
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
    /// Where activity comes in.
    pub intake: Intake,
    /// The way from conversations to sessions.
    pub linker: Linker,
    /// Products that are registered.
    pub directory: Directory,
    /// Who verifies readers' keys that were not issued here, if anybody does.
    pub unkey: Option<Verifier>,
    /// What forgets people.
    pub eraser: Eraser,
    /// The live feed.
    pub feed: Feed,
    /// What was written.
    pub store: Arc<dyn Store>,
    /// Counters.
    pub metrics: Metrics,
    /// What all requests share.
    pub admission: Admission,
    /// Cancelled once the service is told to stop.
    pub stopping: CancellationToken,
    /// Whom to tell that an operator has a product's delivery sent again.
    pub replayed: Arc<dyn Fn(&ProductId) + Send + Sync>,
    /// Who suggests labels for buttons.
    pub labels: Arc<dyn LabelSource>,
    /// Who can call a product's push target.
    pub push_test: PushTest,
}

impl Deref for AppState {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

impl From<Handles> for AppState {
    fn from(handles: Handles) -> Self {
        Self(Arc::new(handles))
    }
}

impl AppState {
    /// The product named in a path: trimmed, compared as a string (contract 0.3).
    pub async fn product(&self, id: &str) -> Result<Arc<Product>, Problem> {
        let found = self.directory.product(&ProductId::from(id.trim())).await;
        found?.ok_or_else(Problem::unknown_product)
    }

    /// The `product` label, which an operator may switch off.
    pub fn product_label<'a>(&self, id: &'a str) -> &'a str {
        product_label(self.config.metrics.product_label, id)
    }
}
