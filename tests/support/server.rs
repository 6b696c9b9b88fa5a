//! One process of the service, in a directory that outlives it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_connector::tasks::Tasks;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Which build of the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// The one that users run.
    Release,
    /// Broken: acknowledges first, commits 5 ms later.
    AcknowledgesEarly,
    /// Broken: `synchronous=OFF`.
    NeverSyncs,
}

pub(crate) const SECRET: &str = "whsec_crash";
pub(crate) const ADMIN_KEY: &str = "crash-admin";
pub(crate) const CLIENT_SECRET: &str = "crash-client-secret";
pub(crate) const ACCESS_TOKEN: &str = "crash-token";
pub(crate) const ADMIN_ID: &str = "42";

/// Where a home has its spool, if the store is on Redis.
pub(crate) const SPOOL: &str = "data/spool.db";

/// Files that survive a kill.
pub(crate) struct Home {
    directory: TempDir,
}

/// A running process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub url: String,
    log: Arc<Mutex<Vec<String>>>,
}

/// A product with notes, whose sessions stay in a conversation and keep quiet after it for so long.
pub(crate) fn row(id: &str, interaction_timeout_s: f64, cooldown_period_s: f64) -> Value {
    json!({
        "product_id": id,
        "webhook_secret": SECRET,
        "integration_type": "intercom",
        "integration_config": {
            "access_token": ACCESS_TOKEN,
            "admin_id": ADMIN_ID,
            "client_secret": CLIENT_SECRET,
            "interaction_timeout_s": interaction_timeout_s,
            "cooldown_period_s": cooldown_period_s,
        },
    })
}

impl Home {
    /// A directory with two products and a configuration. `settings` are further keys with their
    /// values as TOML; `store.path` is among those that may be given.
    pub(crate) fn new(intercom_url: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let rows = json!([row("acme", 600.0, 600.0), row("hasty", 0.05, 600.0)]);
        let path = directory.path();
        fs::write(path.join("products.json"), rows.to_string()).expect("products");
        let quoted = |path: PathBuf| format!("{path:?}");
        let products = quoted(path.join("products.json"));
        let store = quoted(path.join("data/event-connector.db"));
        let spool = quoted(path.join(SPOOL));
        let (key, url) = (format!("{ADMIN_KEY:?}"), format!("{intercom_url:?}"));
        let mut all = BTreeMap::from([
            ("http.bind", "\"127.0.0.1:0\""),
            ("admin.key", &key),
            ("log.level", "\"event_connector=info\""),
            ("log.format", "\"json\""),
            ("products.path", &products),
            ("store.path", &store),
            ("spool.path", &spool),
            ("session.sweep_ms", "50"),
            ("delivery.request_timeout_ms", "400"),
            ("delivery.lease_ms", "6000"),
            ("delivery.retry_base_ms", "50"),
            ("delivery.poll_ms", "50"),
            ("intercom.base_url", &url),
        ]);
        all.extend(settings.iter().copied());
        let lines = all.iter().map(|(key, value)| format!("{key} = {value}\n"));
        let config: String = lines.collect();
        fs::write(path.join("config.toml"), config).expect("configuration");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a process and waits until it listens.
    pub(crate) fn start(&self, build: Build) -> Result<Server, String> {
        let mut command = self.command(build);
        Server::start(&mut command)
    }

    /// The command that starts a process.
    pub(crate) fn command(&self, build: Build) -> Command {
        let config = self.path().join("config.toml");
        let broken = |kind: &str| {
            let mut command = Command::new(std::env::current_exe().expect("our own path"));
            command.args([super::mutant::FLAG, kind]).arg(&config);
            command
        };
        match build {
            Build::Release => {
                let mut command = Command::new(release_binary());
                command.arg("serve").arg("--config").arg(&config);
                command
            }
            Build::AcknowledgesEarly => broken("acknowledges-early"),
            Build::NeverSyncs => broken("never-syncs"),
        }
    }
}

fn release_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_event-connector"))
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let stderr = child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (written, (said, heard)) = (Arc::clone(&log), mpsc::channel());
        Tasks::thread(
            "log reader",
            Box::new(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let address = address_in(&line);
                    lock(&written).push(line);
                    if let Some(url) = address {
                        // Whoever started it may have stopped waiting.
                        let _ = said.send(url);
                    }
                }
            }),
        );
        if let Ok(url) = heard.recv_timeout(Duration::from_secs(20)) {
            return Ok(Self { child, url, log });
        }
        let _ = child.kill();
        let status = child.wait().map_err(|error| error.to_string())?;
        let lines = lock(&log).join("\n");
        Err(format!("the service did not start ({status}):\n{lines}"))
    }

    /// What the process has logged so far, line by line.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    /// SIGKILL, and wait until the process is gone.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the service did not end within ten seconds of being told to".to_owned())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> Option<String> {
    let start = line.find("listening on ")? + "listening on ".len();
    let url: String = line
        .get(start..)?
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != '"')
        .collect();
    Some(url)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
