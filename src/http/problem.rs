//! How every door says no: RFC 9457 problem documents.

use std::fmt::Write;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::chance::Chance;
use crate::fields::Fault;
use crate::session;
use crate::spool::Refusal;

/// The shortest wait that `Retry-After` asks for, in seconds.
const RETRY_AFTER_S: f64 = 2.0;

/// By how much it varies, so that senders who were refused together do not come back together.
const RETRY_SPREAD_S: f64 = 8.0;

/// A refusal. `detail` is read as plain text by old clients, and `error` repeats `code` for them.
/// It never holds a secret or any part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// What is wrong where, for bodies with several mistakes.
    faults: Vec<Fault>,
    is_temporary: bool,
    is_last: bool,
}

/// Remembered in the response so that refusals are counted by code, and the temporary ones say when
/// to come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) is_temporary: bool,
}

/// When to come back: two to ten seconds, drawn for each refusal.
pub(super) fn retry_after(chance: &Chance) -> HeaderValue {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number lies between two and ten"
    )]
    let seconds = (RETRY_AFTER_S + chance.fraction() * RETRY_SPREAD_S).round() as u32;
    HeaderValue::from(seconds)
}

impl Problem {
    /// A refusal with a stable `code` and a sentence that says what to do about it.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            faults: Vec::new(),
            is_temporary: false,
            is_last: false,
        }
    }

    /// 400.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401, the same for every way in which credentials can be wrong.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "missing or invalid credentials",
        )
    }

    /// 404 for a product that is not registered.
    pub fn unknown_product() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "product_not_found",
            "product not found",
        )
    }

    /// 408 for a peer that stopped sending; the connection is closed, because what belongs to which
    /// request is no longer clear.
    pub fn timeout(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, code, detail).closing()
    }

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    /// 422 for a body that is understood and not accepted: every mistake with its place.
    pub fn unprocessable(code: &'static str, faults: Vec<Fault>) -> Self {
        let texts = faults.iter().map(|fault| {
            let place = Some(fault.pointer.as_str()).filter(|pointer| !pointer.is_empty());
            format!("{} {}", place.unwrap_or("the body"), fault.text)
        });
        let detail = texts.collect::<Vec<_>>().join("; ");
        Self {
            faults,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
    }

    /// 429 with `Retry-After`.
    pub fn too_many(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            is_temporary: true,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
        }
    }

    /// 503 with `Retry-After`: nothing happened, repeat later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            is_temporary: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// The same, and nothing more on this connection.
    pub(super) fn closing(self) -> Self {
        Self {
            is_last: true,
            ..self
        }
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// 500 after a panic.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on our side; the request id leads to it in the log",
        )
    }
}

impl From<session::Error> for Problem {
    fn from(error: session::Error) -> Self {
        let code = match &error {
            session::Error::Overloaded => "session_overloaded",
            session::Error::NotWritten(crate::store::Error::Overloaded) => "store_overloaded",
            session::Error::NotWritten(crate::store::Error::Full) => "store_full",
            session::Error::NotWritten(_) => "store_unavailable",
            session::Error::Panicked | session::Error::Parked => "input_failed",
            session::Error::Stopping => "stopping",
        };
        Self::unavailable(code, format!("{error}; nothing was taken in, repeat later"))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Session(error) => error.into(),
            Refusal::Full => {
                let detail = "the store is away and the spool is full; what was not taken in may be repeated";
                Self::unavailable("spool_full", detail)
            }
        }
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        session::Error::NotWritten(error).into()
    }
}

impl Problem {
    fn document(&self) -> String {
        let mut document = json!({
            "type": format!("urn:event-connector:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "error": self.code,
        });
        if !self.faults.is_empty() {
            let faults = self.faults.iter();
            document["errors"] = faults
                .map(|fault| json!({"pointer": fault.pointer, "detail": fault.text}))
                .collect();
        }
        document.to_string()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_last {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers
    }

    /// The answer outside the router, whose outermost layer adds `Retry-After` otherwise.
    pub(super) fn into_answer(self, chance: &Chance) -> Response {
        let is_temporary = self.is_temporary;
        let mut response = self.into_response();
        if is_temporary {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, retry_after(chance));
        }
        response
    }

    /// The answer as it stands on the wire, where no request was read. It is the connection's last.
    pub(super) fn to_http(&self, chance: &Chance) -> String {
        let document = self.document();
        let mut headers = self.clone().closing().headers();
        headers.insert(header::CONTENT_LENGTH, document.len().into());
        if self.is_temporary {
            headers.insert(header::RETRY_AFTER, retry_after(chance));
        }
        let mut text = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &headers {
            let value = value.to_str().unwrap_or_default();
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n" + &document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.headers(), self.document()).into_response();
        response.extensions_mut().insert(Refused {
            code: self.code,
            is_temporary: self.is_temporary,
        });
        response
    }
}
