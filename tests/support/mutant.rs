//! Builds of the service that are broken on purpose, to prove that the tests would notice.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use event_connector::app::{App, Parts};
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products, Source};
use event_connector::store::sqlite::{Options, Sqlite, Synchronous};
use event_connector::store::{Commit, Outcome, Store};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::around::Around;

/// The first argument of this binary when it is to be a broken service.
pub(crate) const FLAG: &str = "--broken-service";

/// How late the early acknowledger commits.
const LATE: Duration = Duration::from_millis(5);

/// Serves until killed. Arguments: the kind of breakage, the configuration file.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> ExitCode {
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
        synchronous: if never_syncs {
            Synchronous::Off
        } else {
            Synchronous::Full
        },
        ..Options::default()
    };
    let sqlite = Sqlite::open(options, &|name, work| Tasks::thread(name, work)).expect("a store");
    let sqlite: Arc<dyn Store> = Arc::new(sqlite);
    let store = if never_syncs {
        sqlite
    } else {
        acknowledging_early(sqlite)
    };
    let listener = TcpListener::bind(config.http.bind).await.expect("a port");
    eprintln!(
        "listening on http://{}",
        listener.local_addr().expect("an address")
    );
    let app = App::build(Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        spool: None,
        store,
        products,
        source: None,
    });
    let served = app
        .expect("an application")
        .serve(listener, std::future::pending());
    served.await;
}

/// Says "committed" at once and commits 5 ms later, in order: the mistake that the kill rounds must
/// find. Nothing but what those 5 ms held is ever missing.
fn acknowledging_early(store: Arc<dyn Store>) -> Arc<dyn Store> {
    let (late, mut waiting) = mpsc::unbounded_channel::<Arc<Commit>>();
    let behind = Arc::clone(&store);
    Tasks::new().spawn("late commits", async move {
        let clock = Clock::system();
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, usize::MAX).await > 0 {
            clock.sleep(LATE).await;
            // Polled in order, so that they reach the writer in order.
            join_all(batch.drain(..).map(|commit| behind.commit(commit))).await;
        }
    });
    Arc::new(Around::new(store, move |_, commit| {
        let sent = late.send(commit);
        async move {
            sent.expect("the late committer runs");
            Outcome::Committed
        }
    }))
}
