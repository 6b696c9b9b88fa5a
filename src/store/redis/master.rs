//! Finding the server that takes the writes.

use std::io;

use futures_util::FutureExt;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, ErrorKind, RedisError, TlsCertificates, TlsMode};
use tokio::sync::Mutex;

use super::address::Sentinels;

/// The server that takes the writes, or whoever knows which one it is.
pub(super) enum Master {
    /// It is always at the same address.
    Fixed(Client),
    /// It is where Sentinels say, and may be elsewhere after a failover.
    Elected(Elected),
}

/// A master that Sentinels know.
pub(super) struct Elected {
    name: String,
    asked: Mutex<Asked>,
}

struct Asked {
    sentinels: SentinelClient,
    /// Where the master was when they were asked last.
    newest: Option<String>,
}

impl Master {
    /// The master of these Sentinels. Asks nobody yet.
    pub(super) fn elected(
        own: &Sentinels,
        certificates: Option<TlsCertificates>,
    ) -> Result<Self, RedisError> {
        let (addresses, kind) = (own.addresses.clone(), SentinelServerType::Master);
        let mut builder = SentinelClientBuilder::new(addresses, &own.master, kind)?;
        if let ConnectionAddr::TcpTls { insecure, .. } = own.settings.addr() {
            let mode = match insecure {
                true => TlsMode::Insecure,
                false => TlsMode::Secure,
            };
            builder = builder.set_client_to_redis_tls_mode(mode);
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
        }
        let server = own.settings.redis_settings();
        builder = builder
            .set_client_to_redis_db(server.db())
            .set_client_to_redis_protocol(server.protocol());
        if let Some(username) = server.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(username) = &own.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &own.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        Ok(Self::Elected(Elected {
            name: own.master.clone(),
            asked: Mutex::new(Asked {
                sentinels: builder.build()?,
                newest: None,
            }),
        }))
    }

    /// The way to the master as it is now. Sentinels are asked anew each time, and believed if the server they name
    /// says itself that it is a master.
    pub(super) async fn client(&self) -> Result<Client, RedisError> {
        match self {
            Self::Fixed(client) => Ok(client.clone()),
            // Boxed, because it is large and rare, and every command would carry it.
            Self::Elected(elected) => elected.client().boxed().await,
        }
    }
}

impl Elected {
    async fn client(&self) -> Result<Client, RedisError> {
        let mut asked = self.asked.lock().await;
        let client = asked.sentinels.async_get_client().await;
        let client = client.map_err(|error| self.nobody(&error))?;
        let address = client.get_connection_info().addr().to_string();
        match asked.newest.replace(address.clone()) {
            None => tracing::info!("the Sentinels' master {} is {address}", self.name),
            Some(before) if before != address => {
                tracing::warn!(
                    "the Sentinels' master {} is {address} now, and was {before}",
                    self.name
                );
            }
            Some(_) => {}
        }
        Ok(client)
    }

    /// Why there is no master: as an error that says that nothing was sent.
    fn nobody(&self, error: &RedisError) -> RedisError {
        let name = &self.name;
        let text = match error.kind() {
            ErrorKind::MasterNameNotFoundBySentinel => format!(
                "the Sentinels know no master named {name} that is up: its name is wrong, or a failover is under way"
            ),
            _ => format!("the Sentinels lead to no master {name}: {error}"),
        };
        io::Error::new(io::ErrorKind::ConnectionRefused, text).into()
    }
}
