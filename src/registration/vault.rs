//! Sealing what must be read again, and signing what comes back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::chance::Chance;

/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// The length of a nonce, in bytes. Drawn at random it is never drawn twice.
const NONCE_BYTES: usize = 24;

/// What sealed text begins with.
const VERSION: &str = "v1";

/// The operator's keys. The first one seals; all of them open. `Debug` shows none.
#[derive(Clone)]
pub struct Vault(Vec<Key>);

#[derive(Clone)]
struct Key {
    /// Tells which key sealed a text.
    name: String,
    cipher: XChaCha20Poly1305,
    signing: [u8; KEY_BYTES],
}

/// The text is no key. Repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 32 random bytes in hex or base64, e.g. from openssl rand -hex 32; more of them, after commas, still open what they sealed"
)]
pub struct NotAKey;

/// Why a sealed text cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Closed {
    /// Another key sealed it.
    #[error("it was sealed with another secrets.key (number {0})")]
    OtherKey(String),
    /// The text is damaged, or belongs to another product.
    #[error("it is damaged")]
    Damaged,
}

impl Vault {
    /// Draws a key as it may be configured.
    pub fn draw_key(chance: &Chance) -> SecretString {
        STANDARD.encode(chance.secret()).into()
    }

    /// Reads keys as they are configured, separated by commas.
    ///
    /// # Errors
    ///
    /// [`NotAKey`] when one of them is none.
    pub fn parse(keys: &SecretString) -> Result<Self, NotAKey> {
        let keys = keys.expose_secret().split(',');
        let keys = keys.map(|text| Some(Key::new(&bytes(text.trim())?)));
        Ok(Self(keys.collect::<Option<_>>().ok_or(NotAKey)?))
    }

    /// Seals a text so that it can be opened only as `of` whom it is. `drawn` is drawn for this one sealing.
    pub(super) fn seal(&self, plain: &[u8], of: &str, drawn: [u8; 32]) -> String {
        let nonce: &[u8; NONCE_BYTES] = drawn.first_chunk().expect("a nonce is shorter");
        let key = &self.0[0];
        let payload = Payload {
            msg: plain,
            aad: of.as_bytes(),
        };
        let sealed = key.cipher.encrypt(&XNonce::from(*nonce), payload);
        let sealed = sealed.expect("a registration is shorter than what the cipher takes");
        let text = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        format!("{VERSION}.{}.{text}", key.name)
    }

    /// Opens what [`Vault::seal`] made of a text.
    pub(super) fn open(&self, sealed: &str, of: &str) -> Result<Vec<u8>, Closed> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(name), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Closed::Damaged);
        };
        let key = self.0.iter().find(|key| key.name == name);
        let key = key.ok_or_else(|| Closed::OtherKey(name.to_owned()))?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Closed::Damaged)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(Closed::Damaged)?;
        let payload = Payload {
            msg: sealed,
            aad: of.as_bytes(),
        };
        let opened = key.cipher.decrypt(&XNonce::from(*nonce), payload);
        opened.map_err(|_| Closed::Damaged)
    }

    /// The signature of a text that we hand out and want to know again.
    pub(super) fn sign(&self, text: &str) -> [u8; 32] {
        mac(&self.0[0].signing, text)
    }

    /// Whether one of the keys made the signature.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let same = |key: &Key| bool::from(mac(&key.signing, text).ct_eq(signature));
        self.0.iter().any(same)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.name))
            .finish()
    }
}

impl Key {
    /// Every use has a key of its own, so that none tells anything about another.
    fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        let name = mac(bytes, "name of a key");
        Self {
            name: name[..4].iter().map(|byte| format!("{byte:02x}")).collect(),
            cipher: XChaCha20Poly1305::new(&mac(bytes, "sealing").into()),
            signing: mac(bytes, "signing"),
        }
    }
}

fn mac(key: &[u8; KEY_BYTES], text: &str) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn bytes(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() == 2 * KEY_BYTES {
        let pairs = text.as_bytes().chunks_exact(2);
        let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        return bytes.collect::<Option<Vec<u8>>>()?.try_into().ok();
    }
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE_NO_PAD.decode(text))
        .ok()?
        .try_into()
        .ok()
}
