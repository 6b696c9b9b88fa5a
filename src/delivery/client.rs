//! The one HTTP client for vendors.
//!
//! Every call ends within the total timeout, whatever the other side does: connecting, waiting and
//! reading all count. No more of an answer is read than the configured bound. Redirects are not
//! followed, because a credential must not travel to a host nobody configured, and nothing is
//! repeated here, because only the outbox knows whether it may be.

use std::error::Error as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, Method, RequestBuilder, Response, Url};

use super::admission::Rate;
use crate::clock::Clock;

/// Bounds of every call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first packet to the last byte of the answer, milliseconds.
    pub request_timeout_ms: u64,
    /// The most bytes of an answer's body that are read.
    pub response_bytes_max: usize,
}

/// Calls vendors. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    clock: Clock,
    limits: Limits,
}

/// An answer as far as it was read.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in either form, as milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// Milliseconds until `X-RateLimit-Reset`. Vendors send it with every answer; it asks for
    /// patience only where the limit was hit.
    pub rate_reset_ms: Option<u64>,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, where all three are there.
    pub rate: Option<Rate>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether `body` is all of it.
    pub is_whole: bool,
}

/// Why there is no answer. The texts name causes, never addresses or headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host was not found, refused the connection or failed the handshake.
    #[error("nothing was sent: {0}")]
    NotSent(Arc<str>),
    /// Something may have been sent, and no complete answer came back.
    #[error("no complete answer: {0}")]
    NoAnswer(Arc<str>),
}

impl Client {
    /// A client without connections. Fails when the TLS library cannot start.
    pub fn new(clock: Clock, limits: Limits) -> Result<Self, reqwest::Error> {
        Self::with(clock, limits, |builder| builder)
    }

    /// The same, set up a little differently.
    pub(super) fn with(
        clock: Clock,
        limits: Limits,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, reqwest::Error> {
        let timeout = Duration::from_millis(limits.request_timeout_ms);
        let builder = reqwest::Client::builder()
            .user_agent(concat!("event-connector/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(timeout.min(CONNECT_MAX))
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_PER_HOST_MAX);
        let http = change(builder).build()?;
        Ok(Self {
            http,
            clock,
            limits,
        })
    }

    /// Begins a call; give it to [`Client::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Makes the call and reads its answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let limit = Duration::from_millis(self.limits.request_timeout_ms);
        let call = self.call(request);
        let Some(answer) = self.clock.timeout(limit, call).await else {
            return Err(timed_out(limit));
        };
        answer
    }

    /// Makes the call within `limit`. Its status is the answer: of the body comes what arrives within a
    /// moment, and one that breaks off, trickles or never ends changes nothing.
    pub async fn send_for_status(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<Answer, Error> {
        let started = self.clock.monotonic();
        let Some(sent) = self.clock.timeout(limit, request.send()).await else {
            return Err(timed_out(limit));
        };
        let mut response = sent.map_err(Error::from_sending)?;
        let mut answer = self.begin(&response);
        let left = limit.saturating_sub(self.clock.since(started));
        let read = self.read(&mut response, &mut answer.body);
        let read = self.clock.timeout(left.min(BODY_WAIT), read).await;
        answer.is_whole = matches!(read, Some(Ok(true)));
        Ok(answer)
    }

    async fn call(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let mut response = request.send().await.map_err(Error::from_sending)?;
        let mut answer = self.begin(&response);
        answer.is_whole = self.read(&mut response, &mut answer.body).await?;
        Ok(answer)
    }

    fn begin(&self, response: &Response) -> Answer {
        let (headers, now_ms) = (response.headers(), self.clock.now_ms());
        Answer {
            status: response.status().as_u16(),
            retry_after_ms: retry_after_ms(headers, now_ms),
            rate_reset_ms: rate_reset_ms(headers, now_ms),
            rate: rate(headers),
            body: Vec::new(),
            is_whole: false,
        }
    }

    /// Reads a body as far as the bound; whether that is all of it.
    async fn read(&self, response: &mut Response, body: &mut Vec<u8>) -> Result<bool, Error> {
        while let Some(chunk) = response.chunk().await.map_err(Error::from_reading)? {
            let room = self.limits.response_bytes_max - body.len();
            let taken = chunk.get(..room).unwrap_or(&chunk);
            body.extend_from_slice(taken);
            if taken.len() < chunk.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn timed_out(limit: Duration) -> Error {
    let ms = limit.as_millis();
    Error::NoAnswer(format!("timed out after {ms} ms").into())
}

impl Error {
    fn from_sending(error: reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() {
            Self::NotSent(root_cause(&error))
        } else {
            Self::NoAnswer(root_cause(&error))
        }
    }

    fn from_reading(error: reqwest::Error) -> Self {
        Self::NoAnswer(root_cause(&error))
    }
}

/// The innermost cause: what an operator needs, without the address that outer layers repeat.
fn root_cause(error: &reqwest::Error) -> Arc<str> {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|outer| outer.source()) {
        cause = Some(inner);
    }
    cause.map_or_else(
        || Arc::from("request failed"),
        |cause| cause.to_string().into(),
    )
}

fn retry_after_ms(headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<u64>() {
        Ok(pause_s) => Some(pause_s.saturating_mul(1000)),
        Err(_) => http_date_s(value).map(|at_s| until_ms(at_s, now_ms)),
    }
}

fn rate_reset_ms(headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    number(headers, "x-ratelimit-reset").map(|at_s| until_ms(at_s, now_ms))
}

fn rate(headers: &HeaderMap) -> Option<Rate> {
    let reset_s: u64 = number(headers, "x-ratelimit-reset")?;
    Some(Rate {
        limit: number(headers, "x-ratelimit-limit")?,
        remaining: number(headers, "x-ratelimit-remaining")?,
        reset_ms: reset_s.saturating_mul(1000),
    })
}

fn number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn until_ms(at_s: u64, now_ms: u64) -> u64 {
    at_s.saturating_mul(1000).saturating_sub(now_ms)
}

/// Unix seconds of an HTTP date.
fn http_date_s(text: &str) -> Option<u64> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    u64::try_from(at.as_second()).ok()
}

/// How long the body of an answer may take of which only the status matters.
const BODY_WAIT: Duration = Duration::from_secs(1);

/// A host that has not accepted a connection by then is treated as down.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Shorter than the idle timeouts of common load balancers: a connection they are about to close
/// would turn the next note into one that must be read back.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Idle connections kept per host, as many as one is called on at the same time unless that is configured.
const POOL_PER_HOST_MAX: usize = 32;
