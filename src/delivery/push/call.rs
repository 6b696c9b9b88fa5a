//! One signed call.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{answer, header};
use crate::delivery::client::Answer;
use crate::delivery::destination::{Receipt, Refusal, Reply};
use crate::delivery::guard::GuardedClient;

/// What is sent, as far as it is signed.
#[derive(Clone, Copy)]
pub(in crate::delivery) struct Envelope<'a> {
    pub(in crate::delivery) id: &'a str,
    pub(in crate::delivery) attempt: u32,
    pub(in crate::delivery) body: &'a str,
}

/// Where it is sent.
#[derive(Clone, Copy)]
pub(in crate::delivery) struct Address<'a> {
    pub(in crate::delivery) url: &'a Url,
    pub(in crate::delivery) secret: &'a SecretString,
    /// How long the call may take, if that is shorter than the service's own time.
    pub(in crate::delivery) timeout_ms: Option<u64>,
}

/// Posts it. What came back is judged as the answer to a push, and handed out as well for whoever reads more in it.
pub(in crate::delivery) async fn post(
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
