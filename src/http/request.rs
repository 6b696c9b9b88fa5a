//! What every request gets: an identifier, a name in the log, a count of refusals; and the bounded reading of
//! its body.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::admission::{Exhausted, Hold};
use super::problem::{Problem, Refused, retry_after};
use super::server::Peer;
use super::state::AppState;
use crate::telemetry::{self, Caller};

/// The header that carries a request's identifier, in and out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which proxies name whom they speak for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest identifier taken over from a caller.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The identifier of the request, which log entries keep as their correlation id.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

/// Who asks, as far as it can be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub IpAddr);

/// Names the request and whoever asks, for its handler and for the log.
pub(super) fn identify(state: &AppState, peer: Peer, request: &mut Request) -> Caller {
    let id = given_id(request.headers())
        .unwrap_or_else(|| state.chance.id(state.clock.now_ms()).to_string().into());
    let client = client(state, peer, request.headers());
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    request.extensions_mut().insert(Client(client));
    Caller {
        request_id: id,
        endpoint: endpoint(request.uri().path()),
        client,
    }
}

/// Answers with the name of the request, ends it when it takes too long, counts refusals by code and says when to
/// come back. A stream has begun to answer long before that and is not ended.
pub(super) async fn finish(
    state: &AppState,
    caller: Caller,
    response: impl Future<Output = Response>,
) -> Response {
    let id = Arc::clone(&caller.request_id);
    let limit = Duration::from_millis(state.config.http.request_timeout_ms);
    let work = pin!(telemetry::within(caller, response));
    let answer = state.clock.timeout(limit, work);
    let mut response = answer.await.unwrap_or_else(|| {
        let detail = "the request took too long; what was not answered may be repeated";
        Problem::unavailable("timeout", detail).into_response()
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(&Refused { code, is_temporary }) = response.extensions().get() {
        state.metrics.problems.with_label_values(&[code]).inc();
        if is_temporary {
            let wait = retry_after(&state.chance);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
    }
    response
}

/// The path as it may be logged: an invitation in it permits a registration to whoever reads it.
fn endpoint(path: &str) -> String {
    let invited = path.strip_prefix("/register/");
    match invited.map(|rest| rest.split_once('/').map_or("", |(_, rest)| rest)) {
        Some(rest) => format!("/register/…/{rest}"),
        None => path.to_owned(),
    }
}

/// Who asks: the peer, or whoever a trusted proxy says it speaks for. The header is read from its end,
/// because everything before the last trusted proxy's own entry can be made up.
fn client(state: &AppState, Peer(peer): Peer, headers: &HeaderMap) -> IpAddr {
    let trusted = &state.config.http.trusted_proxies;
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.ip().to_canonical();
    let said = headers.get_all(FORWARDED_FOR).iter();
    let said: Vec<&str> = said.filter_map(|value| value.to_str().ok()).collect();
    let hops = said.iter().rev().flat_map(|value| value.rsplit(','));
    for hop in hops {
        let Some(before) = is_trusted(client)
            .then(|| hop.trim().parse().ok())
            .flatten()
        else {
            break;
        };
        client = before;
    }
    client
}

fn given_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (!text.is_empty() && text.len() <= REQUEST_ID_CHARS_MAX && text.chars().all(is_plain))
        .then(|| text.into())
}

/// How much of a body that is too large is read and thrown away, as a multiple of its limit: whoever
/// still sends when the connection closes sees a reset instead of the answer.
const DRAINED: usize = 4;

/// A body as it is read.
#[derive(Default)]
struct Reading {
    bytes: BytesMut,
    /// The only chunk so far, which is not copied.
    first: Option<Bytes>,
    length: usize,
}

impl Reading {
    fn push(&mut self, chunk: Bytes) {
        if self.length == chunk.len() {
            self.first = Some(chunk);
            return;
        }
        if let Some(first) = self.first.take() {
            self.bytes.extend_from_slice(&first);
        }
        self.bytes.extend_from_slice(&chunk);
    }

    /// Goes on counting, and keeps nothing any more.
    fn forget(&mut self) {
        self.first = None;
        self.bytes = BytesMut::new();
    }

    fn finish(self) -> Bytes {
        self.first.unwrap_or_else(|| self.bytes.freeze())
    }
}

/// Reads a body of at most `max_bytes` and holds them. What is refused on the way is read away within
/// a bound, so that the sender sees the answer.
///
/// # Errors
///
/// 400 `incomplete_body` when the body ends early, 408 `body_timeout` when nothing comes for
/// `http.body_idle_ms`, 413 when it is larger, 503 `bodies_overloaded` when too many are read at once.
pub(super) async fn read_body(
    state: &AppState,
    body: Body,
    max_bytes: usize,
    hold: &mut Hold,
) -> Result<Bytes, Problem> {
    let idle = Duration::from_millis(state.config.http.body_idle_ms);
    let mut chunks = body.into_data_stream();
    let mut reading = Reading::default();
    let mut refused = None;
    loop {
        let Some(chunk) = state.clock.timeout(idle, chunks.next()).await else {
            let detail = "no byte of the body arrived for too long";
            return Err(Problem::timeout("body_timeout", detail));
        };
        let Some(chunk) = chunk else { break };
        let cut = |_| Problem::bad_request("incomplete_body", "the body ended early");
        let chunk = chunk.map_err(cut)?;
        reading.length = reading.length.saturating_add(chunk.len());
        if refused.is_none() {
            refused = if reading.length > max_bytes {
                let detail = format!("the body is larger than {max_bytes} bytes");
                Some(Problem::too_large(detail))
            } else {
                hold.grow(chunk.len()).map_err(too_many_bodies).err()
            };
            if refused.is_none() {
                reading.push(chunk);
                continue;
            }
            hold.release();
            reading.forget();
        }
        if reading.length > max_bytes.saturating_mul(DRAINED) {
            break;
        }
    }
    refused.map_or_else(|| Ok(reading.finish()), Err)
}

/// How much memory parsing takes for each byte of a body, at worst: a tree of the smallest values.
const PARSED: usize = 32;

/// Holds what parsing a body of `length` bytes takes.
pub(super) fn hold_parsed(hold: &mut Hold, length: usize) -> Result<(), Problem> {
    let parsed = length.saturating_mul(PARSED);
    hold.grow(parsed).map_err(too_many_bodies)
}

fn too_many_bodies(_: Exhausted) -> Problem {
    let detail = "too many large bodies arrive at once; nothing was taken in, repeat later";
    Problem::unavailable("bodies_overloaded", detail)
}

/// A header's value, if it is there once and is text.
pub(super) fn text_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}
