//! Builds of the service that are broken on purpose, to prove that the tests would notice.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_connector::app::{App, Parts};
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::domain::id::{Key, PartId, ProductId};
use event_connector::domain::log::{IndexKey, Offset};
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products, Source};
use event_connector::store::sqlite::{Options, Sqlite, Synchronous};
use event_connector::store::{
    Aged, Commit, Depth, Entry, Error, FeedPage, Lease, Outcome, Retention, Retry, Store, Stored,
};
use event_connector::tasks::Tasks;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

/// The first argument of this binary when it is to be a broken service.
pub const FLAG: &str = "--broken-service";

/// How late the early acknowledger commits.
const LATE: Duration = Duration::from_millis(5);

/// Serves until killed. Arguments: the kind of breakage, the configuration file.
pub fn serve(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let kind = arguments.next().expect("the kind of breakage");
    let file = arguments.next().expect("a configuration file");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(&kind, &file));
    ExitCode::SUCCESS
}

async fn run(kind: &str, file: &str) {
    let config = Config::load(LoadOptions {
        file: Some(file.into()),
        env: Vec::new(),
    });
    let config = config.expect("a valid configuration");
    let source = Source::new(&config.products.path, &config.products.inline);
    let rows = source.load().expect("products").text;
    let products = Products::new(Catalogue::parse(rows.expose_secret()).expect("a list"));
    let never_syncs = kind == "never-syncs";
    let options = Options {
        path: config.store.path.clone(),
        synchronous: if never_syncs { Synchronous::Off } else { Synchronous::Full },
        ..Options::default()
    };
    let sqlite = Sqlite::open(options, &|name, work| Tasks::thread(name, work)).expect("a store");
    let sqlite: Arc<dyn Store> = Arc::new(sqlite);
    let store = if never_syncs { sqlite } else { Arc::new(EarlyAck(sqlite)) };
    let listener = TcpListener::bind(config.http.bind).await.expect("a port");
    eprintln!("listening on http://{}", listener.local_addr().expect("an address"));
    let app = App::build(Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        store,
        products,
        source: None,
    });
    let served = app.expect("an application").serve(listener, std::future::pending());
    served.await.expect("serving");
}

/// Says "committed" at once and commits a little later: the mistake that the kill rounds must find.
/// Versions are kept in order by committing one after the other.
struct EarlyAck(Arc<dyn Store>);

#[async_trait]
impl Store for EarlyAck {
    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        let store = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(LATE).await;
            store.commit(commit).await
        });
        Outcome::Committed
    }

    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.0.load(key).await
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        self.0.index(product, keys, now_ms).await
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        self.0.history(key, limit).await
    }

    async fn feed(&self, product: &ProductId, after: Offset, limit: usize) -> Result<FeedPage, Error> {
        self.0.feed(product, after, limit).await
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        self.0.head(product).await
    }

    async fn lease(&self, now_ms: u64, until_ms: u64, limit: usize) -> Result<Vec<Lease>, Error> {
        self.0.lease(now_ms, until_ms, limit).await
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        self.0.retry(retry).await
    }

    async fn next_delivery_ms(&self) -> Result<Option<u64>, Error> {
        self.0.next_delivery_ms().await
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        self.0.recorded_parts(lane, parts).await
    }

    async fn claim_overdue(&self, now_ms: u64, until_ms: u64, limit: usize) -> Result<Vec<Key>, Error> {
        self.0.claim_overdue(now_ms, until_ms, limit).await
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        self.0.quarantine(key, reason).await
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        self.0.park(key, now_ms, reason, input).await
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        self.0.age(now_ms, keep).await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        self.0.depth().await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
