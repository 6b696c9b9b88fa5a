//! The stage: a whole application on a temporary store, beside a modelled vendor.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::intercom::{Intercom, Settings};
use crate::app::{App, Parts};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Config, LoadOptions};
use crate::metrics::Metrics;
use crate::product::{Catalogue, Products};
use crate::registration::Vault;
use crate::store::sqlite::{self, Sqlite};
use crate::tasks::Tasks;
use crate::telemetry;
use crate::terminal::{Advised, Terminal};

/// The product of the demonstration.
pub(super) const PRODUCT: &str = "acme_demo";

/// Its webhook secret, which is its stream key as well.
pub(super) const SECRET: &str = "whsec_demo";

/// The admin key of the demonstration.
pub(super) const ADMIN_KEY: &str = "demo-admin";

/// How long stopping may take.
const GRACE: Duration = Duration::from_secs(10);

/// How fast things go. Waiting is shown, so it must not take long; it must be seen, so it must not be
/// short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two steps.
    pub(super) step: Duration,
    /// How long nobody listens.
    pub(super) outage: Duration,
    /// How far away the end of a rate limit is.
    pub(super) limit_s: u64,
    request_timeout_ms: u64,
    retry_base_ms: u64,
}

impl Pace {
    /// A pace that people can follow.
    pub(super) const CALM: Self = Self {
        step: Duration::from_millis(750),
        outage: Duration::from_millis(3500),
        limit_s: 5,
        request_timeout_ms: 2500,
        retry_base_ms: 700,
    };

    /// As fast as what is shown allows.
    pub(super) const FAST: Self = Self {
        step: Duration::ZERO,
        outage: Duration::from_millis(900),
        limit_s: 2,
        request_timeout_ms: 1000,
        retry_base_ms: 300,
    };
}

/// Everything that runs behind the show.
pub(super) struct Stage {
    /// Where the service listens.
    pub(super) address: SocketAddr,
    pub(super) intercom: Intercom,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    tasks: Tasks,
    stop: CancellationToken,
    directory: TempDir,
}

impl Stage {
    /// Starts everything. `log` is where log lines go.
    pub(super) async fn set(port: u16, pace: Pace, log: Terminal) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let tasks = Tasks::new();
        let directory = tempfile::tempdir().map_err(|error| {
            let error = anyhow::Error::new(error).context("cannot make a temporary directory");
            Advised::new(error, "name one that can be written to in TMPDIR")
        })?;
        let intercom = Intercom::start(clock.clone(), &tasks, Settings::default()).await?;
        let config = config(port, pace, directory.path(), &intercom)?;
        telemetry::install(&config.log, log);
        let bind = config.http.bind;
        let listener = TcpListener::bind(bind).await.map_err(|error| {
            let error = anyhow::Error::new(error).context(format!("cannot listen on {bind}"));
            Advised::new(error, "leave out --port, and a free one is taken")
        })?;
        let address = listener.local_addr()?;
        let metrics = Metrics::new();
        let app = app(config, &clock, &metrics)?;
        let stop = CancellationToken::new();
        let told = stop.clone();
        tasks.spawn("service", async move {
            app.serve(listener, told.cancelled()).await;
        });
        Ok(Self {
            address,
            intercom,
            metrics,
            clock,
            pace,
            tasks,
            stop,
            directory,
        })
    }

    /// Scheme, host and port of the service.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends everything and removes what was stored.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tasks.finish(&self.clock, GRACE).await;
        let path = self.directory.path().display().to_string();
        self.directory
            .close()
            .with_context(|| format!("cannot remove {path}"))
    }
}

fn config(port: u16, pace: Pace, directory: &Path, intercom: &Intercom) -> anyhow::Result<Config> {
    let workspace = Settings::default();
    let rows = json!([{
        "product_id": PRODUCT,
        "webhook_secret": SECRET,
        "integration_type": "intercom",
        "integration_config": {
            "access_token": workspace.access_token,
            "admin_id": workspace.admin_id,
            "client_secret": workspace.client_secret,
            "proactive_intercom": [{
                "id": "invoice_help",
                "name": "Invoices",
                "body": "Questions about an invoice?",
                "proactive_criteria": {
                    "id": "invoice", "name": "An invoice", "type": "recent_action",
                    "params": {"title_contains": "invoice", "within_s": 60},
                },
                "messages": [
                    {"id": "yes", "label": "Yes"},
                    {"id": "no", "label": "No, thanks"},
                ],
            }],
        },
    }]);
    let store = directory.join("demo.db").display().to_string();
    // What it seals is gone with the demonstration.
    let secrets_key = Vault::draw_key(&Chance::system());
    let secrets_key = secrets_key.expose_secret().to_owned();
    let pairs = [
        ("CONNECTOR__HTTP__BIND", format!("127.0.0.1:{port}")),
        ("CONNECTOR__STORE__PATH", store),
        ("CONNECTOR__INTERCOM__BASE_URL", intercom.base_url()),
        (
            "CONNECTOR__DELIVERY__REQUEST_TIMEOUT_MS",
            pace.request_timeout_ms.to_string(),
        ),
        (
            "CONNECTOR__DELIVERY__RETRY_BASE_MS",
            pace.retry_base_ms.to_string(),
        ),
        ("CONNECTOR__LOG__LEVEL", "error".to_owned()),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY.to_owned()),
        ("CONNECTOR_SECRETS_KEY", secrets_key),
        ("PRODUCTS_CONFIG", rows.to_string()),
    ];
    let env = pairs.map(|(name, value)| (name.to_owned(), value));
    Ok(Config::load(LoadOptions { file: None, env })?)
}

fn app(config: Config, clock: &Clock, metrics: &Metrics) -> anyhow::Result<App> {
    let options = sqlite::Options::new(&config.store.path);
    let store = Sqlite::open(options, &|name, work| Tasks::thread(name, work))?;
    let rows = Catalogue::parse(config.products.inline.expose_secret())?;
    App::build(Parts {
        config: Arc::new(config),
        clock: clock.clone(),
        chance: Chance::system(),
        metrics: metrics.clone(),
        spool: None,
        store: Arc::new(store),
        products: Products::new(rows),
        source: None,
    })
}
