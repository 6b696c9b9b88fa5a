//! Where the published SDK keeps the states of sessions (contract 7): outside the buckets, one key each.

use std::sync::Arc;

use redis::Value;

use super::link::Link;
use crate::store::Error;

/// What the published SDK puts before the identifier of a session, which follows as it is.
const PREFIX: &str = "autoplay:session_state:";

/// How long the published SDK keeps a state that nobody writes, seconds.
const TTL_S: u64 = 86_400;

/// Removes a key if it still holds what was seen.
const REMOVE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
                      return redis.call('DEL', KEYS[1])";

/// The states of sessions where the published SDK looks for them. They are no part of the store: other programs
/// write there too, each over what was there before, and Redis expires them. Cheap to clone.
#[derive(Clone)]
pub struct SessionStates(Arc<Link>);

impl SessionStates {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(link)
    }

    /// Writes the state of a session, for 24 hours from now on; answers what it has replaced.
    ///
    /// # Errors
    ///
    /// It may have been written, or not.
    pub async fn put(&self, session: &str, state: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut set = redis::cmd("SET");
        set.arg(name(session)).arg(state);
        set.arg("EX").arg(TTL_S).arg("GET");
        Ok(bytes(self.0.send_aside(&set).await?))
    }

    /// What is there of a session.
    ///
    /// # Errors
    ///
    /// Redis does not do as asked.
    pub async fn get(&self, session: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut get = redis::cmd("GET");
        get.arg(name(session));
        Ok(bytes(self.0.send_aside(&get).await?))
    }

    /// Removes the state of a session if it is still the one that was `seen`; answers whether it was.
    ///
    /// # Errors
    ///
    /// It may have been removed, or not.
    pub async fn remove(&self, session: &str, seen: &[u8]) -> Result<bool, Error> {
        let mut remove = redis::cmd("EVAL");
        remove.arg(REMOVE).arg(1).arg(name(session)).arg(seen);
        Ok(self.0.send_aside(&remove).await? == Value::Int(1))
    }
}

fn name(session: &str) -> String {
    format!("{PREFIX}{session}")
}

/// What a key holds; nobody vouches for its being text.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}
