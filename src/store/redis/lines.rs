//! The connections to one server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

/// Connections that share the commands. Once one of them turns out to be broken, or to end at a server that takes
/// no writes any more, all are made anew: what has happened to one has most likely happened to the server.
pub(super) struct Lines {
    client: Client,
    config: ConnectionManagerConfig,
    turn: AtomicUsize,
    newest: RwLock<Arc<Vec<ConnectionManager>>>,
}

impl Lines {
    /// Makes no connection yet.
    pub(super) fn new(
        client: Client,
        config: ConnectionManagerConfig,
        count: usize,
    ) -> Result<Self, RedisError> {
        let first = prepare(&client, &config, count)?;
        Ok(Self {
            client,
            config,
            turn: AtomicUsize::new(0),
            newest: RwLock::new(Arc::new(first)),
        })
    }

    /// Sends a command. Where no connection could be made it is tried once more, because what is told may be of
    /// an attempt from before the server came back.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let lines = self.newest();
        let answer = command.query_async(&mut self.next(&lines)).await;
        self.look_at(&answer, &lines)?;
        match answer {
            Err(error) if error.is_connection_refusal() => {
                command.query_async(&mut self.next(&self.newest())).await
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
        let lines = self.newest();
        let mut before = self.next(&lines);
        let mut behind = before.clone();
        let (answer, other) = futures_util::future::join(
            first.query_async(&mut before),
            second.query_async(&mut behind),
        )
        .await;
        match self.look_at(&answer, &lines) {
            Ok(()) => (answer, other),
            Err(error) => (Err(error), other),
        }
    }

    fn newest(&self) -> Arc<Vec<ConnectionManager>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&newest)
    }

    fn next(&self, lines: &[ConnectionManager]) -> ConnectionManager {
        lines[self.turn.fetch_add(1, Ordering::Relaxed) % lines.len()].clone()
    }

    /// Makes all connections anew if the answer says that it is time to, unless somebody has done it since `lines`
    /// were looked up. Commands under way on others of them keep theirs.
    fn look_at(
        &self,
        answer: &Result<Value, RedisError>,
        lines: &Arc<Vec<ConnectionManager>>,
    ) -> Result<(), RedisError> {
        let Err(error) = answer else { return Ok(()) };
        let is_replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if !is_replica && !error.is_connection_dropped() {
            return Ok(());
        }
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&newest, lines) {
            *newest = Arc::new(prepare(&self.client, &self.config, lines.len())?);
        }
        Ok(())
    }
}

fn prepare(
    client: &Client,
    config: &ConnectionManagerConfig,
    count: usize,
) -> Result<Vec<ConnectionManager>, RedisError> {
    let prepare = |_| ConnectionManager::new_lazy_with_config(client.clone(), config.clone());
    (0..count.max(1)).map(prepare).collect()
}
