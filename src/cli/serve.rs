//! `serve`: the service itself.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::announce::{self, announce};
use super::run::Misconfigured;
use super::store;
use crate::app::{App, Parts};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::metrics::Metrics;
use crate::product::{Catalogue, Error, Fingerprint, Products, Source};
use crate::registration::{Vault, key_path, read_or_create};
use crate::spool::{self, Spool};
use crate::store::Store;
use crate::store::redis::Redis;
use crate::store::sqlite::Sqlite;
use crate::tasks::Tasks;
use crate::telemetry;
use crate::terminal::{Advised, Terminal};

/// Descriptors that are no connections: the store, its readers and their logs, calls to vendors, the
/// runtime's own.
const OTHER_FILES: u64 = 128;

/// Runs until SIGTERM or SIGINT, and ends at once at the second; SIGHUP reloads the products.
pub(super) async fn serve(mut config: Config, log: Terminal) -> anyhow::Result<ExitCode> {
    telemetry::install(&config.log, log);
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    allow_open_files(config.http.connections_max);
    let source = Source::new(&config.products.path, &config.products.inline);
    let (products, seen) = first_products(&source)?;
    let chance = Chance::system();
    let store = open_store(&config, &chance)?;
    if let Some(notice) = provide_key(&mut config, &chance)? {
        tracing::warn!("{notice}");
    }
    let spool = open_spool(&config);
    let listener = listen(config.http.bind, config.http.connections_max)?;
    let reload = Arc::new(Notify::new());
    let parts = Parts {
        config: Arc::new(config),
        clock: Clock::system(),
        chance,
        metrics: Metrics::new(),
        store,
        spool,
        products,
        source: Some((source, seen, Arc::clone(&reload))),
    };
    let app = App::build(parts)?;
    // Before anybody can know that it runs, it can be told to stop.
    let stop = CancellationToken::new();
    let twice_told = until_told_twice(reload, stop.clone())?;
    let state = app.state();
    // Activity for a registered product must not find it unknown. While the store is away it is refused as such.
    if let Err(error) = state.directory.refresh().await {
        tracing::warn!(%error, "registered products are not known yet");
    }
    let (products, has_spool) = (state.products.all(), state.intake.spool().is_some());
    announce(&state.config, &products, listener.local_addr()?, has_spool);
    tokio::select! {
        _ = app.serve(listener, stop.cancelled()) => Ok(ExitCode::SUCCESS),
        () = twice_told => {
            tracing::warn!("told twice to stop: what is under way is dropped, and goes on at the next start");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Raises the limit of open files as far as the system allows, and says so when the connections that
/// are allowed do not fit into it.
fn allow_open_files(connections_max: usize) {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limits.current
        }
    };
    let wanted = (connections_max as u64).saturating_add(OTHER_FILES);
    if let Some(files) = current.filter(|files| *files < wanted) {
        tracing::warn!(
            files,
            connections_max,
            "http.connections_max needs {wanted} open files, and the system allows {files}: raise its \
             limit (ulimit -n, LimitNOFILE) or lower the key"
        );
    }
}

/// Opens the configured store.
pub(super) fn open_store(config: &Config, chance: &Chance) -> anyhow::Result<Arc<dyn Store>> {
    if config.store.backend == Backend::Redis {
        let options = store::redis_options(config, chance)?;
        let store = Redis::new(&options).context("cannot use redis.url")?;
        return Ok(Arc::new(store));
    }
    let store = Sqlite::open(store::options(config), &|name, work| {
        Tasks::thread(name, work)
    })
    .with_context(|| format!("cannot open the store {}", config.store.path.display()))?;
    Ok(Arc::new(store))
}

/// An embedded store whose operator set no key has one beside it. Answers what is to be said of one that was made.
/// Whoever calls has the store open.
pub(super) fn provide_key(config: &mut Config, chance: &Chance) -> anyhow::Result<Option<String>> {
    let is_set = !config.secrets.key.expose_secret().is_empty();
    if is_set || config.store.backend != Backend::Sqlite {
        return Ok(None);
    }
    let path = key_path(&config.store.path);
    let (key, is_new) = read_or_create(&path, chance)
        .with_context(|| format!("cannot use the key {}", path.display()))?;
    Vault::parse(&key).with_context(|| format!("{} is no key", path.display()))?;
    config.secrets.key = key;
    Ok(is_new.then(|| {
        format!(
            "secrets of registered products are sealed with a key in {}: keep it with your backups, or set \
             secrets.key (CONNECTOR_SECRETS_KEY), so that the key is not found wherever the store is",
            path.display()
        )
    }))
}

/// Where activity is kept while Redis is away. Without it the service does less, and does it all the same.
fn open_spool(config: &Config) -> Option<Spool> {
    let own = &config.spool;
    if config.store.backend != Backend::Redis || own.path.as_os_str().is_empty() {
        return None;
    }
    let options = spool::Options {
        path: own.path.clone(),
        bytes_max: own.bytes_max,
        queue_max: config.store.queue_max,
        group_max: config.store.group_max,
    };
    match Spool::open(&options, &|name, work| Tasks::thread(name, work)) {
        Ok(spool) => Some(spool),
        Err(error) => {
            tracing::error!(%error, "there is no spool: while Redis is away activity is refused");
            None
        }
    }
}

/// The list as it is at the start. A missing file means no products yet; a list with bad rows
/// starts with the good ones; a list that is none at all is a mistake.
pub(super) fn first_products(source: &Source) -> anyhow::Result<(Products, Option<Fingerprint>)> {
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(Error::Missing(path)) => {
            tracing::warn!(path = %path.display(), "no products yet: there is no such file");
            return Ok((Products::default(), None));
        }
        Err(error) => return Err(Misconfigured::new(error).into()),
    };
    let catalogue = Catalogue::parse(loaded.text.expose_secret()).map_err(Misconfigured::new)?;
    announce::remark(&catalogue);
    Ok((Products::new(catalogue), Some(loaded.fingerprint)))
}

/// Listens. As many connections as may be open may also wait to be accepted, where the system allows it: a
/// crowd that comes at once (subscribers after a restart) is not turned away for a second or more by
/// handshakes that are dropped.
fn listen(bind: SocketAddr, connections_max: usize) -> Result<TcpListener, Advised> {
    let opened = || {
        let socket = match bind {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Connections of the process before this one may still be closing.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        socket.listen(u32::try_from(connections_max).unwrap_or(u32::MAX))
    };
    opened().map_err(|error: std::io::Error| {
        let next = match error.kind() {
            ErrorKind::AddrInUse => {
                "end the program that has it, or choose another address with \
                 CONNECTOR__HTTP__BIND"
            }
            ErrorKind::PermissionDenied => "choose a port above 1023 with CONNECTOR__HTTP__BIND",
            _ => "choose an address of this machine with CONNECTOR__HTTP__BIND",
        };
        let error = anyhow::Error::new(error).context(format!("cannot listen on {bind}"));
        Advised::new(error, next)
    })
}

/// Cancels `stop` at the first SIGTERM or SIGINT and completes at the second. SIGHUP nudges `reload`
/// meanwhile.
fn until_told_twice(
    reload: Arc<Notify>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {
                    reload.notify_one();
                    continue;
                }
            }
            if stop.is_cancelled() {
                return;
            }
            tracing::info!("stopping; a second signal ends at once");
            stop.cancel();
        }
    })
}
