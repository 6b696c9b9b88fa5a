//! The call.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::delivery::admission::{Fingerprint, Sign};
use crate::delivery::client::Answer;
use crate::delivery::destination::{Destination, Job, Receipt, Refusal, Reply};
use crate::delivery::guard::GuardedClient;
use crate::delivery::push::{Address, Envelope, post};
use crate::domain::id::{PartId, ProductId};

/// What a bridge says of a conversation that does not exist, as `error` of a 404 or 410.
const GONE: &str = "conversation_gone";

/// What calling a product's bridge takes.
#[derive(Clone)]
pub struct Target {
    /// What is called. It may hold a secret itself.
    pub url: Url,
    /// Bearer token and signing key.
    pub secret: SecretString,
}

/// Looks a product's bridge up, for every call anew, so that a changed one counts at once.
pub type Targets = Arc<dyn Fn(&ProductId) -> Option<Target> + Send + Sync>;

/// Posts notes through customers' bridges.
pub struct Bridge {
    client: GuardedClient,
    targets: Targets,
    clock: Clock,
}

impl Bridge {
    /// A destination that has called nobody yet.
    pub fn new(client: GuardedClient, targets: Targets, clock: Clock) -> Self {
        Self {
            client,
            targets,
            clock,
        }
    }
}

#[async_trait]
impl Destination for Bridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn account(&self, product: &ProductId) -> Option<Fingerprint> {
        let target = (self.targets)(product)?;
        let secret = target.secret.expose_secret();
        Some(Fingerprint::of(target.url.as_str(), secret))
    }

    async fn deliver(&self, job: &Job) -> Reply<Receipt> {
        let Some(target) = (self.targets)(&job.product) else {
            let reason = format!("product {} has no bridge", job.product);
            return Reply::not_called(Refusal::later(reason));
        };
        let body = json!({
            "type": "note",
            "delivery_id": job.delivery,
            "product_id": job.product,
            "session_id": job.body.session_id,
            "conversation_id": job.body.conversation_id,
            "text": job.body.text,
        });
        let body = body.to_string();
        let envelope = Envelope {
            id: job.delivery.as_str(),
            attempt: job.attempt,
            body: &body,
        };
        let address = Address {
            url: &target.url,
            secret: &target.secret,
            timeout_ms: None,
        };
        let (reply, answer) = post(&self.client, address, envelope, self.clock.now_ms()).await;
        match answer {
            Some(answer) => told(&answer, reply),
            None => reply,
        }
    }
}

/// What an answer means: as that of a push, but for a part's number, and a conversation that is gone. Nothing else
/// that a bridge lacks is the note's fault, so it is tried again, rarely.
fn told(answer: &Answer, mut reply: Reply<Receipt>) -> Reply<Receipt> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        200..300 => {
            let part = match &said["part_id"] {
                Value::String(part) => Some(part.clone()),
                Value::Number(part) => Some(part.to_string()),
                _ => None,
            };
            let part = part.filter(|part| !part.is_empty()).map(PartId::from);
            reply.result = Ok(Receipt { part });
        }
        401 | 403 => {
            reply.sign = Sign::Refused;
            reply.result = Err(Refusal::Unauthorized {
                reason: Arc::from("the bridge does not accept the secret"),
            });
        }
        404 | 410 if said["error"] == GONE => {
            reply.sign = Sign::Rejected;
            reply.result = Err(Refusal::Gone {
                reason: Arc::from("the bridge says that the conversation is gone"),
            });
        }
        404 | 410 => {
            reply.sign = Sign::Rejected;
            let reason = format!("the bridge answered {}", answer.status);
            reply.result = Err(Refusal::misconfigured(reason));
        }
        _ => {}
    }
    reply
}
