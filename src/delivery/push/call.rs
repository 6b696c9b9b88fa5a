//! One signed call.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{answer, header};
use crate::delivery::client::Answer;
use crate::delivery::destination::{Receipt, Refusal, Reply};
use crate::delivery::guard::GuardedClient;

/// What is sent, as far as it is signed.
#[derive(Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) id: &'a str,
    pub(crate) attempt: u32,
    pub(crate) body: &'a str,
}

/// Where it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Address<'a> {
    pub(crate) url: &'a Url,
    pub(crate) secret: &'a SecretString,
    /// How long the call may take, if that is shorter than the service's own time.
    pub(crate) timeout_ms: Option<u64>,
}

/// Posts it. What came back is judged as the answer to a push, and handed out as well for whoever reads more in it.
pub(crate) async fn post(
    client: &GuardedClient,
    address: Address<'_>,
    envelope: Envelope<'_>,
    now_ms: u64,
) -> (Reply<Receipt>, Option<Answer>) {
    let Address {
        url,
        secret,
        timeout_ms,
    } = address;
    let Some(headers) = header::headers(secret, &envelope, now_ms) else {
        let refusal = Refusal::misconfigured("the secret cannot be sent as a header");
        return (Reply::not_called(refusal), None);
    };
    let body = envelope.body.to_owned();
    let posted = client.post(url, headers, body, timeout_ms.unwrap_or(u64::MAX));
    match posted.await {
        Ok(answer) => {
            // Servers like to repeat the path that they do not know.
            let query = url.query().unwrap_or_default();
            let hidden = format!("{} {} {query}", secret.expose_secret(), url.path());
            let reply = answer::judge(&answer, envelope.body, &hidden);
            (reply, Some(answer))
        }
        Err(error) => (answer::unanswered(&error), None),
    }
}
