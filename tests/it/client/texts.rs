//! Texts for people: refusals without secrets, and what is entered on a platform and in a page.

use crate::intercom_setup::{POSTHOG_SESSION_ID_JS, Unaddressable, reactive_snippet, webhook_url};
use event_connector::client::redact;

#[test]
fn what_cannot_be_read_is_not_repeated_if_it_may_hold_a_secret() {
    let deep = format!(
        "{}{{\"secret\":\"canary\"}}{}",
        "[".repeat(200),
        "]".repeat(200)
    );
    for text in [
        "{\"secret\":\"canary\"",
        "{\"secret\":\"canary\",\"n\":NaN}",
        "\u{feff}{\"secret\":\"canary\"}",
        "{\"secret\":\"canary\",\"lone\":\"\\ud83d\"}",
        "{\"secret\":\"canary\",\"n\":1e999}",
        &deep,
    ] {
        let said = redact(text, &[]);
        let chars = text.chars().count();
        assert_eq!(said, format!("<non-JSON response omitted ({chars} chars)>"));
    }
    let sentence = "[::1]:443 is not permitted";
    assert_eq!(redact(sentence, &[]), sentence);
}

#[test]
fn a_webhook_has_a_host_and_a_product() {
    let (host, product) = ("https://h.example", "acme");
    let url = "https://h.example/chatbot-webhook/acme";
    assert_eq!(webhook_url(host, product).as_deref(), Ok(url));
    for host in ["", " ", "//"] {
        assert_eq!(webhook_url(host, product), Err(Unaddressable::Host));
    }
    for host in ["", " ", "https://", "/path"] {
        let snippet = reactive_snippet(host, product, POSTHOG_SESSION_ID_JS);
        assert_eq!(snippet, Err(Unaddressable::Host), "{host}");
    }
    for product in ["", "a/b"] {
        assert_eq!(webhook_url(host, product), Err(Unaddressable::Product));
    }
    let snippet = reactive_snippet(host, "", POSTHOG_SESSION_ID_JS);
    assert_eq!(snippet, Err(Unaddressable::Product));
}

#[test]
fn nothing_in_a_host_or_a_product_breaks_out_of_the_snippet() {
    let odd = "</script><script>\"\\\n\u{0}<!--";
    let plain = reactive_snippet("h", "p", "own()").expect("a snippet");
    for (host, product) in [("h", odd), ("h.example\"<script>\\", "p")] {
        let snippet = reactive_snippet(host, product, "own()").expect("a snippet");
        for mark in ["<script>", "</script>", "<", "\n", "\\\n", "\u{0}"] {
            let count = |text: &str| text.matches(mark).count();
            assert_eq!(count(&snippet), count(&plain), "{mark:?} in {snippet}");
        }
    }
    // As an engine reads the literal, it is the product again.
    let snippet = reactive_snippet("h", odd, "own()").expect("a snippet");
    let literal = snippet.split_once("product_id: ").expect("a product").1;
    let literal = literal.split_once(",\n").expect("an end").0;
    let read: String = serde_json::from_str(literal).expect("a literal");
    assert_eq!(read, odd);
}
