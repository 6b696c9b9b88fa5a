//! What can be chosen when a Redis is used as the store.

use std::time::Duration;

use secrecy::SecretString;

/// How the store is reached, and how it is laid out.
#[derive(Clone, Debug)]
pub struct Options {
    /// What [`Address::parse`](super::Address::parse) reads: a server, nodes of one cluster, or Sentinels.
    pub url: SecretString,
    /// Whether the address is that of a cluster, although it is only one. Means nothing with Sentinels.
    pub cluster: bool,
    /// Certificates, in PEM form, that vouch for servers reached by TLS; those of the machine otherwise.
    pub root_certificates: Option<Vec<u8>>,
    /// What all keys begin with, so that several stores can share a Redis.
    pub key_prefix: String,
    /// Over how many hash tags tenants are spread. Fixed when the store is used first.
    pub buckets: u16,
    /// How many connections share the commands, and how many groups of commits may be under way.
    pub connections: usize,
    /// The most commits in one run of a script.
    pub group_max: usize,
    /// How many replicas must have a commit before it is acknowledged. Not on a cluster.
    pub wait_replicas: u16,
    /// Tells instances apart: each passes over the news that it caused itself.
    pub instance: String,
    /// How long a connection may take to be made, and a command to be answered.
    pub timeout: Duration,
}

impl Options {
    /// The defaults for a store at `url`, for the only instance.
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            cluster: false,
            root_certificates: None,
            key_prefix: "event-connector".to_owned(),
            buckets: 16,
            connections: 8,
            group_max: 512,
            wait_replicas: 0,
            instance: String::new(),
            timeout: Duration::from_secs(5),
        }
    }
}
