//! Requests to a running service, as an operator or as a subscriber makes them.
//!
//! Every request but a stream ends in time; of an answer no more is read than fits into a bound; redirects are not
//! followed, because a key must not travel to a host that nobody named. Neither an error nor `Debug` shows the key.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::refusal::{AskedAs, Refusal};
use crate::clock::Clock;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take: longer than a service lets a request take.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The most of an answer that is read: two hundred deliveries are a tenth of a megabyte.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The operator, by `X-Admin-Key`. Empty means that there is none.
    AdminKey(SecretString),
    /// A subscriber of one product, by a bearer token. Empty means that there is none.
    Bearer(SecretString),
}

/// Asks one service. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Connector {
    http: reqwest::Client,
    base: Url,
    asked_as: AskedAs,
    credential: Option<(HeaderName, HeaderValue)>,
    clock: Clock,
}

/// Why there is no success. Each kind asks for something else to be done; [`Error::advice`] says what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none, or holds what does not belong there. It is not repeated, for it may hold a password.
    #[error(
        "the service's address must be http:// or https:// with a host, without a user, `?` or `#`"
    )]
    Address,
    /// The key cannot be sent.
    #[error("the key holds characters that no header can carry")]
    Credential,
    /// The HTTP library does not start.
    #[error("requests cannot be made: {0}")]
    Library(String),
    /// The connection was refused: nothing runs there.
    #[error("nobody listens at {0}")]
    NobodyListens(String),
    /// There is no way to it.
    #[error("{at} cannot be reached: {cause}")]
    Unreachable {
        /// Which service.
        at: String,
        /// The innermost cause.
        cause: String,
    },
    /// No answer, or only a part of one, came back. The request may have been carried out.
    #[error("no whole answer from {at}: {cause}")]
    NoAnswer {
        /// Which service.
        at: String,
        /// The innermost cause.
        cause: String,
    },
    /// Something answers there that does not speak as the service does.
    #[error("{at} answered with {what}")]
    NotOurs {
        /// Who.
        at: String,
        /// What came instead.
        what: String,
    },
    /// It said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
}

impl Error {
    /// What to do about it, as an imperative sentence without a full stop; `None` where the error says it.
    pub fn advice(&self) -> Option<String> {
        let advice = match self {
            Self::Address => "--url http://127.0.0.1:8080, or the same in CONNECTOR_URL",
            Self::Credential => "look for line breaks and the like in the key",
            Self::NobodyListens(_) => {
                "start it with event-connector serve, or say where it is with --url or CONNECTOR_URL"
            }
            Self::Unreachable { .. } => "say where it is with --url or CONNECTOR_URL",
            Self::NoAnswer { .. } => "look at the log of the service: it says what it waits for",
            Self::NotOurs { .. } => {
                "look where --url or CONNECTOR_URL leads: that is another program"
            }
            Self::Refused(refusal) => return refusal.advice(),
            Self::Library(_) => return None,
        };
        Some(advice.to_owned())
    }

    /// Whether the same request may succeed later, without anybody doing anything here.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NobodyListens(_) | Self::Unreachable { .. } | Self::NoAnswer { .. } => true,
            Self::Refused(refusal) => refusal.is_temporary(),
            Self::Address | Self::Credential | Self::Library(_) | Self::NotOurs { .. } => false,
        }
    }
}

impl Connector {
    /// A connector for the service at `address`, perhaps with a path to put requests under.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Credential`], or the library does not start.
    pub fn new(clock: Clock, address: &str, credential: &Credential) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("event-connector/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_MAX)
            .build()
            .map_err(|error| Error::Library(root_cause(&error)))?;
        let credential = header_of(credential)?;
        let asked_as = match &credential {
            None => AskedAs::Nobody,
            Some((name, _)) if name == AUTHORIZATION => AskedAs::Subscriber,
            Some(_) => AskedAs::Operator,
        };
        Ok(Self {
            http,
            base: base_of(address)?,
            asked_as,
            credential,
            clock,
        })
    }

    /// Where the service is, as it was named.
    pub fn at(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for what is below `path`, of which each segment may hold anything.
    ///
    /// # Errors
    ///
    /// As for every request: there is no answer, it is not one of ours, or it is a refusal.
    pub async fn get(&self, path: &[&str], query: &[(String, String)]) -> Result<Value, Error> {
        let request = self.request(Method::GET, path, query);
        self.answer(request).await
    }

    /// Has something made or done.
    ///
    /// # Errors
    ///
    /// As for [`Connector::get`].
    pub async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, Error> {
        let request = self.request(Method::POST, path, &[]);
        self.answer(with_body(request, body)).await
    }

    /// Changes something.
    ///
    /// # Errors
    ///
    /// As for [`Connector::get`].
    pub async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        let request = self.request(Method::PATCH, path, &[]);
        self.answer(with_body(request, Some(body))).await
    }

    /// Removes something. `null` where the service has nothing to say about it.
    ///
    /// # Errors
    ///
    /// As for [`Connector::get`].
    pub async fn delete(&self, path: &[&str]) -> Result<Value, Error> {
        self.answer(self.request(Method::DELETE, path, &[])).await
    }

    /// Opens an event stream; its body is read as long as it goes on.
    pub(super) async fn open(
        &self,
        path: &[&str],
        query: &[(String, String)],
        headers: HeaderMap,
    ) -> Result<Response, Error> {
        let request = self.request(Method::GET, path, query).headers(headers);
        let request = request.header(ACCEPT, EVENT_STREAM);
        let response = self.in_time(self.send(request)).await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with(EVENT_STREAM) {
            Ok(response)
        } else {
            Err(self.not_ours("no event stream"))
        }
    }

    fn request(&self, method: Method, path: &[&str], query: &[(String, String)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.credential {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    /// The JSON of a success; `null` where it has no body.
    async fn answer(&self, request: RequestBuilder) -> Result<Value, Error> {
        let exchange = async {
            let response = self.send(request).await?;
            let body = self.read(response).await?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&body).map_err(|_| self.not_ours("something that is no JSON"))
        };
        self.in_time(exchange).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let done = self.clock.timeout(ANSWER_MAX, work).await;
        done.unwrap_or_else(|| {
            let cause = format!("nothing came within {} s", ANSWER_MAX.as_secs());
            Err(self.no_answer(cause))
        })
    }

    /// Sends a request and turns whatever is no success into an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(&RETRY_AFTER).and_then(|text| text.parse().ok());
        let mut refusal = Refusal {
            at: self.at().to_owned(),
            status: response.status().as_u16(),
            code: String::new(),
            detail: String::new(),
            errors: Vec::new(),
            retry_after: retry_after.map(Duration::from_secs),
            location: text(&LOCATION).map(str::to_owned),
            asked_as: self.asked_as,
        };
        // The status says enough where the document does not arrive.
        let body = self.read(response).await.unwrap_or_default();
        refusal.read(&body, self.key());
        Err(Error::Refused(refusal.into()))
    }

    /// The key as it was sent.
    fn key(&self) -> Option<&str> {
        let text = self.credential.as_ref()?.1.to_str().ok()?;
        Some(text.strip_prefix(BEARER).unwrap_or(text))
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let broken = |error| self.no_answer(root_cause(&error));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let what = format!("more than {} MiB", ANSWER_BYTES_MAX >> 20);
                return Err(self.not_ours(what));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unsent(&self, error: &reqwest::Error) -> Error {
        if is_refused(error) {
            return Error::NobodyListens(self.at().to_owned());
        }
        let cause = root_cause(error);
        if error.is_connect() || error.is_builder() {
            let at = self.at().to_owned();
            return Error::Unreachable { at, cause };
        }
        self.no_answer(cause)
    }

    fn no_answer(&self, cause: String) -> Error {
        let at = self.at().to_owned();
        Error::NoAnswer { at, cause }
    }

    fn not_ours(&self, what: impl Into<String>) -> Error {
        Error::NotOurs {
            at: self.at().to_owned(),
            what: what.into(),
        }
    }
}

/// The content type of an event stream.
const EVENT_STREAM: &str = "text/event-stream";

/// What stands before a bearer's key.
const BEARER: &str = "Bearer ";

/// The header in which operators send their key.
const ADMIN_KEY: HeaderName = HeaderName::from_static("x-admin-key");

fn base_of(address: &str) -> Result<Url, Error> {
    let base = Url::parse(address.trim()).map_err(|_| Error::Address)?;
    let is_http = matches!(base.scheme(), "http" | "https") && base.has_host();
    let has_user = !base.username().is_empty() || base.password().is_some();
    let has_more = base.query().is_some() || base.fragment().is_some();
    if is_http && !has_user && !has_more {
        Ok(base)
    } else {
        Err(Error::Address)
    }
}

fn header_of(credential: &Credential) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
    let (name, key, text) = match credential {
        Credential::AdminKey(key) => (ADMIN_KEY, key, key.expose_secret().trim().to_owned()),
        Credential::Bearer(key) => {
            let text = format!("{BEARER}{}", key.expose_secret().trim());
            (AUTHORIZATION, key, text)
        }
    };
    if key.expose_secret().trim().is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::try_from(text).map_err(|_| Error::Credential)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn with_body(request: RequestBuilder, body: Option<&Value>) -> RequestBuilder {
    match body {
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string()),
        None => request,
    }
}

/// Whether nobody listens where the connection was to go.
fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let failed: Option<&std::io::Error> = inner.downcast_ref();
        if failed.is_some_and(|failed| failed.kind() == ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// The innermost cause, without the address that outer layers repeat.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|outer| outer.source()) {
        cause = Some(inner);
    }
    cause.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}
