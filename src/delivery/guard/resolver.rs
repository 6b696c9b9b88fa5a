//! Who may be called, and the resolver that asks.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{embedded, is_public};

/// Asks the name service.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a host.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own name service.
#[derive(Clone, Copy, Debug)]
pub struct System;

#[async_trait]
impl Lookup for System {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Says whether an address may be called. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Rules>);

struct Rules {
    allow_http: bool,
    opens: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    lookup: Box<dyn Lookup>,
}

/// Why a name was not resolved, or not to anything that may be called. It names no address: who chose the name
/// need not learn what is at the other end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("the host has an address that is not public, and push.allow_networks does not open it")]
    NotPublic,
    #[error("the host has no address")]
    NoAddress,
}

impl Guard {
    /// Lets through what is public, and what `opens` says is open beside it. Without TLS only if `allow_http`.
    pub fn new(
        allow_http: bool,
        opens: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        lookup: impl Lookup,
    ) -> Self {
        Self(Arc::new(Rules {
            allow_http,
            opens: Box::new(opens),
            lookup: Box::new(lookup),
        }))
    }

    /// Whether a URL may be called as far as it shows. A name is judged when it is resolved.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without repeating any of it.
    pub fn check(&self, url: &Url) -> Result<(), &'static str> {
        match url.scheme() {
            "https" => {}
            "http" if self.0.allow_http => {}
            "http" => return Err("the address is not https, and push.allow_http is false"),
            _ => return Err("the address is neither https nor http"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address holds a user name or a password");
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err("the address has no host");
        }
        // An address in place of a name is never resolved: it is read here just as the client will read it.
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) if !self.admits(address) => {
                Err("the address is not public, and push.allow_networks does not open it")
            }
            _ => Ok(()),
        }
    }

    /// Whether an address may be called.
    pub fn admits(&self, address: IpAddr) -> bool {
        let is_open = |address| is_public(address) || (self.0.opens)(address);
        let mut inner = embedded(address).into_iter();
        is_open(address) && inner.all(|address| is_open(address.into()))
    }

    async fn addresses(
        &self,
        host: &str,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.0.lookup.addresses(host).await?;
        if found.is_empty() {
            return Err(Refused::NoAddress.into());
        }
        if !found.iter().all(|address| self.admits(*address)) {
            return Err(Refused::NotPublic.into());
        }
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // The client puts the port of the URL in the place of 0.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}
