//! Where a product's activity is pushed to, whichever form the row has it in (contract 1.4.1, 2.8, 6.1).

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::field::Fields;
use super::settings::Integration;
use crate::ingest::signature;

/// A push target. `Debug` shows neither the secret nor more of the address than its origin.
#[derive(Clone, Debug)]
pub struct Push {
    /// What is called.
    pub url: PushUrl,
    /// Bearer token and signing key.
    pub secret: SecretString,
    /// Attempts after the first; `None` where the service's own number counts.
    pub retries_max: Option<u32>,
    /// How long an attempt may take, in seconds; the service's own time if that is shorter or this is `None`.
    pub timeout_s: Option<f64>,
}

/// The address of a push target: of scheme `http` or `https`, with a host, without credentials and
/// without a fragment. It is shown as its origin alone, because a path may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PushUrl(Url);

impl PushUrl {
    /// Reads an address as browsers do, so that what is judged is what will be called.
    ///
    /// # Errors
    ///
    /// What would be right; never a part of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text)
            .map_err(|_| "must be an address such as https://hooks.example.org/events")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("must begin with https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user name and no password: the secret is sent as a header");
        }
        if url.fragment().is_some() {
            return Err("must hold no fragment (#…), which is never sent");
        }
        Ok(Self(url))
    }

    /// The address itself, for the call.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether what is pushed there is encrypted on its way.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/…")
    }
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

fn read_target(
    fields: &mut Fields<'_>,
    [url_key, secret_key]: [&'static str; 2],
    is_required: bool,
) -> Option<(PushUrl, SecretString)> {
    let before = fields.faults.len();
    let address = fields.secret(url_key);
    let url = match &address {
        Some(address) => PushUrl::parse(address.expose_secret()).map(Some),
        None if is_required && fields.faults.len() == before => Err("is required for push"),
        None => Ok(None),
    };
    let url = url.unwrap_or_else(|wrong| {
        fields.fault(url_key, wrong);
        None
    });
    let before = fields.faults.len();
    let secret = fields.secret(secret_key);
    if address.is_some() && secret.is_none() && fields.faults.len() == before {
        fields.fault(secret_key, "is required: what is pushed is signed with it");
    }
    Some((url?, secret?))
}
