//! The connections, and what their failures mean.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::try_join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Arg, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, TlsCertificates, Value};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use super::name;
use super::options::Options;
use super::script::Script;
use crate::domain::id::ProductId;
use crate::store::Error;

/// All buckets, and the way to them.
pub(super) struct Link {
    nodes: Nodes,
    /// A way to each server that was named, for what is asked of one server.
    pub(super) clients: Vec<Client>,
    bases: Vec<String>,
    pub(super) prefix: String,
    pub(super) channel: String,
    pub(super) instance: String,
    /// Commands go round the connections.
    turn: AtomicUsize,
    /// What was found when the store was reached for the first time.
    pub(super) met: OnceCell<Vec<Arc<str>>>,
    closed: AtomicBool,
}

enum Nodes {
    One(Vec<Line>),
    Cluster(Box<ClusterConnection>),
}

/// A connection that comes back by itself when it breaks, and is made anew when it has ended up at a server
/// that takes no writes any more.
struct Line {
    client: Client,
    config: ConnectionManagerConfig,
    connection: RwLock<ConnectionManager>,
}

impl Line {
    fn new(client: Client, config: ConnectionManagerConfig) -> Result<Self, RedisError> {
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self {
            client,
            config,
            connection: RwLock::new(connection),
        })
    }

    fn connection(&self) -> ConnectionManager {
        let connection = self.connection.read();
        connection.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew(&self) -> Result<(), RedisError> {
        let config = self.config.clone();
        let fresh = ConnectionManager::new_lazy_with_config(self.client.clone(), config)?;
        let mut connection = self
            .connection
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *connection = fresh;
        Ok(())
    }
}

/// Why a command was not answered.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was refused, and nothing changed.
    Refused(Error),
    /// Nobody knows whether it was done.
    Unknown(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) | Failure::Unknown(error) => error,
        }
    }
}

impl Link {
    /// Makes no connection yet: the first command does.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let bad = |error: RedisError| Error::Unavailable(error.to_string().into());
        let urls: Vec<&str> = options.url.expose_secret().split(',').collect();
        let certificates = options.root_certificates.as_ref();
        let certificates = certificates.map(|pem| TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.clone()),
        });
        let clients = urls.iter().map(|url| match &certificates {
            Some(certificates) => Client::build_with_tls(*url, certificates.clone()),
            None => Client::open(*url),
        });
        let clients: Vec<Client> = clients.collect::<Result<_, _>>().map_err(bad)?;
        let nodes = if options.cluster || urls.len() > 1 {
            let mut builder = ClusterClientBuilder::new(urls)
                .connection_timeout(options.timeout)
                .response_timeout(options.timeout);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            let client = builder.build().map_err(bad)?;
            let config = redis::cluster::ClusterConfig::new();
            let connection = client.get_pending_async_connection_with_config(config);
            Nodes::Cluster(Box::new(connection))
        } else {
            let client = &clients[0];
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(options.timeout))
                .set_response_timeout(Some(options.timeout))
                .set_number_of_retries(1);
            let lines =
                (0..options.connections.max(1)).map(|_| Line::new(client.clone(), config.clone()));
            Nodes::One(lines.collect::<Result<_, _>>().map_err(bad)?)
        };
        Ok(Self {
            nodes,
            clients,
            channel: format!("{}:news", options.key_prefix),
            instance: options.instance.clone(),
            bases: name::bases(&options.key_prefix, options.buckets.max(1)),
            prefix: options.key_prefix.clone(),
            turn: AtomicUsize::new(0),
            met: OnceCell::new(),
            closed: AtomicBool::new(false),
        })
    }

    /// How many buckets there are.
    pub(super) fn buckets(&self) -> usize {
        self.bases.len()
    }

    /// Which bucket a tenant is in.
    pub(super) fn bucket(&self, product: &ProductId) -> usize {
        name::bucket(product, self.bases.len())
    }

    /// Answers nothing any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Says who commits, for the news of it.
    pub(super) fn sign(&self, command: &mut Cmd) {
        command.arg(&self.channel).arg(&self.instance);
    }

    /// What an operator should know of how durable a commit is.
    pub(super) fn cautions(&self) -> Vec<Arc<str>> {
        self.met.get().cloned().unwrap_or_default()
    }

    /// Refuses when it is closed, and the first time finds out whether the store is as it should be.
    async fn check(&self) -> Result<(), Failure> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Failure::Refused(Error::Unavailable("it is closed".into())));
        }
        let met = self.met.get_or_try_init(|| self.meet()).await;
        met.map(|_| ())
    }

    /// Runs a script on one bucket.
    pub(super) async fn on(
        &self,
        bucket: usize,
        script: &Script,
        with: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Failure> {
        self.check().await?;
        self.run(script, &self.bases[bucket..=bucket], with).await
    }

    /// Runs a script on the bucket of a tenant.
    pub(super) async fn of(
        &self,
        product: &ProductId,
        script: &Script,
        with: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Failure> {
        self.on(self.bucket(product), script, with).await
    }

    /// Runs a script on all buckets: once for all of them, or once for each on a cluster.
    pub(super) async fn all(
        &self,
        script: &Script,
        with: impl Fn(&mut Cmd),
    ) -> Result<Vec<Value>, Failure> {
        self.check().await?;
        match self.nodes {
            Nodes::One(_) => Ok(vec![self.run(script, &self.bases, with).await?]),
            Nodes::Cluster(_) => {
                let each = self.bases.chunks(1);
                try_join_all(each.map(|bases| self.run(script, bases, &with))).await
            }
        }
    }

    /// The same for a script that answers one value for each bucket.
    pub(super) async fn each(
        &self,
        script: &Script,
        with: impl Fn(&mut Cmd),
    ) -> Result<Vec<Value>, Error> {
        let answers = self.all(script, with).await?;
        let mut values = Vec::with_capacity(self.bases.len());
        for answer in answers {
            match answer {
                Value::Array(found) => values.extend(found),
                _ => return Err(super::reply::surprise("no list")),
            }
        }
        Ok(values)
    }

    async fn run(
        &self,
        script: &Script,
        bases: &[String],
        with: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Failure> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.sha).arg(bases.len()).arg(bases);
        with(&mut command);
        let answer = self.send(&command).await;
        match answer {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut whole = redis::cmd("EVAL");
                whole.arg(&script.text);
                for arg in command.args_iter().skip(2) {
                    if let Arg::Simple(bytes) = arg {
                        whole.arg(bytes);
                    }
                }
                self.send(&whole).await.map_err(|error| failure(&error))
            }
            answer => answer.map_err(|error| failure(&error)),
        }
    }

    /// Sends a command over the next connection.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        match &self.nodes {
            Nodes::One(connections) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % connections.len();
                let line = &connections[turn];
                let answer = command.query_async(&mut line.connection()).await;
                if let Err(error) = &answer
                    && error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
                {
                    // A replica by now; whoever took its place has its address.
                    line.renew()?;
                }
                answer
            }
            Nodes::Cluster(connection) => {
                let mut connection = connection.as_ref().clone();
                command.query_async(&mut connection).await
            }
        }
    }
}

/// What the server says when it does not do as asked: nothing has changed then.
const REFUSALS: [&str; 14] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// What it means that a command was not answered as asked.
pub(super) fn failure(error: &RedisError) -> Failure {
    let text: Arc<str> = error.to_string().into();
    match error.code() {
        Some("OOM") => Failure::Refused(Error::Full),
        // Servers before 7 say it within the error of the script.
        Some(_) if text.contains("-OOM command not allowed") => Failure::Refused(Error::Full),
        Some(code) if REFUSALS.contains(&code) => Failure::Refused(Error::Unavailable(text)),
        None if error.is_connection_refusal() => Failure::Refused(Error::Unavailable(text)),
        None => Failure::Unknown(Error::Unavailable(text)),
        Some(_) => Failure::Unknown(Error::Backend(text)),
    }
}
