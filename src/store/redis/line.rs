//! One connection to one server.

use std::sync::{PoisonError, RwLock};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

/// A connection that comes back by itself when it breaks, and is made anew when it has ended up at a server
/// that takes no writes any more.
pub(super) struct Line {
    client: Client,
    config: ConnectionManagerConfig,
    connection: RwLock<ConnectionManager>,
}

impl Line {
    /// Makes no connection yet.
    pub(super) fn new(client: Client, config: ConnectionManagerConfig) -> Result<Self, RedisError> {
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

    /// Sends a command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = command.query_async(&mut self.connection()).await;
        self.look_at(&answer)?;
        answer
    }

    /// Sends one command right behind another.
    pub(super) async fn send_both(
        &self,
        first: &Cmd,
        second: &Cmd,
    ) -> (Result<Value, RedisError>, Result<Value, RedisError>) {
        let (mut before, mut behind) = (self.connection(), self.connection());
        let (answer, other) = futures_util::future::join(
            first.query_async(&mut before),
            second.query_async(&mut behind),
        )
        .await;
        match self.look_at(&answer) {
            Ok(()) => (answer, other),
            Err(error) => (Err(error), other),
        }
    }

    /// Makes the connection anew when it ends at a replica by now: whoever took its place has its address.
    fn look_at(&self, answer: &Result<Value, RedisError>) -> Result<(), RedisError> {
        let read_only = ErrorKind::Server(ServerErrorKind::ReadOnly);
        match answer {
            Err(error) if error.kind() == read_only => self.renew(),
            _ => Ok(()),
        }
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
