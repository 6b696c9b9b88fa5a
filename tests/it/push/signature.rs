//! Signatures of pushes, against values that another implementation gave.

use event_connector::ingest::signature::{sign_webhook, webhook_key};

#[test]
fn a_push_is_signed_as_standard_webhooks_says() {
    // The first is the specification's own; the others were computed with Python's hmac.
    let spec = sign_webhook(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(spec, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let raw = |secret| sign_webhook(secret, "msg_1", 1_700_000_000, br#"{"test": 2432232314}"#);
    assert_eq!(
        raw("clé-🔑"),
        "v1,OvCpb05F+xFk05+bzc9I4exCnALUNXmWCWKMCPtPKoU="
    );
    assert_eq!(
        raw("whsec_acme_5c1f0a77"),
        "v1,Ox0RGXkWFi82ole4c1VZ/uqR5H+Ek7d5e6l5CgE1JxA="
    );
}

#[test]
fn only_secrets_of_the_libraries_own_form_are_decoded() {
    assert_eq!(webhook_key("whsec_AAEC").as_deref(), Some(&[0, 1, 2][..]));
    // The packages of PyPI and npm take it, whatever the bits that nobody needs are, and without padding.
    assert_eq!(webhook_key("whsec_AB==").as_deref(), Some(&[0][..]));
    assert_eq!(webhook_key("whsec_AAE").as_deref(), Some(&[0, 1][..]));
    for secret in [
        "whsec_",
        "whsec_AAECA",
        "whsec_AA-_",
        "WHSEC_AAEC",
        "AAEC",
        "",
    ] {
        assert_eq!(webhook_key(secret), None, "{secret:?}");
    }
}
