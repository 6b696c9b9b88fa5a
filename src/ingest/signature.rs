//! Signatures and secrets: PostHog's and the hubs' on what arrives, our own on what we push. All
//! comparisons take the same time wherever two values differ, and no answer says which of several
//! ways of signing was tried or failed.

use base64::Engine;
use base64::alphabet;
use base64::engine::{
    DecodePaddingMode,
    general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What secrets of the Standard Webhooks libraries begin with.
pub const WEBHOOK_PREFIX: &str = "whsec_";

/// Base64 as those libraries read it: padded or not, and whatever the last bits are.
const WEBHOOK_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether two secrets are equal, in a time that depends on neither their content nor their
/// lengths' difference: digests are compared, and those are equally long.
pub fn secrets_equal(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// The token of an `Authorization` value of scheme Bearer, in any case, trimmed (contract 0.3).
/// `None` for another scheme or an empty token.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header
        .trim()
        .split_once(|c: char| c.is_ascii_whitespace())?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// PostHog's `X-PostHog-Secret` (contract 1.1): the secret itself, or `sha256=` and the HMAC of
/// the raw body in hex of either case. An empty secret verifies nothing.
pub fn posthog(secret: &str, body: &[u8], header: &str) -> bool {
    if secret.is_empty() {
        return false;
    }
    // Whoever is right may learn in which of the two ways; for whoever is wrong both are tried.
    sha256_signed(secret, body, header) || secrets_equal(secret.as_bytes(), header.as_bytes())
}

/// The hub headers of a chatbot platform (contract 1.8): `X-Hub-Signature: sha1=…` or
/// `X-Hub-Signature-256: sha256=…`, hex of either case. An empty secret verifies nothing.
pub fn hub(
    secret: &str,
    body: &[u8],
    sha1_header: Option<&str>,
    sha256_header: Option<&str>,
) -> bool {
    if secret.is_empty() {
        return false;
    }
    let sha1 = sha1_header
        .and_then(|header| decode_hex::<20>(header.trim().strip_prefix("sha1=")?))
        .is_some_and(|given| sha1_mac(secret, body).ct_eq(&given).into());
    let sha256 = sha256_header.is_some_and(|header| sha256_signed(secret, body, header.trim()));
    sha1 | sha256
}

/// The value of `X-Connector-Signature` on our pushes (contract 2.8): `sha256=` and lower-case
/// hex over the exact body. The secret is used verbatim.
pub fn sign(secret: &str, body: &[u8]) -> String {
    use std::fmt::Write;

    let mut header = String::with_capacity("sha256=".len() + 64);
    header.push_str("sha256=");
    for byte in sha256_mac(secret, body) {
        // Writing into a string cannot fail, so there is nothing to report.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

/// Whether the published receiver would accept `header` for `body`: exactly what [`sign`] gives,
/// or anything at all when the receiver has an empty secret.
pub fn verify(secret: &str, body: &[u8], header: &str) -> bool {
    secret.is_empty() || secrets_equal(sign(secret, body).as_bytes(), header.as_bytes())
}

/// The key that a Standard Webhooks library derives from a secret of its own form, `whsec_` and
/// base64; `None` for any other secret, which such a library has to be given as raw bytes.
pub fn webhook_key(secret: &str) -> Option<Vec<u8>> {
    let encoded = secret.strip_prefix(WEBHOOK_PREFIX)?;
    let key = WEBHOOK_BASE64.decode(encoded).ok();
    key.filter(|key| !key.is_empty())
}

/// The value of `webhook-signature` on our pushes (Standard Webhooks 1.0): `v1,` and the base64 of
/// the HMAC over id, time in Unix seconds and exact body, with dots between them.
pub fn sign_webhook(secret: &str, id: &str, at_s: u64, body: &[u8]) -> String {
    let key = webhook_key(secret).unwrap_or_else(|| secret.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{at_s}.").as_bytes());
    mac.update(body);
    format!("v1,{}", WEBHOOK_BASE64.encode(mac.finalize().into_bytes()))
}

fn sha256_signed(secret: &str, body: &[u8], header: &str) -> bool {
    header
        .strip_prefix("sha256=")
        .and_then(decode_hex::<32>)
        .is_some_and(|given| sha256_mac(secret, body).ct_eq(&given).into())
}

fn sha256_mac(secret: &str, body: &[u8]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn sha1_mac(secret: &str, body: &[u8]) -> [u8; 20] {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// Exactly `N` bytes of hex in either case.
fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let nibble = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(nibble(0)? << 4 | nibble(1)?).ok()?;
    }
    Some(bytes)
}
