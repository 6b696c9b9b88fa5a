//! The two calls: post a note, read a conversation.

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use serde_json::json;

use super::account::{Account, Accounts};
use super::answer::{self, Accepted};
use super::text;
use crate::delivery::client::{Answer, Client, Error};
use crate::delivery::destination::{Destination, Job, Receipt, Refusal};
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

    fn account(&self, product: &ProductId) -> Result<Account, Refusal> {
        (self.accounts)(product)
            .ok_or_else(|| Refusal::later(format!("product {product} has no Intercom account")))
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        account: &Account,
        body: Option<String>,
    ) -> Result<Answer, Refusal> {
        let mut request = self.client.request(method, url).headers(headers(account)?);
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body);
        }
        self.client
            .send(request)
            .await
            .map_err(|error| match error {
                Error::NotSent(_) => Refusal::later(error.to_string()),
                Error::NoAnswer(_) => Refusal::unknown(error.to_string()),
            })
    }
}

#[async_trait]
impl Destination for Intercom {
    fn name(&self) -> &'static str {
        "intercom"
    }

    async fn deliver(&self, job: &Job) -> Result<Receipt, Refusal> {
        let account = self.account(&job.product)?;
        let url = address(&account, &job.note.conversation_id, "/reply")?;
        let body = json!({
            "message_type": "note",
            "type": "admin",
            "admin_id": account.admin_id,
            "body": text::to_html(&job.note.text),
        });
        let answer = self
            .call(Method::POST, url, &account, Some(body.to_string()))
            .await?;
        let part = match answer::judge(&answer, &account.admin_id)? {
            Accepted::Parts(parts) => answer::posted(&parts, &job.note.text),
            Accepted::TooLong => None,
        };
        Ok(Receipt { part })
    }

    async fn read_back(&self, job: &Job, since_ms: u64) -> Result<Vec<PartId>, Refusal> {
        let account = self.account(&job.product)?;
        let mut url = address(&account, &job.note.conversation_id, "")?;
        url.set_query(Some("display_as=plaintext"));
        let answer = self.call(Method::GET, url, &account, None).await?;
        match answer::judge(&answer, &account.admin_id)? {
            Accepted::Parts(parts) => {
                let oldest_ms = since_ms.saturating_sub(self.clock_skew_ms);
                Ok(answer::candidates(parts, &job.note.text, oldest_ms))
            }
            Accepted::TooLong => Err(Refusal::unknown(
                "the conversation is longer than delivery.response_bytes_max",
            )),
        }
    }
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
        .map_err(|error| Refusal::unauthorized(format!("the base URL cannot be used: {error}")))
}

fn headers(account: &Account) -> Result<HeaderMap, Refusal> {
    let value = |text: &str, what: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Refusal::unauthorized(format!("the {what} cannot be sent as a header")))
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
