//! The connections, and what their failures mean.

use std::slice::Chunks;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{Either, pending, try_join_all};
use redis::aio::ConnectionManagerConfig;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, ConnectionInfo, ErrorKind, RedisError, TlsCertificates, Value};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use super::address::Address;
use super::lines::Lines;
use super::lives::Lives;
use super::master::Master;
use super::options::Options;
use super::script::{self, Script, by_name, in_full, is_unknown_script};
use super::{commit, name};
use crate::domain::id::ProductId;
use crate::store::{Commit, Error};

/// All buckets, and the way to them.
pub(super) struct Link {
    nodes: Nodes,
    bases: Vec<String>,
    pub(super) prefix: String,
    pub(super) channel: String,
    pub(super) instance: String,
    /// How many replicas must have a commit, and how long they are waited for, milliseconds.
    wait: Option<(u16, u64)>,
    pub(super) lives: Lives,
    /// What was found when the store was reached for the first time.
    pub(super) met: OnceCell<Vec<Arc<str>>>,
    closed: AtomicBool,
    /// Whether the newest answer was none.
    is_away: AtomicBool,
}

enum Nodes {
    One(Box<Lines>),
    Cluster {
        connection: Box<ClusterConnection>,
        /// A way to each node that was named, for what is asked of one server.
        clients: Vec<Client>,
    },
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

impl Nodes {
    fn new(options: &Options) -> Result<Self, RedisError> {
        let bad = |flaw| RedisError::from((ErrorKind::InvalidClientConfig, flaw));
        let certificates = options.root_certificates.as_ref();
        let certificates = certificates.map(|pem| TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.clone()),
        });
        let open = |server: &ConnectionInfo| match &certificates {
            Some(certificates) => Client::build_with_tls(server.clone(), certificates.clone()),
            None => Client::open(server.clone()),
        };
        let master = match Address::parse(options.url.expose_secret()).map_err(bad)? {
            Address::Sentinels(sentinels) => Master::elected(&sentinels, certificates)?,
            Address::Servers(servers) => match &servers[..] {
                [server] if !options.cluster => Master::Fixed(open(server)?),
                nodes => {
                    let clients = nodes.iter().map(open).collect::<Result<_, _>>()?;
                    let mut builder = ClusterClientBuilder::new(servers)
                        .connection_timeout(options.timeout)
                        .response_timeout(options.timeout);
                    if let Some(certificates) = certificates {
                        builder = builder.certs(certificates);
                    }
                    let config = redis::cluster::ClusterConfig::new();
                    let client = builder.build()?;
                    let connection = client.get_pending_async_connection_with_config(config);
                    return Ok(Self::Cluster {
                        connection: Box::new(connection),
                        clients,
                    });
                }
            },
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(options.timeout))
            .set_response_timeout(Some(options.timeout))
            .set_number_of_retries(1);
        let lines = Lines::new(master, config, options.connections);
        Ok(Self::One(Box::new(lines)))
    }
}

impl Link {
    /// Makes no connection yet: the first command does.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let bad = |error: RedisError| Error::Unavailable(error.to_string().into());
        let nodes = Nodes::new(options).map_err(bad)?;
        Ok(Self {
            nodes,
            channel: format!("{}:news", options.key_prefix),
            instance: options.instance.clone(),
            wait: (options.wait_replicas > 0).then(|| {
                // Half of what a command may take, so that the wait ends before the command does.
                let wait_ms = options.timeout.as_millis() / 2;
                let wait_ms = u64::try_from(wait_ms).unwrap_or(u64::MAX).max(1);
                (options.wait_replicas, wait_ms)
            }),
            bases: name::bases(&options.key_prefix, options.buckets.max(1)),
            prefix: options.key_prefix.clone(),
            lives: Lives::new(options.buckets.max(1)),
            met: OnceCell::new(),
            closed: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
        })
    }

    /// A way to each server that is asked by itself: the master, or each node that was named.
    pub(super) async fn clients(&self) -> Result<Vec<Client>, RedisError> {
        match &self.nodes {
            Nodes::One(lines) => Ok(vec![lines.client().await?]),
            Nodes::Cluster { clients, .. } => Ok(clients.clone()),
        }
    }

    /// Completes when another server may have become the master since this was called.
    pub(super) fn moved(&self) -> impl Future<Output = ()> {
        match &self.nodes {
            Nodes::One(lines) => Either::Left(lines.renewed()),
            // Its connection follows moves by itself.
            Nodes::Cluster { .. } => Either::Right(pending()),
        }
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
        self.everywhere(script, with).await
    }

    /// The same before the store has been met.
    pub(super) async fn everywhere(
        &self,
        script: &Script,
        with: impl Fn(&mut Cmd),
    ) -> Result<Vec<Value>, Failure> {
        let runs = self.runs();
        try_join_all(runs.map(|bases| self.run(script, bases, &with))).await
    }

    /// The buckets, as many together as one run of a script may be about: those that are certainly on one node.
    pub(super) fn runs(&self) -> Chunks<'_, String> {
        match self.nodes {
            Nodes::One(_) => self.bases.chunks(self.bases.len()),
            Nodes::Cluster { .. } => self.bases.chunks(1),
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

    /// Runs a script on buckets that may be in one [run](Self::runs), before the store has been met.
    pub(super) async fn run(
        &self,
        script: &Script,
        bases: &[String],
        with: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Failure> {
        let mut command = by_name(script, bases);
        with(&mut command);
        self.answered(script, &command).await
    }

    /// What a script answers, whether the server knows it already or not.
    async fn answered(&self, script: &Script, command: &Cmd) -> Result<Value, Failure> {
        match self.send(command).await {
            Err(error) if is_unknown_script(&error) => {
                self.noticed(self.send(&in_full(script, command)).await)
            }
            answer => self.noticed(answer),
        }
    }

    /// Runs the script of commits, of one bucket on a cluster. Answers as well how many replicas have them, and how
    /// many must.
    pub(super) async fn commit(
        &self,
        commits: &[Arc<Commit>],
    ) -> Result<(Value, Option<Waited>), Failure> {
        self.check().await?;
        let script = &*script::COMMIT;
        let (mut bases, mut places) = (Vec::new(), Vec::with_capacity(commits.len()));
        for commit in commits {
            let base = &self.bases[self.bucket(&commit.product)];
            let known = bases.iter().position(|known| *known == base);
            places.push(known.unwrap_or(bases.len()));
            if known.is_none() {
                bases.push(base);
            }
        }
        let mut command = by_name(script, &bases);
        command.arg(&self.channel).arg(&self.instance);
        commit::write(commits.iter().zip(places), &mut command);
        let (Nodes::One(lines), Some((wanted, wait_ms))) = (&self.nodes, self.wait) else {
            let value = self.answered(script, &command).await?;
            return Ok((value, None));
        };
        let mut wait = redis::cmd("WAIT");
        wait.arg(wanted).arg(wait_ms);
        // Both over one connection: what is waited for is what it has written.
        let mut answer = lines.send_both(&command, &wait).await;
        if answer.0.as_ref().is_err_and(is_unknown_script) {
            answer = lines.send_both(&in_full(script, &command), &wait).await;
        }
        let value = self.noticed(answer.0)?;
        let reached = answer
            .1
            .ok()
            .and_then(|value| redis::from_redis_value(value).ok());
        let waited = Waited {
            reached: reached.unwrap_or(0),
            wanted,
        };
        Ok((value, Some(waited)))
    }

    /// What an answer means. That the server does not do as asked is said at the beginning and at the end.
    pub(super) fn noticed(&self, answer: Result<Value, RedisError>) -> Result<Value, Failure> {
        let told = answer.map_err(|error| failure(&error));
        let away = match &told {
            Ok(_) => None,
            Err(Failure::Refused(error) | Failure::Unknown(error)) => Some(error),
        };
        if let Some(error) = away {
            if !self.is_away.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "Redis does not do as asked");
            }
        } else if self.is_away.load(Ordering::Relaxed)
            && self.is_away.swap(false, Ordering::Relaxed)
        {
            tracing::warn!("Redis does as asked again");
        }
        told
    }

    /// Sends a command about what is no part of the store. That it fails says nothing about the store.
    pub(super) async fn send_aside(&self, command: &Cmd) -> Result<Value, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Unavailable("it is closed".into()));
        }
        let answer = self.send(command).await;
        answer.map_err(|error| failure(&error).into())
    }

    /// Sends a command over the next connection.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        match &self.nodes {
            Nodes::One(lines) => lines.send(command).await,
            Nodes::Cluster { connection, .. } => {
                let mut connection = connection.as_ref().clone();
                command.query_async(&mut connection).await
            }
        }
    }
}

/// How many replicas have a commit.
pub(super) struct Waited {
    pub(super) reached: u16,
    pub(super) wanted: u16,
}

/// What the server says when it does not do as asked: nothing has changed then.
pub(super) const REFUSALS: [&str; 15] = [
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
    "OOM",
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
