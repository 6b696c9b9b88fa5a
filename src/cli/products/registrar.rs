//! Whoever does what is asked about products and keys.

use std::sync::Arc;

use serde_json::Value;

use super::errand::Errand;
use crate::app;
use crate::chance::Chance;
use crate::cli::connect::{Service, failed};
use crate::cli::found::{Found, parts};
use crate::cli::health::reachable;
use crate::cli::run::{Mistyped, complain};
use crate::cli::serve;
use crate::client::{self, Connector, advice_on};
use crate::config::Config;
use crate::registration::{Authority, Directory, Error, Refused, desk};
use crate::store::Store;
use crate::terminal::Advised;

/// A running service, or the store of one that does not run.
pub(super) enum Registrar {
    Service(Connector),
    Store {
        directory: Directory,
        store: Arc<dyn Store>,
        /// Where the outside will reach the service.
        base: String,
    },
}

impl Registrar {
    /// The service, or the configured store.
    pub(super) async fn find(service: &Service, config: Config) -> anyhow::Result<Self> {
        let chance = Chance::system();
        let store = match Found::by(service, &config, &chance).await? {
            Found::Service(connector) => return Ok(Self::Service(connector)),
            Found::Store(store) => store,
        };
        let base = match config.http.public_url.as_str() {
            "" => format!("http://{}", reachable(config.http.bind)),
            url => url.to_owned(),
        };
        match directory(config, chance, Arc::clone(&store)).await {
            Ok(directory) => Ok(Self::Store {
                directory,
                store,
                base,
            }),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    /// Does it; answers what the service would.
    pub(super) async fn carry_out(&self, errand: &Errand) -> anyhow::Result<Value> {
        match self {
            Self::Service(connector) => by_service(connector, errand).await.map_err(failed),
            Self::Store {
                directory, base, ..
            } => by_store(directory, base, errand).await.map_err(refused),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Store { store, .. } = self {
            store.close().await;
        }
    }
}

/// The directory as `serve` has it: under the same key, beside the same list, and with all that is registered.
async fn directory(
    mut config: Config,
    chance: Chance,
    store: Arc<dyn Store>,
) -> anyhow::Result<Directory> {
    if let Some(notice) = serve::provide_key(&mut config, &chance)? {
        complain(&notice);
    }
    let directory = app::directory(&parts(config, chance, store)?)?;
    if let Err(error) = directory.vault() {
        let next = advice_on(error.code()).map(str::to_owned);
        return Err(Mistyped::new(error, next).into());
    }
    directory.refresh().await?;
    Ok(directory)
}

async fn by_service(connector: &Connector, errand: &Errand) -> Result<Value, client::Error> {
    match errand {
        Errand::Register(body) => connector.post(&["products"], Some(body)).await,
        Errand::List => connector.get(&["products"], &[]).await,
        Errand::Show(id) => connector.get(&["products", id], &[]).await,
        Errand::Change(id, body) => connector.patch(&["products", id], body).await,
        Errand::Rotate(id, body) => {
            connector
                .post(&["products", id, "rotate"], Some(body))
                .await
        }
        Errand::Invite(body) => connector.post(&["invites"], Some(body)).await,
        Errand::Remove(id) => connector.delete(&["products", id]).await,
        Errand::CreateKey(id, body) => connector.post(&["products", id, "keys"], Some(body)).await,
        Errand::ListKeys(id) => connector.get(&["products", id, "keys"], &[]).await,
        Errand::RevokeKey(id, key) => connector.delete(&["products", id, "keys", key]).await,
    }
}

async fn by_store(directory: &Directory, base: &str, errand: &Errand) -> Result<Value, Error> {
    match errand {
        Errand::Register(body) => {
            // Whoever opens the store may do everything anyway.
            desk::register(directory, body, Authority::Admin, None, base).await
        }
        Errand::List => desk::list(directory).await,
        Errand::Show(id) => desk::show(directory, id).await,
        Errand::Change(id, body) => desk::change(directory, id, body).await,
        Errand::Rotate(id, body) => desk::rotate(directory, id, body, base).await,
        Errand::Invite(body) => desk::invite(directory, body, base).await,
        Errand::Remove(id) => desk::remove(directory, id).await,
        Errand::CreateKey(id, body) => desk::create_key(directory, id, body).await,
        Errand::ListKeys(id) => desk::keys(directory, id).await,
        Errand::RevokeKey(id, key) => desk::revoke_key(directory, id, key).await,
    }
}

/// A refusal by the store, as one by a service is told: with what to do about it, and every mistake on a line.
fn refused(error: Error) -> anyhow::Error {
    if let Error::Refused(Refused::Faults(faults)) = &error {
        let lines = faults
            .iter()
            .map(|fault| format!("\n  {}: {}", fault.pointer, fault.text));
        let text = format!("not accepted:{}", lines.collect::<String>());
        return Mistyped::new(anyhow::Error::msg(text), None).into();
    }
    match advice_on(error.code()) {
        Some(next) => Advised::new(error, next).into(),
        None => error.into(),
    }
}
