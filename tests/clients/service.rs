//! One process of the service on files that outlive it, on an address that stays the same.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_connector::tasks::Tasks;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::redis::{OwnServer, SAFE, is_redis};
use super::{PATIENCE, until};

/// The secret of every product.
pub(crate) const SECRET: &str = "whsec_clients";
/// Opens the doors of operators.
const ADMIN_KEY: &str = "clients_admin_3b1f0c77";
/// What seals registrations: 32 bytes in base64.
const SECRETS_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";
/// The product that is read through the feed.
pub(crate) const PRODUCT: &str = "acme";
/// The product that writes notes to Intercom.
pub(crate) const HELPDESK: &str = "helpdesk";
pub(crate) const ACCESS_TOKEN: &str = "dG9rOmNsaWVudHM=";
pub(crate) const ADMIN_ID: &str = "991267696";
pub(crate) const CLIENT_SECRET: &str = "clients-client-secret";

/// Files that survive a process, and what every process said.
pub(crate) struct Home {
    directory: TempDir,
    /// Where the store is, if it is not a file.
    redis: Option<OwnServer>,
    said: Arc<Mutex<Vec<String>>>,
}

/// A running process; killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Home {
    /// A directory with two products and this configuration. `http.bind`, `log` and the paths are
    /// added to it.
    pub(crate) fn new(settings: &str) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let home = Self {
            directory,
            redis: is_redis().then(|| OwnServer::start(&SAFE)),
            said: Arc::default(),
        };
        let rows = json!([
            {"product_id": PRODUCT, "webhook_secret": SECRET, "integration_type": "event_stream"},
            {"product_id": HELPDESK, "webhook_secret": SECRET, "integration_type": "intercom",
             "integration_config": {"access_token": ACCESS_TOKEN, "admin_id": ADMIN_ID,
                                    "client_secret": CLIENT_SECRET}},
        ]);
        home.write("products.json", &rows.to_string())?;
        home.configure(settings)?;
        Ok(home)
    }

    /// Replaces the configuration; the next process reads it.
    pub(crate) fn configure(&self, settings: &str) -> Result<(), String> {
        let products = self.path().join("products.json");
        let all = format!(
            "{settings}\n[log]\nlevel = \"info\"\nformat = \"json\"\n\
             [products]\npath = {products:?}\n"
        );
        self.write("config.toml", &all)
    }

    /// Starts a process on a free port and waits until it listens.
    pub(crate) fn start(&self) -> Result<Service, String> {
        self.start_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a process on this address and waits until it listens.
    pub(crate) fn start_on(&self, address: SocketAddr) -> Result<Service, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_event-connector"));
        command
            .arg("serve")
            .arg("--config")
            .arg(self.path().join("config.toml"))
            .env_clear()
            .env("CONNECTOR__HTTP__BIND", address.to_string())
            .env(
                "CONNECTOR__STORE__PATH",
                self.path().join("event-connector.db"),
            )
            .env("CONNECTOR__SPOOL__PATH", self.path().join("spool.db"))
            .env("CONNECTOR_SECRETS_KEY", SECRETS_KEY)
            .env("CONNECTOR_ADMIN_KEY", ADMIN_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(redis) = &self.redis {
            command.env("CONNECTOR__STORE__BACKEND", "redis");
            command.env("REDIS_URL", redis.url());
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("the service cannot be started: {error}"))?;
        let heard = self.listen(&mut child);
        // From here on whatever goes wrong ends the process.
        let mut service = Service { child, address };
        match heard.recv_timeout(PATIENCE) {
            Ok(bound) => {
                service.address = bound;
                Ok(service)
            }
            Err(_) => Err(format!(
                "the service did not start:\n{}",
                self.said().join("\n")
            )),
        }
    }

    /// Keeps what the process says; the address comes out when it is said.
    fn listen(&self, child: &mut Child) -> Receiver<SocketAddr> {
        let (tell, heard) = mpsc::channel();
        let said = Arc::clone(&self.said);
        if let Some(log) = child.stderr.take() {
            let read = move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    if let Some(address) = address_in(&line) {
                        let _ = tell.send(address);
                    }
                    lock(&said).push(line);
                }
            };
            Tasks::thread("log reader", Box::new(read));
        }
        heard
    }

    /// What a careful operator would look into: errors, and panics that the log knows nothing of.
    pub(crate) fn complaints(&self) -> Result<(), String> {
        let is_bad = |line: &&String| match serde_json::from_str::<Value>(line) {
            Ok(record) => record["level"] == "ERROR",
            Err(_) => true,
        };
        let said = self.said();
        match said.iter().find(is_bad) {
            Some(line) => Err(format!("the service complained: {line}")),
            None => Ok(()),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn said(&self) -> Vec<String> {
        lock(&self.said).clone()
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.path().join(name);
        fs::write(path, text).map_err(|error| error.to_string())
    }
}

impl Service {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What an operator is answered who asks for this.
    pub(crate) async fn operate(&self, method: Method, path: &str) -> Result<Value, String> {
        let url = format!("{}{path}", self.url());
        let asked = http()?
            .request(method, url)
            .header("x-admin-key", ADMIN_KEY);
        let answer = asked.send().await.and_then(Response::error_for_status);
        let answer = answer.map_err(|error| error.to_string())?;
        let body = answer.bytes().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    /// SIGTERM, and waits until the process has ended by itself with success.
    pub(crate) async fn terminate(mut self) -> Result<(), String> {
        let told = format!("kill -TERM {}", self.child.id());
        let told = Command::new("sh").args(["-c", &told]).status();
        told.map_err(|error| error.to_string())?;
        let ended = until("the service ends after SIGTERM", async || {
            self.child.try_wait().map_err(|error| error.to_string())
        });
        let status = ended.await?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("after SIGTERM the service ended with {status}"))
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Kilobytes of memory that the process occupies.
    pub(crate) fn resident_kb(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        kb.ok_or_else(|| "the system does not tell how much memory a process has".to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the service goes down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    Terminated,
    Killed,
}

/// Takes the service away from its address and serves elsewhere while `meanwhile` runs; then brings
/// it back where it was. Whoever only knows the address is away for all of it.
pub(crate) async fn move_away(
    home: &Home,
    service: Service,
    down: Down,
    meanwhile: impl AsyncFnOnce(&Service) -> Result<(), String>,
) -> Result<Service, String> {
    let address = service.address;
    match down {
        Down::Terminated => service.terminate().await?,
        Down::Killed => service.kill(),
    }
    let elsewhere = home.start()?;
    meanwhile(&elsewhere).await?;
    elsewhere.terminate().await?;
    home.start_on(address)
}

/// The client of everything that is not a stream.
pub(crate) fn http() -> Result<reqwest::Client, String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20));
    client.build().map_err(|error| error.to_string())
}

/// The service's metrics, as text.
pub(crate) async fn metrics(service: &Service) -> Result<String, String> {
    let answer = http()?.get(format!("{}/metrics", service.url())).send();
    let answer = answer.await.map_err(|error| error.to_string())?;
    answer.text().await.map_err(|error| error.to_string())
}

/// The value of one series, named with its labels as `/metrics` writes them; 0 when it is absent.
pub(crate) async fn metric(service: &Service, series: &str) -> Result<f64, String> {
    let text = metrics(service).await?;
    let value = text.lines().find_map(|line| line.strip_prefix(series));
    Ok(value
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0.0))
}

/// Waits until one of the series has reached a value.
pub(crate) async fn metric_reaches(
    service: &Service,
    series: &str,
    wanted: f64,
) -> Result<(), String> {
    let what = format!("{series} reaches {wanted}");
    let look = async || Ok((metric(service, series).await? >= wanted).then_some(()));
    until(&what, look).await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("listening on http://")? + "listening on http://".len();
    let rest = line.get(start..)?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '"');
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
