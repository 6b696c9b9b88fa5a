//! How every door says no: RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::session;

/// A refusal. `detail` is read as plain text by old clients, and `error` repeats `code` for them.
/// It never holds a secret or any part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_s: Option<u32>,
}

/// Remembered in the response so that refusals are counted by code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub &'static str);

impl Problem {
    /// A refusal with a stable `code` and a sentence that says what to do about it.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_s: None,
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

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }

    /// 503 with `Retry-After`: nothing happened, repeat later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            retry_after_s: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
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

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        session::Error::NotWritten(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:event-connector:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "error": self.code,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Code(self.code));
        response
    }
}
