//! Addresses of customers' own that are called with a secret.

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::object::Fields;

/// An address that a customer chose: of scheme `http` or `https`, with a host, without credentials and
/// without a fragment. It is shown as its origin alone, because a path may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
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

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/…")
    }
}

/// Reads an address and the secret that goes with it; the secret is required where there is an address.
pub(crate) fn read_target(
    fields: &mut Fields<'_>,
    [url_key, secret_key]: [&'static str; 2],
    is_required: bool,
) -> Option<(EndpointUrl, SecretString)> {
    let before = fields.faults.len();
    let address = fields.secret(url_key);
    let url = match &address {
        Some(address) => EndpointUrl::parse(address.expose_secret()).map(Some),
        None if is_required && fields.faults.len() == before => Err("is required"),
        None => Ok(None),
    };
    let url = url.unwrap_or_else(|wrong| {
        fields.fault(url_key, wrong);
        None
    });
    let before = fields.faults.len();
    let secret = fields.secret(secret_key);
    if address.is_some() && secret.is_none() && fields.faults.len() == before {
        fields.fault(
            secret_key,
            "is required: what is sent there is signed with it",
        );
    }
    Some((url?, secret?))
}
