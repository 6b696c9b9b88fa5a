//! Setting the stage, playing, and staying open.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::intercom::{Intercom, Settings};
use super::listener::Listener;
use super::recording::scenes;
use super::screen::Screen;
use super::walk::{PRODUCT, SECRET, Seen, Walk};
use crate::app::{App, Parts};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Config, LoadOptions};
use crate::metrics::Metrics;
use crate::product::{Catalogue, Products};
use crate::store::sqlite::{self, Sqlite};
use crate::tasks::Tasks;
use crate::telemetry;

/// How the demonstration runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The port to listen on; 0 for a free one.
    pub port: u16,
    /// End after the walk.
    pub once: bool,
}

/// The admin key of the demonstration.
const ADMIN_KEY: &str = "demo-admin";

/// How long stopping may take.
const GRACE: Duration = Duration::from_secs(10);

/// How long the whole walk may take.
const WALK: Duration = Duration::from_secs(45);

/// Plays the recording. The exit code is 0 only if everything that was expected arrived.
///
/// # Errors
///
/// The stage could not be set.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let screen = Screen::new();
    let clock = Clock::system();
    let tasks = Tasks::new();
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let intercom = Intercom::start(clock.clone(), &tasks, Settings::default()).await?;
    let config = config(options.port, directory.path(), &intercom)?;
    telemetry::install(&config.log);
    let listener = TcpListener::bind(config.http.bind)
        .await
        .with_context(|| format!("cannot listen on {}", config.http.bind))?;
    let address = listener.local_addr()?;
    let app = app(config, &clock)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tasks.spawn("service", async move {
        app.serve(listener, told.cancelled()).await;
    });
    introduce(screen, address, &intercom);
    let walked = clock.timeout(WALK, walk(screen, &clock, address, intercom));
    let walked = walked.await.context("the walk took too long").flatten();
    let code = conclude(screen, &walked);
    if !options.once && walked.is_ok() {
        stay_open(screen, address).await?;
    }
    stop.cancel();
    tasks.finish(&clock, GRACE).await;
    Ok(code)
}

fn config(port: u16, directory: &std::path::Path, intercom: &Intercom) -> anyhow::Result<Config> {
    let workspace = Settings::default();
    let rows = json!([{
        "product_id": PRODUCT,
        "webhook_secret": SECRET,
        "integration_type": "intercom",
        "integration_config": {
            "access_token": workspace.access_token,
            "admin_id": workspace.admin_id,
            "client_secret": workspace.client_secret,
        },
    }]);
    let pairs = [
        ("CONNECTOR__HTTP__BIND", format!("127.0.0.1:{port}")),
        (
            "CONNECTOR__STORE__PATH",
            directory.join("demo.db").display().to_string(),
        ),
        ("CONNECTOR__INTERCOM__BASE_URL", intercom.base_url()),
        ("CONNECTOR__LOG__LEVEL", "error".to_owned()),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY.to_owned()),
        ("PRODUCTS_CONFIG", rows.to_string()),
    ];
    let env = pairs.map(|(name, value)| (name.to_owned(), value));
    Ok(Config::load(LoadOptions { file: None, env })?)
}

fn app(config: Config, clock: &Clock) -> anyhow::Result<App> {
    let options = sqlite::Options::new(&config.store.path);
    let store = Sqlite::open(options, &|name, work| Tasks::thread(name, work))?;
    let rows = Catalogue::parse(config.products.inline.expose_secret())?;
    App::build(Parts {
        config: Arc::new(config),
        clock: clock.clone(),
        chance: Chance::system(),
        metrics: Metrics::new(),
        store: Arc::new(store),
        products: Products::new(rows),
        source: None,
    })
}

fn introduce(screen: Screen, address: SocketAddr, intercom: &Intercom) {
    screen.heading("event-connector: what people do in your app, where help is given");
    screen.stop("service", &format!("http://{address}"));
    screen.stop(
        "store",
        "SQLite in a temporary directory; every answer is durable",
    );
    screen.stop(
        "chatbot",
        &format!("a modelled Intercom at {}", intercom.base_url()),
    );
}

async fn walk(
    screen: Screen,
    clock: &Clock,
    address: SocketAddr,
    intercom: Intercom,
) -> anyhow::Result<Seen> {
    let client = reqwest::Client::builder().build()?;
    let url = format!("http://{address}");
    let stream = format!("{url}/stream/{PRODUCT}");
    let feed = Listener::open(&client, &stream, SECRET, clock.clone()).await?;
    let mut walk = Walk {
        url,
        client,
        clock: clock.clone(),
        intercom,
        screen,
        feed,
        seen: Seen::default(),
    };
    for scene in scenes()? {
        walk.play(&scene).await?;
    }
    Ok(walk.seen)
}

fn conclude(screen: Screen, walked: &anyhow::Result<Seen>) -> ExitCode {
    match walked {
        Ok(seen) => {
            screen.heading(&format!(
                "Everything arrived: {} actions on the feed, {} notes in three conversations.",
                seen.actions, seen.notes
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            screen.heading(&format!("Something did not arrive: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn stay_open(screen: Screen, address: SocketAddr) -> anyhow::Result<()> {
    screen.line("");
    screen.line("Still serving. In a second terminal:");
    screen.line("");
    let stream = format!(
        "curl -N -H 'Authorization: Bearer {SECRET}' 'http://{address}/stream/{PRODUCT}?since=0-0'"
    );
    let post = format!(
        "curl -H 'X-PostHog-Secret: {SECRET}' -d '{{\"event\":\"$pageview\",\"session_id\":\"mine\",\"distinct_id\":\"me\",\"current_url\":\"https://app.example/pricing\"}}' http://{address}/webhook/{PRODUCT}"
    );
    let show = format!(
        "curl -H 'X-Admin-Key: {ADMIN_KEY}' http://{address}/sessions/{PRODUCT}/demo-posthog-1"
    );
    for line in [stream, post, show, format!("curl http://{address}/metrics")] {
        screen.line(&format!("  {line}"));
    }
    screen.line("");
    screen.line("Ctrl-C ends it; the temporary store goes with it.");
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
