//! One registration, as it is stored and as it is in force.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::application::project_id;
use super::secret::{Digest, IssuedKey, digest};
use super::vault::{Closed, Vault};
use crate::domain::id::ProductId;
use crate::fields::Fault;
use crate::product::{OldSecret, Origin, Product, ReadKey};

/// What is stored of a registered product.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    /// What may be read by whoever reads the store.
    pub record: Record,
    /// What may not.
    pub(super) sealed: Sealed,
}

/// The part in clear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The product.
    pub product_id: ProductId,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The analytics vendor that it was registered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The vendor's project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_project_id: Option<String>,
    /// When it was registered first, Unix milliseconds.
    pub created_ms: u64,
    /// When it was last changed.
    pub updated_ms: u64,
    /// When it was removed; some time later it goes for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<u64>,
    /// The digest of its owner's token.
    pub owner: Digest,
    /// Keys that were issued for it.
    pub keys: Vec<KeyRecord>,
}

/// What a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scope {
    /// The stream.
    Stream,
    /// The stream, and what agents read.
    Mcp,
}

/// An issued key, without the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    /// Its public name.
    pub id: String,
    /// What it opens.
    pub scope: Scope,
    /// What it is for, in the words of whoever asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it begins.
    pub prefix: String,
    /// The digest of it.
    pub digest: Digest,
    /// When it was issued, Unix milliseconds.
    pub created_ms: u64,
    /// Until when it is accepted; `None` for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

/// The part that is sealed: the row, which holds secrets in places that only its reader knows, and the secrets
/// before its present one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) row: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) old_secrets: Vec<Old>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) secret: String,
    pub(super) until_ms: u64,
}

impl std::fmt::Debug for Old {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a secret until {}", self.until_ms)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    record: Record,
    sealed: String,
}

/// Why a stored registration is not in force. Repeats nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is no registration.
    #[error("it cannot be read")]
    Unreadable,
    /// Its seal does not open.
    #[error("{0}")]
    Closed(String),
    /// Its row is not accepted.
    #[error("its row is not accepted: {0}")]
    Row(String),
}

impl From<Closed> for Flaw {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed.to_string())
    }
}

impl KeyRecord {
    pub(super) fn of(key: &IssuedKey, name: Option<String>, now_ms: u64) -> Self {
        Self {
            id: key.id.clone(),
            scope: key.scope,
            name,
            prefix: key.shown(),
            digest: digest(key.key.expose_secret()),
            created_ms: now_ms,
            until_ms: None,
        }
    }

    /// Whether it is accepted.
    pub(super) fn is_valid(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

impl Record {
    /// What its project is looked up by, if it was registered for one.
    pub(super) fn project(&self) -> Option<String> {
        let (provider, project) = (self.provider.as_ref()?, self.provider_project_id.as_ref()?);
        Some(project_id(provider, project))
    }
}

impl Registration {
    /// Its stored form. `drawn` is drawn for this one sealing.
    pub(super) fn seal(&self, vault: &Vault, drawn: [u8; 32]) -> Arc<str> {
        let plain = serde_json::to_vec(&self.sealed).expect("JSON is made of JSON");
        let stored = Stored {
            record: self.record.clone(),
            sealed: vault.seal(&plain, self.record.product_id.as_str(), drawn),
        };
        let text = serde_json::to_string(&stored).expect("a record is made of JSON");
        text.into()
    }

    /// Reads the stored form.
    pub(super) fn open(stored: &str, vault: &Vault) -> Result<Self, Flaw> {
        let stored: Stored = serde_json::from_str(stored).map_err(|_| Flaw::Unreadable)?;
        let plain = vault.open(&stored.sealed, stored.record.product_id.as_str())?;
        Ok(Self {
            sealed: serde_json::from_slice(&plain).map_err(|_| Flaw::Unreadable)?,
            record: stored.record,
        })
    }

    /// Whether it was not removed.
    pub(super) fn is_live(&self) -> bool {
        self.record.deleted_ms.is_none()
    }

    /// Its row, secrets and all.
    pub(super) fn row(&self) -> &Map<String, Value> {
        &self.sealed.row
    }

    /// Its present secret.
    pub(super) fn secret(&self) -> Option<SecretString> {
        let secret = self.sealed.row.get("webhook_secret");
        secret.and_then(Value::as_str).map(SecretString::from)
    }

    /// The product that it describes.
    ///
    /// # Errors
    ///
    /// What is wrong with its row. A newer version may have become stricter than the one that took it in.
    pub(super) fn product(&self) -> Result<Product, Vec<Fault>> {
        let mut product = Product::read(&Value::Object(self.sealed.row.clone()))?;
        product.origin = Origin::Registered;
        let old = self.sealed.old_secrets.iter();
        product.old_secrets = old
            .map(|old| OldSecret {
                secret: old.secret.as_str().into(),
                until_ms: old.until_ms,
            })
            .collect();
        let keys = self.record.keys.iter();
        product.keys = keys
            .map(|key| ReadKey {
                id: key.id.as_str().into(),
                digest: key.digest.0,
                until_ms: key.until_ms,
            })
            .collect();
        Ok(product)
    }
}

/// All faults as one line.
pub(super) fn one_line(faults: &[Fault]) -> String {
    let faults = faults
        .iter()
        .map(|fault| format!("{} {}", fault.pointer, fault.text));
    faults.collect::<Vec<_>>().join("; ")
}
