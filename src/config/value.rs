//! What keys may be set to that is neither text nor number.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Who may register products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationMode {
    /// Anybody while only this machine can call, else whoever has the admin key.
    Auto,
    /// Whoever has the admin key.
    AdminKey,
    /// They, and whoever they invited.
    Invite,
    /// Anybody.
    Open,
}

/// The kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One file on one machine.
    Sqlite,
    /// A Redis server or cluster, for many instances.
    Redis,
}

/// Shows that a secret is set, and nothing else.
pub(super) fn redacted<S: Serializer>(
    secret: &SecretString,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.expose_secret().is_empty() {
        ""
    } else {
        "[redacted]"
    })
}
