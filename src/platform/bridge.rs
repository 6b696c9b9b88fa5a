//! Bridges that customers run themselves between us and a chatbot of theirs: notes and redactions as signed requests,
//! and notifications that come back signed the same way (contract 1.8, the neutral form).
//!
//! The cast: [`Own`] is what a product's row says of its bridge; `Bridge` is the destination of notes.
//!
//! Guaranteed: each note is one request, signed like a push, whose identifier is the same however often it is repeated:
//! a bridge that remembers identifiers posts no note twice. The address is judged like that of every customer.
//!
//! Deliberately absent: reading a conversation back, which a bridge need not offer, because it knows repetitions by
//! their identifier.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::webhook::{Asked, Heard, NoNotification, Proof, Webhook};
use super::{Chatbot, OwnOf, Platform, Tools};
use crate::clock::Clock;
use crate::delivery::admission::{Fingerprint, Sign};
use crate::delivery::client::Answer;
use crate::delivery::guard::GuardedClient;
use crate::delivery::push::{Address, Envelope, post};
use crate::delivery::{Destination, Job, Receipt, Refusal, Reply};
use crate::domain::id::{ConversationId, PartId, ProductId, SessionId, UserId};
use crate::domain::session::RedactionBody;
use crate::domain::session::index::Trust;
use crate::fields::{EndpointUrl, Fields, read_target};
use crate::ingest::signature;
use crate::session::linker::Person;

/// What the service asks of this platform.
pub(super) const PLATFORM: Platform = Platform {
    name: NAME,
    keys: &["url", "secret"],
    read,
    destination,
};

const NAME: &str = "bridge";

/// What a bridge says of a conversation that does not exist, as `error` of a 404 or 410.
const GONE: &str = "conversation_gone";

/// A product's bridge. `Debug` shows neither the secret nor more of the address than its origin.
#[derive(Clone, Debug)]
pub struct Own {
    /// What is called for each note. It may hold a secret itself.
    pub url: EndpointUrl,
    /// Bearer token and signing key of what is sent there, and of what comes from there.
    pub secret: SecretString,
}

fn read(config: &mut Fields<'_>) -> Option<Arc<dyn Chatbot>> {
    let (url, secret) = read_target(config, ["url", "secret"], true)?;
    Some(Arc::new(Own { url, secret }))
}

fn destination(tools: &Tools) -> Arc<dyn Destination> {
    Arc::new(Bridge {
        client: tools.guarded.clone(),
        own: tools.own(),
        clock: tools.clock.clone(),
    })
}

impl Chatbot for Own {
    fn platform(&self) -> &'static str {
        NAME
    }

    fn place(&self) -> String {
        format!("through {}", self.url)
    }

    /// A bridge signs as we sign what we send it, or shows a secret: the one that it shares with us, or one of the
    /// product's.
    fn prove(&self, webhook: &Webhook<'_>) -> Proof {
        let secret = self.secret.expose_secret();
        if let Some(signed) = (webhook.header)("x-connector-signature") {
            return match signature::verify(secret, webhook.body, signed) {
                true => Proof::Given(Trust::Platform),
                false => Proof::Failed,
            };
        }
        let bearer = (webhook.header)("authorization").and_then(signature::bearer);
        let is_shared = |given: &str| signature::secrets_equal(given.as_bytes(), secret.as_bytes());
        match bearer.is_some_and(is_shared) {
            true => Proof::Given(Trust::Platform),
            false => Proof::Wanted,
        }
    }

    /// What is missing, blank or of another type is absent. A notification without a conversation, or without
    /// anybody whose it is, links nothing.
    fn hear(&self, body: &[u8]) -> Result<Heard, NoNotification> {
        let body: Value = serde_json::from_slice(body).map_err(|_| NoNotification)?;
        let body = body.as_object().ok_or(NoNotification)?;
        let text = |key: &str| match body.get(key)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let person = Person {
            session: text("session_id").map(SessionId::from),
            user: text("user_id").map(UserId::from),
            email: text("email"),
        };
        let is_anybody =
            person.session.is_some() || person.user.is_some() || person.email.is_some();
        let conversation = text("conversation_id").filter(|_| is_anybody);
        Ok(Heard {
            topic: NAME,
            asks: conversation.map(|conversation| Asked {
                person,
                conversation: ConversationId::from(conversation),
                notification: text("id"),
            }),
        })
    }
}

/// Posts notes through customers' bridges.
struct Bridge {
    client: GuardedClient,
    own: OwnOf<Own>,
    clock: Clock,
}

#[async_trait]
impl Destination for Bridge {
    fn name(&self) -> &'static str {
        NAME
    }

    fn account(&self, product: &ProductId) -> Option<Fingerprint> {
        let own = (self.own)(product)?;
        let secret = own.secret.expose_secret();
        Some(Fingerprint::of(own.url.url().as_str(), secret))
    }

    async fn deliver(&self, job: &Job) -> Reply<Receipt> {
        let body = json!({
            "type": "note",
            "delivery_id": job.delivery,
            "product_id": job.product,
            "session_id": job.body.session_id,
            "conversation_id": job.body.conversation_id,
            "text": job.body.text,
        });
        self.send(job, &body).await
    }

    async fn redact(&self, job: &Job<RedactionBody>) -> Reply<Receipt> {
        let body = json!({
            "type": "redact",
            "delivery_id": job.delivery,
            "product_id": job.product,
            "session_id": job.body.session_id,
            "conversation_id": job.body.conversation_id,
            "redacts": job.body.redacts,
            "part_id": job.body.part_id,
        });
        self.send(job, &body).await
    }
}

impl Bridge {
    async fn send<B>(&self, job: &Job<B>, body: &Value) -> Reply<Receipt> {
        let Some(own) = (self.own)(&job.product) else {
            let reason = format!("product {} has no bridge", job.product);
            return Reply::not_called(Refusal::later(reason));
        };
        let body = body.to_string();
        let envelope = Envelope {
            id: job.delivery.as_str(),
            attempt: job.attempt,
            body: &body,
        };
        let address = Address {
            url: own.url.url(),
            secret: &own.secret,
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
