//! Signatures and secrets, checked against published test vectors of HMAC.

use event_connector::ingest::signature::{bearer, hub, posthog, secrets_equal, sign, verify};

/// RFC 4231, test case 2, and RFC 2202, test case 2.
const KEY: &str = "Jefe";
const BODY: &[u8] = b"what do ya want for nothing?";
const SHA256: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
const SHA1: &str = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";

#[test]
fn posthog_takes_the_secret_or_a_signature() {
    assert!(posthog(KEY, BODY, KEY));
    assert!(posthog(KEY, BODY, &format!("sha256={SHA256}")));
    assert!(posthog(
        KEY,
        BODY,
        &format!("sha256={}", SHA256.to_uppercase())
    ));
    let long = "k".repeat(200);
    assert!(posthog(&long, BODY, &sign(&long, BODY)));
    for header in [
        "",
        "jefe",
        "Jefe ",
        SHA256,
        "sha256=",
        "sha256=zz",
        &format!("sha256={SHA256}0"),
    ] {
        assert!(!posthog(KEY, BODY, header), "{header}");
    }
    assert!(!posthog(KEY, b"another body", &format!("sha256={SHA256}")));
    assert!(!posthog("", BODY, ""));
    assert!(!posthog("", BODY, &sign("", BODY)));
}

#[test]
fn hubs_sign_in_either_header() {
    let sha1 = format!("sha1={SHA1}");
    let sha256 = format!("sha256={SHA256}");
    assert!(hub(KEY, BODY, Some(&sha1), None));
    assert!(hub(KEY, BODY, Some(&sha1.replace("ef", "EF")), None));
    assert!(hub(KEY, BODY, None, Some(&sha256)));
    assert!(hub(KEY, BODY, Some("sha1=0"), Some(&sha256)));
    assert!(!hub(KEY, BODY, Some(&sha256), None));
    assert!(!hub(KEY, BODY, None, Some(&sha1)));
    assert!(!hub(KEY, BODY, Some(SHA1), Some(SHA256)));
    assert!(!hub(KEY, BODY, None, None));
    assert!(!hub("", BODY, Some(&sha1), Some(&sign("", BODY))));
}

#[test]
fn our_own_signature_is_verified_as_receivers_do() {
    let header = sign(KEY, BODY);
    assert_eq!(header, format!("sha256={SHA256}"));
    assert!(verify(KEY, BODY, &header));
    assert!(verify("", BODY, "anything"));
    assert!(verify(" ", BODY, &sign(" ", BODY)));
    for refused in [
        header.to_uppercase(),
        header.replace("sha256", "SHA256"),
        format!("{header} "),
        SHA256.to_owned(),
        String::new(),
        "sha256=é".to_owned(),
    ] {
        assert!(!verify(KEY, BODY, &refused), "{refused}");
    }
}

#[test]
fn bearer_tokens_are_found_in_any_spelling() {
    for header in ["Bearer abc", "bearer  abc ", "BEARER\tabc"] {
        assert_eq!(bearer(header), Some("abc"));
    }
    for header in ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc"] {
        assert_eq!(bearer(header), None, "{header}");
    }
}

#[test]
fn secrets_of_any_length_are_compared() {
    assert!(secrets_equal(b"abc", b"abc"));
    assert!(!secrets_equal(b"abc", b"abd"));
    assert!(!secrets_equal(b"abc", b"abcd"));
    assert!(secrets_equal(b"", b""));
}
