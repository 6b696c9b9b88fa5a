//! What is issued: drawn at random, shown once, stored as a digest.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::record::Scope;
use crate::chance::Chance;
use crate::domain::id::ProductId;

/// How much of a key is shown to tell it from others: its prefix and a few characters, of 43.
const SHOWN_CHARS: usize = 10;

/// The length of an issued product's name after its prefix.
const NAME_CHARS: usize = 10;

/// What can be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opens ingest.
    IngestSecret,
    /// Opens what agents read.
    McpKey,
    /// Opens the stream.
    StreamKey,
    /// Permits its product to be registered anew.
    OwnerToken,
    /// Permits one registration.
    Invite,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::IngestSecret => "ing_",
            Self::McpKey => "mcp_",
            Self::StreamKey => "str_",
            Self::OwnerToken => "own_",
            Self::Invite => "inv_",
        }
    }

    /// Draws one.
    pub(super) fn draw(self, chance: &Chance) -> SecretString {
        let text = URL_SAFE_NO_PAD.encode(chance.secret());
        format!("{}{text}", self.prefix()).into()
    }
}

/// A key with its public name.
#[derive(Clone, Debug)]
pub(super) struct IssuedKey {
    /// Its public name.
    pub id: String,
    /// What it opens.
    pub scope: Scope,
    /// The key itself.
    pub key: SecretString,
}

impl IssuedKey {
    /// Draws one.
    pub(super) fn draw(scope: Scope, chance: &Chance) -> Self {
        let kind = match scope {
            Scope::Stream => Kind::StreamKey,
            Scope::Mcp => Kind::McpKey,
        };
        Self {
            id: format!("key_{}", name(chance)),
            scope,
            key: kind.draw(chance),
        }
    }

    /// The beginning that may be shown.
    pub(super) fn shown(&self) -> String {
        self.key.expose_secret().chars().take(SHOWN_CHARS).collect()
    }
}

/// Everything that a registration may need, drawn beforehand.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// An identifier for the product.
    pub product: ProductId,
    /// Its ingest secret.
    pub ingest_secret: SecretString,
    /// Its key for agents.
    pub mcp_key: IssuedKey,
    /// Its key for the stream.
    pub stream_key: IssuedKey,
    /// Its owner's token.
    pub owner_token: SecretString,
}

impl Drawn {
    /// Draws all of it.
    pub(super) fn draw(chance: &Chance) -> Self {
        Self {
            product: ProductId::from(format!("prod_{}", name(chance))),
            ingest_secret: Kind::IngestSecret.draw(chance),
            mcp_key: IssuedKey::draw(Scope::Mcp, chance),
            stream_key: IssuedKey::draw(Scope::Stream, chance),
            owner_token: Kind::OwnerToken.draw(chance),
        }
    }
}

/// A name of letters and digits that nobody else draws.
fn name(chance: &Chance) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let bytes = chance.secret();
    // 62 does not divide 256: the first letters are drawn a little more often, which a name may be.
    let letters = bytes.iter().take(NAME_CHARS);
    letters
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}

/// The SHA-256 of something issued: 32 random bytes cannot be guessed from it. Stored as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) [u8; 32]);

/// The digest of a text.
pub(super) fn digest(text: &str) -> Digest {
    Digest(Sha256::digest(text).into())
}

impl Digest {
    /// Whether it is that of `text`, compared in constant time.
    pub(super) fn is_of(&self, text: &SecretString) -> bool {
        digest(text.expose_secret()).0.ct_eq(&self.0).into()
    }

    /// As it stands in the address of a row.
    pub(super) fn as_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_text())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let bytes = <[u8; 32]>::try_from(bytes);
        bytes
            .map(Self)
            .map_err(|_| D::Error::custom("a digest has 32 bytes"))
    }
}
