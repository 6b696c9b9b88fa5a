//! What every request gets: an identifier, a span, a count of refusals; and the bounded reading of
//! its body.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use tracing::Instrument;

use super::listener::Peer;
use super::problem::{Code, Problem};
use super::state::AppState;

/// The header that carries a request's identifier, in and out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which proxies name whom they speak for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The longest identifier taken over from a caller.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The identifier of the request, which log entries keep as their correlation id.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

/// Names the request, answers with the name, ends it when it takes too long, and counts refusals by
/// code. A stream has begun to answer long before that and is not ended.
pub(super) async fn identify(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = given_id(request.headers())
        .unwrap_or_else(|| state.chance.id(state.clock.now_ms()).to_string().into());
    let client = client(&state, peer, request.headers());
    let endpoint = request.uri().path();
    let span = tracing::info_span!("request", request_id = &*id, endpoint, %client);
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let limit = Duration::from_millis(state.config.http.request_timeout_ms);
    let answer = state
        .clock
        .timeout(limit, next.run(request).instrument(span));
    let mut response = answer.await.unwrap_or_else(|| {
        let detail = "the request took too long; what was not answered may be repeated";
        Problem::unavailable("timeout", detail).into_response()
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(Code(code)) = response.extensions().get::<Code>() {
        state.metrics.problems.with_label_values(&[code]).inc();
    }
    response
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

/// Reads a body of at most `max_bytes`. The rest of a larger one is read away within a bound.
pub(super) async fn read_body(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut read, mut length) = (BytesMut::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let cut = |_| Problem::bad_request("incomplete_body", "the body ended early");
        let chunk = chunk.map_err(cut)?;
        length = length.saturating_add(chunk.len());
        if length <= max_bytes {
            read.extend_from_slice(&chunk);
        } else if length > max_bytes.saturating_mul(DRAINED) {
            break;
        }
    }
    if length > max_bytes {
        let detail = format!("the body is larger than {max_bytes} bytes");
        return Err(Problem::too_large(detail));
    }
    Ok(read.freeze())
}

/// A header's value, if it is there once and is text.
pub(super) fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}
