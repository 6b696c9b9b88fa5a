//! The running service that a command asks: where it is, and who asks.

use crate::client::{Connector, Credential, Error};
use crate::clock::Clock;
use crate::config::Config;
use crate::terminal::Advised;

use super::health::reachable;
use super::run::Mistyped;

/// Names the service where `--url` does not.
const URL_VARIABLE: &str = "CONNECTOR_URL";

/// Where the service is.
#[derive(Clone, Debug)]
pub(super) struct Service {
    named: Option<String>,
}

impl Service {
    /// The one that `--url` names, else `CONNECTOR_URL`, else the configuration.
    pub(super) fn named(flag: Option<String>, environment: &[(String, String)]) -> Self {
        Self {
            named: flag.or_else(|| variable(environment, URL_VARIABLE)),
        }
    }

    /// Whether somebody has named it, so that nothing may stand in for it.
    pub(super) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// A connector for it. Where nobody has named it, it is the one that this configuration would start.
    pub(super) fn connector(
        &self,
        config: &Config,
        credential: &Credential,
    ) -> anyhow::Result<Connector> {
        let url = match &self.named {
            Some(url) => url.clone(),
            None => format!("http://{}", reachable(config.http.bind)),
        };
        Connector::new(Clock::system(), &url, credential).map_err(failed)
    }

    /// A connector for an operator, by the configured admin key.
    pub(super) fn operator(&self, config: &Config) -> anyhow::Result<Connector> {
        self.connector(config, &Credential::AdminKey(config.admin.key.clone()))
    }
}

/// A variable that is set and not empty.
pub(super) fn variable(environment: &[(String, String)], name: &str) -> Option<String> {
    let mut set = environment.iter().filter(|(own, _)| own == name);
    set.next_back()
        .map(|(_, value)| value.clone())
        .filter(|value| !value.is_empty())
}

/// An error of a request with what to do about it; exit code 2 where the request itself made no sense.
pub(super) fn failed(error: Error) -> anyhow::Error {
    let next = error.advice();
    let is_mistake = match &error {
        Error::Address | Error::Credential => true,
        Error::Refused(refusal) => refusal.is_mistake(),
        _ => false,
    };
    match next {
        next if is_mistake => Mistyped::new(error, next).into(),
        Some(next) => Advised::new(error, next).into(),
        None => error.into(),
    }
}
