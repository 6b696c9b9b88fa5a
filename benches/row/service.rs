//! The service as it is shipped, on a disk of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::load::connection::{Connection, post};
use crate::load::request::{Requests, SECRET};
use crate::process::{Process, pinned};

/// A product under load.
pub(crate) struct Product {
    id: &'static str,
    /// Where its notes go, if anywhere.
    vendor: Option<SocketAddr>,
    /// Where its activity is pushed to, if anywhere.
    receiver: Option<SocketAddr>,
    /// What it is configured with beside that.
    config: Map<String, Value>,
}

impl Product {
    /// A product that is read through the feed.
    pub(crate) fn feed(id: &'static str) -> Self {
        Self {
            id,
            vendor: None,
            receiver: None,
            config: Map::new(),
        }
    }

    /// The same with more in its configuration.
    pub(crate) fn with(mut self, config: Value) -> Self {
        if let Value::Object(config) = config {
            self.config.extend(config);
        }
        self
    }

    /// A product whose activity is pushed to `receiver`.
    pub(crate) fn push(id: &'static str, receiver: SocketAddr) -> Self {
        Self {
            receiver: Some(receiver),
            ..Self::feed(id)
        }
    }

    /// A product whose notes go to `vendor`.
    pub(crate) fn notes(id: &'static str, vendor: SocketAddr) -> Self {
        Self {
            vendor: Some(vendor),
            ..Self::feed(id)
        }
    }
}

/// The store's file in the service's directory.
pub(crate) const STORE: &str = "bench.db";

/// The service with its files, which go with it.
pub(crate) struct Service {
    /// The process.
    pub(crate) process: Process,
    /// Where its files are.
    pub(crate) directory: TempDir,
}

/// The list of products as the service reads it.
pub(crate) fn products(products: &[Product]) -> Value {
    let plain = |product: &Product| match product.vendor {
        None => json!({
            "product_id": product.id,
            "webhook_secret": SECRET,
            "integration_type": "event_stream",
            "integration_config": match product.receiver {
                None => json!({ "mode": "sse" }),
                Some(at) => json!({ "mode": "push", "url": format!("http://{at}/"), "secret": SECRET }),
            },
        }),
        Some(_) => json!({
            "product_id": product.id,
            "webhook_secret": SECRET,
            "integration_type": "intercom",
            "integration_config": {
                "access_token": format!("token-{}", product.id),
                "admin_id": "1",
                "client_secret": SECRET,
            },
        }),
    };
    let row = |product: &Product| {
        let mut row = plain(product);
        for (key, value) in &product.config {
            row["integration_config"][key] = value.clone();
        }
        row
    };
    Value::Array(products.iter().map(row).collect())
}

/// What the service is told: nothing but where to listen and what to keep where.
pub(crate) fn environment(
    directory: &Path,
    bind: SocketAddr,
    products: &Value,
) -> Vec<(String, String)> {
    let store = directory.join(STORE).display().to_string();
    let spool = directory.join("spool.db").display().to_string();
    let pairs = [
        ("CONNECTOR__HTTP__BIND", bind.to_string()),
        ("CONNECTOR__STORE__PATH", store),
        ("CONNECTOR__SPOOL__PATH", spool),
        ("CONNECTOR__FEED__SUBSCRIBERS_MAX", "20000".to_owned()),
        ("CONNECTOR_ADMIN_KEY", SECRET.to_owned()),
        ("PRODUCTS_CONFIG", products.to_string()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// An address nobody listens on yet.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Service {
    /// The shipped binary on the servers' core.
    pub(crate) async fn start(list: &[Product], more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let command = pinned(env!("CARGO_BIN_EXE_event-connector"));
        Self::start_under(command, list, more).await
    }

    /// As [`Service::start`], behind whatever `command` puts in front.
    pub(crate) async fn start_under(
        mut command: Command,
        list: &[Product],
        more: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let bind = free_address()?;
        command
            .arg("serve")
            .envs(environment(directory.path(), bind, &products(list)));
        if let Some(vendor) = list.iter().find_map(|product| product.vendor) {
            command.env("CONNECTOR__INTERCOM__BASE_URL", format!("http://{vendor}"));
        }
        command.envs(more.iter().copied());
        let process = Process::start_at(command, bind).await?;
        Ok(Self { process, directory })
    }

    /// Sends `count` requests one after the other.
    pub(crate) async fn send(&self, requests: &mut Requests, count: u64) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.process.address).await?;
        let mut buffer = Vec::new();
        for _ in 0..count {
            requests.write(&mut buffer);
            connection.demand(&buffer).await?;
        }
        Ok(())
    }
}

/// Ties the first `count` sessions of `requests` to conversations.
pub(crate) async fn link(
    process: &Process,
    product: &str,
    requests: &Requests,
    count: u64,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(process.address).await?;
    for number in 0..count {
        let body = json!({
            "product_id": product,
            "session_id": requests.session(number),
            "conversation_id": format!("9{number:06}"),
        });
        let request = post("/sessions/link", &body.to_string());
        connection.demand(&request).await?;
    }
    Ok(())
}
