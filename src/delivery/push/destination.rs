//! The call.

use std::num::NonZeroU32;
use std::sync::Arc;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::call::{Address, Envelope, post};
use crate::clock::Clock;
use crate::delivery::admission::{Fingerprint, Party, Terms};
use crate::delivery::destination::{Job, Receipt, Refusal, Reply};
use crate::delivery::guard::GuardedClient;
use crate::delivery::outcome::{outcome_of, reason_of};
use crate::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use crate::domain::id::ProductId;
use crate::domain::lane::PUSH;

/// What pushing for a product takes.
#[derive(Clone)]
pub struct Target {
    /// What is called. It may hold a secret itself.
    pub url: Url,
    /// Bearer token and signing key.
    pub secret: SecretString,
    /// Attempts after the first, if the product has a wish.
    pub retries_max: Option<u32>,
    /// How long an attempt may take, if that is shorter than the service's own time.
    pub timeout_ms: Option<u64>,
    /// The most calls that begin within any second, if that is fewer than the service's own.
    pub second_max: Option<NonZeroU32>,
}

/// Looks a product's target up, for every call anew, so that a changed one counts at once.
pub type Targets = Arc<dyn Fn(&ProductId) -> Option<Target> + Send + Sync>;

/// Pushes to products' endpoints.
pub struct Push {
    client: GuardedClient,
    targets: Targets,
    clock: Clock,
    terms: Terms,
}

impl Push {
    /// `terms` hold for every endpoint.
    pub fn new(client: GuardedClient, targets: Targets, clock: Clock, terms: Terms) -> Self {
        Self {
            client,
            targets,
            clock,
            terms,
        }
    }

    /// Sends a product's target something that is no activity, once, and answers what came of it; `None`
    /// when the product has no target. It is `{"type":"test",…}`, which the published receivers ignore.
    pub async fn test(&self, product: &ProductId, id: &str) -> Option<AttemptRecord> {
        let target = (self.targets)(product)?;
        let started_ms = self.clock.now_ms();
        let started = self.clock.monotonic();
        let sent_at = self.clock.now_s();
        let body = json!({"type": "test", "product_id": product, "sent_at": sent_at}).to_string();
        let envelope = Envelope {
            id,
            attempt: 1,
            body: &body,
        };
        let reply = self.call(&target, envelope).await;
        let refusal = reply.result.as_ref().err();
        Some(AttemptRecord {
            call: Call::Post,
            started_ms,
            took_ms: u64::try_from(self.clock.since(started).as_millis()).ok(),
            http_status: reply.http_status,
            outcome: refusal.map_or(AttemptOutcome::Delivered, outcome_of),
            reason: refusal.map(reason_of),
            excerpt: reply.excerpt,
        })
    }

    /// The longest that a call takes, milliseconds.
    pub(in crate::delivery) fn timeout_ms(&self) -> u64 {
        self.client.timeout_ms()
    }

    /// How many attempts after the first a product wants.
    pub(in crate::delivery) fn retries_max(&self, product: &ProductId) -> Option<u32> {
        (self.targets)(product)?.retries_max
    }

    /// The endpoint of a product: another address or secret is another one.
    pub(in crate::delivery) fn party(&self, product: &ProductId) -> Option<Party> {
        let target = (self.targets)(product)?;
        Some(Party {
            platform: PUSH,
            account: Fingerprint::of(target.url.as_str(), target.secret.expose_secret()),
            terms: Terms {
                second_max: least(self.terms.second_max, target.second_max),
                ..self.terms
            },
        })
    }

    /// Makes one attempt.
    pub(in crate::delivery) async fn deliver(&self, job: &Job<Arc<str>>) -> Reply<Receipt> {
        let Some(target) = (self.targets)(&job.product) else {
            let reason = format!("product {} has no push target", job.product);
            return Reply::not_called(Refusal::later(reason));
        };
        let envelope = Envelope {
            id: job.delivery.as_str(),
            attempt: job.attempt,
            body: &job.body,
        };
        self.call(&target, envelope).await
    }

    async fn call(&self, target: &Target, envelope: Envelope<'_>) -> Reply<Receipt> {
        let address = Address {
            url: &target.url,
            secret: &target.secret,
            timeout_ms: target.timeout_ms,
        };
        let now_ms = self.clock.now_ms();
        post(&self.client, address, envelope, now_ms).await.0
    }
}

/// The smaller of two bounds that may be none.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}
