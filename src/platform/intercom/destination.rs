//! The three calls: post a note, read a conversation, take a note back.

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::NAME;
use super::account::{Account, Accounts};
use super::answer::{self, Accepted};
use super::text;
use crate::delivery::admission::{Fingerprint, Sign};
use crate::delivery::client::{Client, Error};
use crate::delivery::destination::{Destination, Job, Lookup, Receipt, Refusal, Reply};
use crate::delivery::excerpt::excerpt;
use crate::domain::id::{ConversationId, PartId, ProductId};
use crate::domain::session::RedactionBody;

/// Posts notes into Intercom conversations.
pub struct Intercom {
    client: Client,
    accounts: Accounts,
    clock_skew_ms: u64,
}

impl Intercom {
    /// `clock_skew_ms` is how far Intercom's clock may be from ours when a note is looked for.
    pub fn new(client: Client, accounts: Accounts, clock_skew_ms: u64) -> Self {
        Self {
            client,
            accounts,
            clock_skew_ms,
        }
    }

    fn request(&self, account: &Account, call: Call<'_>) -> Result<RequestBuilder, Refusal> {
        let url = address(account, call.path?)?;
        let request = self.client.request(call.method, url);
        let request = request.headers(headers(account)?);
        Ok(match call.body {
            None => request,
            Some(body) => request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_string()),
        })
    }

    /// Calls, and tells what the answer means for the account and the delivery.
    async fn ask<T>(
        &self,
        account: &Account,
        call: Call<'_>,
        read: impl FnOnce(Accepted) -> Result<T, Refusal>,
    ) -> Reply<T> {
        let hidden = call.hidden;
        let request = match self.request(account, call) {
            Ok(request) => request,
            Err(refusal) => return Reply::not_called(refusal),
        };
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return unanswered(&error),
        };
        let accepted = answer::judge(&answer, &account.admin_id);
        let is_error = !(200..300).contains(&answer.status);
        Reply {
            sign: answer::sign(&answer, accepted.is_ok()),
            rate: answer.rate,
            http_status: Some(answer.status),
            excerpt: is_error
                .then(|| {
                    let token = account.access_token.expose_secret();
                    excerpt(&answer.body, hidden, token)
                })
                .flatten(),
            result: accepted.and_then(read),
        }
    }
}

/// A call, as far as the account has no part in it.
struct Call<'a> {
    method: Method,
    /// Below all conversations; a refusal where there is none.
    path: Result<String, Refusal>,
    body: Option<Value>,
    /// What an excerpt of the answer must not repeat.
    hidden: &'a str,
}

/// What it means that no answer came.
fn unanswered<T>(error: &Error) -> Reply<T> {
    let refusal = match error {
        Error::NotSent(_) => Refusal::later(error.to_string()),
        Error::NoAnswer(_) => Refusal::unknown(error.to_string()),
    };
    Reply {
        sign: Sign::Silent,
        ..Reply::not_called(refusal)
    }
}

#[async_trait]
impl Destination for Intercom {
    fn name(&self) -> &'static str {
        NAME
    }

    fn account(&self, product: &ProductId) -> Option<Fingerprint> {
        let account = (self.accounts)(product)?;
        let token = account.access_token.expose_secret();
        Some(Fingerprint::of(&account.base_url, token))
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        Some(self)
    }

    async fn deliver(&self, job: &Job) -> Reply<Receipt> {
        let Some(account) = (self.accounts)(&job.product) else {
            return Reply::not_called(no_account(&job.product));
        };
        let body = json!({
            "message_type": "note",
            "type": "admin",
            "admin_id": account.admin_id,
            "body": text::to_html(&job.body.text),
        });
        let call = Call {
            method: Method::POST,
            path: path(&job.body.conversation_id, "/reply"),
            body: Some(body),
            hidden: &job.body.text,
        };
        self.ask(&account, call, |accepted| {
            let part = match accepted {
                Accepted::Parts(parts) => answer::posted(&parts, &job.body.text),
                Accepted::TooLong => None,
            };
            Ok(Receipt { part })
        })
        .await
    }

    async fn redact(&self, job: &Job<RedactionBody>) -> Reply<Receipt> {
        let Some(account) = (self.accounts)(&job.product) else {
            return Reply::not_called(no_account(&job.product));
        };
        let Some(part) = &job.body.part_id else {
            let reason = Arc::from("Intercom gave no number for the note");
            return Reply::not_called(Refusal::Never { reason });
        };
        let body = json!({
            "type": "conversation_part",
            "conversation_id": job.body.conversation_id,
            "conversation_part_id": part,
        });
        let call = Call {
            method: Method::POST,
            path: Ok("redact".to_owned()),
            body: Some(body),
            hidden: "",
        };
        let redacted = |_| Ok(Receipt { part: None });
        self.ask(&account, call, redacted).await
    }
}

#[async_trait]
impl Lookup for Intercom {
    async fn read_back(&self, job: &Job, since_ms: u64) -> Reply<Vec<PartId>> {
        let Some(account) = (self.accounts)(&job.product) else {
            return Reply::not_called(no_account(&job.product));
        };
        let call = Call {
            method: Method::GET,
            path: path(&job.body.conversation_id, "?display_as=plaintext"),
            body: None,
            hidden: &job.body.text,
        };
        self.ask(&account, call, |accepted| match accepted {
            Accepted::Parts(parts) => {
                let oldest_ms = since_ms.saturating_sub(self.clock_skew_ms);
                Ok(answer::candidates(parts, &job.body.text, oldest_ms))
            }
            Accepted::TooLong => Err(Refusal::unknown(
                "the conversation is longer than delivery.response_bytes_max",
            )),
        })
        .await
    }
}

fn no_account(product: &ProductId) -> Refusal {
    Refusal::later(format!("product {product} has no Intercom account"))
}

/// Where a conversation is, below all of them. Intercom reads `last` in its place as "whichever is newest", and
/// dots would climb the path, so such identifiers name no conversation.
fn path(conversation: &ConversationId, tail: &str) -> Result<String, Refusal> {
    let id = conversation.as_str();
    let is_dots = id.bytes().all(|b| b == b'.');
    if is_dots || id.eq_ignore_ascii_case("last") {
        return Err(Refusal::Gone {
            reason: Arc::from("the identifier names no conversation"),
        });
    }
    Ok(format!("{}{tail}", utf8_percent_encode(id, SEGMENT)))
}

fn address(account: &Account, path: String) -> Result<Url, Refusal> {
    let base = account.base_url.trim_end_matches('/');
    Url::parse(&format!("{base}/conversations/{path}"))
        .map_err(|error| Refusal::misconfigured(format!("the base URL cannot be used: {error}")))
}

fn headers(account: &Account) -> Result<HeaderMap, Refusal> {
    let value = |text: &str, what: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Refusal::misconfigured(format!("the {what} cannot be sent as a header")))
    };
    let bearer = format!("Bearer {}", account.access_token.expose_secret());
    let mut bearer = value(&bearer, "access token")?;
    bearer.set_sensitive(true);
    let version = value(&account.version, "Intercom version")?;
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (ACCEPT, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("intercom-version"), version),
    ]))
}

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
