//! Having what was removed vanish from the append-only file too.

use std::sync::atomic::{AtomicBool, Ordering};

use redis::{ErrorKind, InfoDict, RedisError, ServerErrorKind};

use super::link::{Link, failure};
use crate::store::Error;

/// Whether a rewrite was asked for that began after what was removed.
#[derive(Default)]
pub(super) struct Scrubber(AtomicBool);

impl Scrubber {
    /// Asks every server that was named to rewrite its append-only file, and answers whether that is done.
    /// Where the server refuses, or keeps snapshots only, old values go when it writes the next by itself.
    pub(super) async fn scrub(&self, link: &Link) -> Result<bool, Error> {
        let was_asked = self.0.load(Ordering::Relaxed);
        let (mut is_done, mut asked) = (true, false);
        let clients = link.clients().await.map_err(|error| failure(&error))?;
        for client in clients {
            let connected = client.get_multiplexed_async_connection().await;
            let mut connection = connected.map_err(|error| failure(&error))?;
            let mut info = redis::cmd("INFO");
            info.arg("persistence");
            let info = info.query_async(&mut connection).await;
            let info: InfoDict = info.map_err(|error| failure(&error))?;
            let is = |key: &str| info.get::<u8>(key) == Some(1);
            if !is("aof_enabled") {
                continue;
            }
            if was_asked {
                is_done &= !is("aof_rewrite_in_progress") && !is("aof_rewrite_scheduled");
                continue;
            }
            if is("aof_rewrite_in_progress") {
                // It may have passed by what was removed since.
                return Ok(false);
            }
            let rewrite: Result<String, RedisError> = redis::cmd("BGREWRITEAOF")
                .query_async(&mut connection)
                .await;
            match rewrite {
                Ok(_) => asked = true,
                Err(error) if is_refused(&error) => tracing::warn!(
                    %error,
                    "what was erased stays in the append-only file of Redis until its next rewrite"
                ),
                Err(error) => return Err(failure(&error).into()),
            }
        }
        self.0
            .store(asked || (was_asked && !is_done), Ordering::Relaxed);
        Ok(is_done && !asked)
    }
}

/// Not allowed, or not known by this name: both are what hosted servers say.
fn is_refused(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || error.to_string().contains("unknown command")
}
