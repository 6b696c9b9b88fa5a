//! The two calls: post a note, read a conversation.

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::ExposeSecret;
use serde_json::json;

use super::NAME;
use super::account::{Account, Accounts};
use super::answer::{self, Accepted};
use super::text;
use crate::delivery::admission::{Fingerprint, Sign};
use crate::delivery::client::{Client, Error};
use crate::delivery::destination::{Destination, Job, Lookup, Receipt, Refusal, Reply};
use crate::delivery::excerpt::excerpt;
use crate::domain::id::{ConversationId, PartId, ProductId};

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

    fn request(
        &self,
        job: &Job,
        account: &Account,
        (method, tail, body): (Method, &str, Option<String>),
    ) -> Result<RequestBuilder, Refusal> {
        let url = address(account, &job.body.conversation_id, tail)?;
        let request = self.client.request(method, url).headers(headers(account)?);
        Ok(match body {
            None => request,
            Some(body) => request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body),
        })
    }

    /// Calls, and tells what the answer means for the account and the delivery.
    async fn ask<T>(
        &self,
        job: &Job,
        account: &Account,
        call: (Method, &str, Option<String>),
        read: impl FnOnce(Accepted) -> Result<T, Refusal>,
    ) -> Reply<T> {
        let request = match self.request(job, account, call) {
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
                    excerpt(&answer.body, &job.body.text, token)
                })
                .flatten(),
            result: accepted.and_then(read),
        }
    }
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
        let call = (Method::POST, "/reply", Some(body.to_string()));
        self.ask(job, &account, call, |accepted| {
            let part = match accepted {
                Accepted::Parts(parts) => answer::posted(&parts, &job.body.text),
                Accepted::TooLong => None,
            };
            Ok(Receipt { part })
        })
        .await
    }
}

#[async_trait]
impl Lookup for Intercom {
    async fn read_back(&self, job: &Job, since_ms: u64) -> Reply<Vec<PartId>> {
        let Some(account) = (self.accounts)(&job.product) else {
            return Reply::not_called(no_account(&job.product));
        };
        let call = (Method::GET, "?display_as=plaintext", None);
        self.ask(job, &account, call, |accepted| match accepted {
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

/// The conversation's address. Intercom reads `last` in its place as "whichever is newest", and
/// dots would climb the path, so such identifiers name no conversation.
fn address(account: &Account, conversation: &ConversationId, tail: &str) -> Result<Url, Refusal> {
    let id = conversation.as_str();
    let is_dots = id.bytes().all(|b| b == b'.');
    if is_dots || id.eq_ignore_ascii_case("last") {
        return Err(Refusal::Gone {
            reason: Arc::from("the identifier names no conversation"),
        });
    }
    let base = account.base_url.trim_end_matches('/');
    let id = utf8_percent_encode(id, SEGMENT);
    Url::parse(&format!("{base}/conversations/{id}{tail}"))
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
