//! What every request gets: an identifier, a span, a count of refusals; and the bounded reading of
//! its body.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::problem::{Code, Problem};
use super::state::AppState;

/// The header that carries a request's identifier, in and out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest identifier taken over from a caller.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The identifier of the request, which log entries keep as their correlation id.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

/// Names the request, answers with the name, and counts refusals by code.
pub(super) async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = given_id(request.headers())
        .unwrap_or_else(|| state.chance.id(state.clock.now_ms()).to_string().into());
    let span = tracing::info_span!("request", request_id = &*id, endpoint = request.uri().path());
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(Code(code)) = response.extensions().get::<Code>() {
        state.metrics.problems.with_label_values(&[code]).inc();
    }
    response
}

fn given_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (!text.is_empty() && text.len() <= REQUEST_ID_CHARS_MAX && text.chars().all(is_plain))
        .then(|| text.into())
}

/// Reads a body of at most `max_bytes`.
pub(super) async fn read_body(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, max_bytes).await.map_err(|error| {
        // The only other cause is a connection that broke, whose answer nobody reads.
        let _ = error;
        Problem::too_large(format!("the body is larger than {max_bytes} bytes"))
    })
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
