//! Where a product's activity is pushed to, whichever form the row has it in (contract 1.4.1, 2.8, 6.1).

use std::num::NonZeroU32;

use secrecy::{ExposeSecret, SecretString};

use super::settings::Integration;
use crate::fields::{EndpointUrl, Fields, read_target};
use crate::ingest::signature;

/// The most calls a second that a product may ask for: when each began is remembered.
const SECOND_MAX: u32 = 10_000;

/// A push target. `Debug` shows neither the secret nor more of the address than its origin.
#[derive(Clone, Debug)]
pub struct Push {
    /// What is called.
    pub url: EndpointUrl,
    /// Bearer token and signing key.
    pub secret: SecretString,
    /// Attempts after the first; `None` where the service's own number counts.
    pub retries_max: Option<u32>,
    /// How long an attempt may take, in seconds; the service's own time if that is shorter or this is `None`.
    pub timeout_s: Option<f64>,
    /// The most calls that begin within any second; the service's own number if that is smaller or this is `None`.
    pub second_max: Option<NonZeroU32>,
}

impl Push {
    /// Whether two forms name the same target.
    fn is_same(&self, other: &Self) -> bool {
        self.url == other.url && self.secret.expose_secret() == other.secret.expose_secret()
    }

    /// What an operator should know of the secret.
    pub(super) fn notice(&self) -> Option<&'static str> {
        let secret = self.secret.expose_secret();
        let is_mistaken = secret.starts_with(signature::WEBHOOK_PREFIX)
            && signature::webhook_key(secret).is_none();
        is_mistaken.then_some(
            "the push secret begins with whsec_ without being base64; receivers that verify with a \
             Standard Webhooks library must be given all of it as raw bytes",
        )
    }
}

/// Reads the push target of a row, in either form or both if they agree.
pub(super) fn read(
    fields: &mut Fields<'_>,
    config: &mut Fields<'_>,
    integration: &Integration,
) -> Option<Push> {
    let is_pushed = config.choice("mode", [("sse", false), ("push", true)]);
    let retries_max = config.whole("max_retries", 0..=1000);
    let timeout_s = config.seconds("push_timeout_s");
    let second_max = config.whole("push_second_max", 1..=SECOND_MAX);
    let second_max = second_max.and_then(NonZeroU32::new);
    if timeout_s == Some(0.0) {
        config.fault("push_timeout_s", "must be more than 0");
    }
    let target = |fields: &mut Fields<'_>, keys, is_required| {
        let (url, secret) = read_target(fields, keys, is_required)?;
        Some(Push {
            url,
            secret,
            retries_max,
            timeout_s,
            second_max,
        })
    };
    let has_forward = fields.has("forward_url");
    let forward = target(fields, ["forward_url", "forward_secret"], false);
    let own = match integration {
        Integration::EventStream if is_pushed => target(config, ["url", "secret"], !has_forward),
        Integration::Webhook => target(config, ["url", "secret"], false),
        _ => None,
    };
    if let (Some(own), Some(forward)) = (&own, &forward)
        && !own.is_same(forward)
    {
        fields.fault(
            "forward_url",
            "names another target, or forward_secret another secret, than integration_config; a \
             product has one push target",
        );
    }
    own.or(forward)
}
