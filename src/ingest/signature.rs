//! Signatures and secrets: PostHog's and the hubs' on what arrives, our own on what we push. All
//! comparisons take the same time wherever two values differ, and no answer says which of several
//! ways of signing was tried or failed.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
