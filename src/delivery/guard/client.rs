//! The HTTP client for addresses that customers choose.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::resolver::Guard;
use crate::clock::Clock;
use crate::delivery::client::{Answer, Client, Error, Limits};

/// Posts to where its guard lets it. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct GuardedClient {
    client: Client,
    guard: Guard,
    timeout_ms: u64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::delivery) enum Unanswered {
    /// The address may not be called, and nothing was tried.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It was tried.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl GuardedClient {
    /// A client without connections. Fails when the TLS library cannot start.
    pub fn new(clock: Clock, limits: Limits, guard: Guard) -> Result<Self, reqwest::Error> {
        let resolver = Arc::new(guard.clone());
        let client = Client::with(clock, limits, |builder| builder.dns_resolver(resolver))?;
        Ok(Self {
            client,
            guard,
            timeout_ms: limits.request_timeout_ms,
        })
    }

    /// The longest that a call takes, milliseconds.
    pub(in crate::delivery) fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// Posts a body. Its status is the answer; no more of the answer's body is read than the bound, and
    /// waiting for it is cut short. `timeout_ms` may shorten the client's own.
    pub(in crate::delivery) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: impl Into<reqwest::Body>,
        timeout_ms: u64,
    ) -> Result<Answer, Unanswered> {
        self.guard.check(url).map_err(Unanswered::Forbidden)?;
        let request = self.client.request(Method::POST, url.clone());
        let request = request.headers(headers).body(body);
        let limit = Duration::from_millis(timeout_ms.min(self.timeout_ms));
        Ok(self.client.send_for_status(request, limit).await?)
    }
}
