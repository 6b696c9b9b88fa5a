//! The connections to one server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OnceCell};

use super::master::Master;

/// Connections that share the commands. Once one of them turns out to be broken or silent, or to end at a server
/// that takes no writes any more, all are made anew, to whichever server is the master then: what has happened to
/// one has most likely happened to the server.
pub(super) struct Lines {
    master: Master,
    config: ConnectionManagerConfig,
    count: usize,
    turn: AtomicUsize,
    newest: RwLock<Arc<Attempt>>,
    renewal: Notify,
}

/// Connections, once somebody has needed them. Whoever comes meanwhile waits for the same, and is told the same.
type Attempt = OnceCell<Result<Vec<ConnectionManager>, RedisError>>;

impl Lines {
    /// Makes no connection yet.
    pub(super) fn new(master: Master, config: ConnectionManagerConfig, count: usize) -> Self {
        Self {
            master,
            config,
            count: count.max(1),
            turn: AtomicUsize::new(0),
            newest: RwLock::default(),
            renewal: Notify::new(),
        }
    }

    /// A way to the server for a connection apart.
    pub(super) async fn client(&self) -> Result<Client, RedisError> {
        self.master.client().await
    }

    /// Completes when the connections are made anew after this was called: another server may be the master.
    pub(super) fn renewed(&self) -> Notified<'_> {
        self.renewal.notified()
    }

    /// Sends a command. Where no connection could be made it is tried once more, because what is told may be of
    /// an attempt from before the server came back.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (mut line, of) = self.next().await?;
        let answer = command.query_async(&mut line).await;
        self.look_at(&answer, &of);
        match answer {
            Err(error) if error.is_connection_refusal() => {
                let (mut line, _) = self.next().await?;
                command.query_async(&mut line).await
            }
            answer => answer,
        }
    }

    /// Sends one command right behind another, over the same connection.
    pub(super) async fn send_both(
        &self,
        first: &Cmd,
        second: &Cmd,
    ) -> (Result<Value, RedisError>, Result<Value, RedisError>) {
        let (mut before, of) = match self.next().await {
            Ok(line) => line,
            Err(error) => return (Err(error.clone()), Err(error)),
        };
        let mut behind = before.clone();
        let (answer, other) = futures_util::future::join(
            first.query_async(&mut before),
            second.query_async(&mut behind),
        )
        .await;
        self.look_at(&answer, &of);
        (answer, other)
    }

    /// The connection whose turn it is, and with which others it was made.
    async fn next(&self) -> Result<(ConnectionManager, Arc<Attempt>), RedisError> {
        let newest = self.newest();
        match newest.get_or_init(|| self.make()).await {
            Ok(lines) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % lines.len();
                Ok((lines[turn].clone(), Arc::clone(&newest)))
            }
            Err(error) => {
                self.renew(&newest);
                Err(error.clone())
            }
        }
    }

    fn newest(&self) -> Arc<Attempt> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&newest)
    }

    async fn make(&self) -> Result<Vec<ConnectionManager>, RedisError> {
        let client = self.master.client().await?;
        let prepare =
            |_| ConnectionManager::new_lazy_with_config(client.clone(), self.config.clone());
        (0..self.count).map(prepare).collect()
    }

    /// Makes all connections anew if the answer says that it is time to. Commands under way on others of them keep
    /// theirs.
    fn look_at(&self, answer: &Result<Value, RedisError>, of: &Arc<Attempt>) {
        let Err(error) = answer else { return };
        let is_replica = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        if is_replica || error.is_connection_dropped() || error.is_timeout() {
            self.renew(of);
        }
    }

    /// Begins anew and says so, unless somebody has done it since these were the newest.
    fn renew(&self, these: &Arc<Attempt>) {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&newest, these) {
            *newest = Arc::default();
            self.renewal.notify_waiters();
        }
    }
}
