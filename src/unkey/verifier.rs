//! Asking, once for all who want to know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::verdict::{Verdict, read};
use crate::clock::{Clock, Instant};
use crate::delivery::client::Client;
use crate::domain::id::ProductId;
use crate::metrics::Metrics;

/// The longest key that Unkey takes.
const KEY_CHARS_MAX: usize = 512;

/// Failures in a row after which Unkey is left alone.
const FAILURES_MAX: u32 = 5;

/// How long it is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a key that was accepted is not asked about again: as long a revoked one still opens.
    pub accepted: Duration,
    /// How long one that was refused is not asked about again.
    pub refused: Duration,
    /// The most keys that are remembered, or asked about at the same time.
    pub keys_max: usize,
}

/// Unkey did not say. The key may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key could not be verified now; repeat later")]
pub struct Unclear;

/// Asks Unkey. Cheap to clone; clones remember the same.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    root_key: SecretString,
    clock: Clock,
    metrics: Metrics,
    limits: Limits,
    memory: Mutex<Memory>,
}

/// A key of a product, as far as it is kept.
type Name = [u8; 32];

/// A call that is under way, for all who wait for it.
type Asking = Shared<BoxFuture<'static, Verdict>>;

#[derive(Default)]
struct Memory {
    known: HashMap<Name, (Verdict, Instant)>,
    asking: HashMap<Name, Asking>,
    failures: u32,
    /// Until when it is left alone.
    rests_until: Option<Instant>,
}

/// What is to be done about a key.
enum Step {
    Known(Verdict),
    Wait(Asking),
}

impl Verifier {
    /// Nothing was asked yet. `base_url` is Unkey's address, without a trailing slash.
    ///
    /// # Errors
    ///
    /// The address is none.
    pub fn new(
        client: Client,
        base_url: &str,
        root_key: SecretString,
        (clock, metrics): (Clock, Metrics),
        limits: Limits,
    ) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            client,
            url: Url::parse(&format!("{base_url}/v2/keys.verifyKey"))?,
            root_key,
            clock,
            metrics,
            limits,
            memory: Mutex::default(),
        })))
    }

    /// Whether the key opens the product.
    ///
    /// # Errors
    ///
    /// [`Unclear`] when Unkey does not say; then nobody may be let in.
    pub async fn opens(&self, product: &ProductId, key: &str) -> Result<bool, Unclear> {
        if key.chars().count() > KEY_CHARS_MAX {
            return Ok(false);
        }
        let name = name(product, key);
        let verdict = match self.step(name, product, key) {
            Step::Known(verdict) => verdict,
            Step::Wait(asking) => asking.await,
        };
        match verdict {
            Verdict::Accepted => Ok(true),
            Verdict::Refused => Ok(false),
            Verdict::Limited | Verdict::Unclear => Err(Unclear),
        }
    }

    /// What is remembered, else the call that is under way, else a new one, if there may be one.
    fn step(&self, name: Name, product: &ProductId, key: &str) -> Step {
        let inner = &*self.0;
        let mut memory = inner.memory();
        match memory.known.get(&name) {
            Some((verdict, until)) if !inner.clock.has_come(*until) => {
                return Step::Known(*verdict);
            }
            _ => {}
        }
        if let Some(asking) = memory.asking.get(&name) {
            return Step::Wait(asking.clone());
        }
        let is_resting = memory
            .rests_until
            .is_some_and(|until| !inner.clock.has_come(until));
        if is_resting || memory.asking.len() >= inner.limits.keys_max {
            return Step::Known(Verdict::Unclear);
        }
        if memory.rests_until.is_some() {
            // This one tries; the others go on waiting for what it finds.
            memory.rests_until = Some(inner.clock.monotonic().after(PAUSE));
        }
        let (verifier, product, key) = (self.clone(), product.clone(), SecretString::from(key));
        let call = async move {
            let verdict = verifier.ask(&product, &key).await;
            verifier.learn(name, verdict);
            verdict
        };
        let asking = call.boxed().shared();
        memory.asking.insert(name, asking.clone());
        Step::Wait(asking)
    }

    async fn ask(&self, product: &ProductId, key: &SecretString) -> Verdict {
        let inner = &*self.0;
        let bearer = format!("Bearer {}", inner.root_key.expose_secret());
        let Ok(mut bearer) = HeaderValue::from_str(&bearer) else {
            return Verdict::Unclear;
        };
        bearer.set_sensitive(true);
        let body = json!({"key": key.expose_secret()}).to_string();
        let request = inner.client.request(Method::POST, inner.url.clone());
        let request = request
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        match inner.client.send(request).await {
            Ok(answer) => {
                let verdict = read(answer.status, &answer.body, product);
                if verdict == Verdict::Unclear {
                    let status = answer.status;
                    tracing::warn!(status, "Unkey could not say whether a key is valid");
                }
                verdict
            }
            Err(error) => {
                tracing::warn!(%error, "Unkey could not be asked about a key");
                Verdict::Unclear
            }
        }
    }

    /// Remembers what there is to be remembered.
    fn learn(&self, name: Name, verdict: Verdict) {
        let inner = &*self.0;
        let counter = &inner.metrics.unkey_verifications;
        counter.with_label_values(&[verdict.as_str()]).inc();
        let now = inner.clock.monotonic();
        let mut memory = inner.memory();
        memory.asking.remove(&name);
        if verdict == Verdict::Unclear {
            memory.failures += 1;
            if memory.failures >= FAILURES_MAX {
                memory.rests_until = Some(now.after(PAUSE));
            }
            return;
        }
        (memory.failures, memory.rests_until) = (0, None);
        let lives = match verdict {
            Verdict::Accepted => inner.limits.accepted,
            Verdict::Refused => inner.limits.refused,
            Verdict::Limited | Verdict::Unclear => return,
        };
        if memory.known.len() >= inner.limits.keys_max {
            memory
                .known
                .retain(|_, (_, until)| !inner.clock.has_come(*until));
        }
        if memory.known.len() < inner.limits.keys_max {
            memory.known.insert(name, (verdict, now.after(lives)));
        }
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(product: &ProductId, key: &str) -> Name {
    // Neither part can be read as a part of the other: no product has a line break in its name.
    Sha256::digest(format!("{product}\n{key}")).into()
}
