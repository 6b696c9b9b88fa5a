//! The conformance run's deliberate differences: each catches what it describes, nothing else, and
//! an answer that breaks its promise fails.

#[path = "../conformance/difference.rs"]
mod difference_table;

use difference_table::{DIFFERENCES, of};
use serde_json::{Value, json};

/// The outcome of judging `answer`; `None` when no difference applies.
fn judged(topic: &str, input: &Value, answer: &Value) -> Option<bool> {
    of(topic, input).map(|difference| difference.judge(input, answer).is_ok())
}

#[test]
fn a_header_with_other_characters_is_a_mismatch() {
    let input =
        |secret: &str, header: &str| json!({"fn": "verify", "secret": secret, "header": header});
    let odd = input("s", "sha256=é");
    assert_eq!(
        judged("push_webhook", &odd, &json!({"accepted": false})),
        Some(true)
    );
    assert_eq!(
        judged("push_webhook", &odd, &json!({"accepted": true})),
        Some(false)
    );
    assert_eq!(
        judged("push_webhook", &odd, &json!({"error": "TypeError"})),
        Some(false)
    );
    for plain in [
        input("s", "sha256=00"),
        input("", "sha256=é"),
        json!({"fn": "verify", "secret": "s"}),
    ] {
        assert!(of("push_webhook", &plain).is_none(), "{plain}");
    }
    assert!(of("summary_payload", &odd).is_none());
}

#[test]
fn a_body_with_numbers_that_json_lacks_is_not_json() {
    let input = |body: &str| json!({"fn": "parse", "body": body});
    for body in [
        r#"{"type":"summary","forwarded_at":NaN}"#,
        r#"{"a":[1,-Infinity]}"#,
    ] {
        let odd = input(body);
        assert_eq!(
            judged("push_webhook", &odd, &json!({"payload": null})),
            Some(true),
            "{body}"
        );
        assert_eq!(
            judged("push_webhook", &odd, &json!({"payload": {}})),
            Some(false),
            "{body}"
        );
    }
    for body in [r#"{"summary":"NaN"}"#, "{", "hello", "", r#"{"a":NaN"#] {
        assert!(of("push_webhook", &input(body)).is_none(), "{body}");
    }
}

#[test]
fn a_note_is_rendered_whatever_its_first_time_is() {
    let input = |name: &str, at: Value| json!({"fn": name, "actions": [{"description": "a", "timestamp_start": at}]});
    let text = "session_id: s\ntimestamp: 2023-11-14 22:13:20 UTC\n\n[1] a";
    for at in [1.7e12, 253_402_300_800.0, -1e12] {
        let odd = input("format_note", json!(at));
        assert_eq!(
            judged("note_format", &odd, &json!({ "text": text })),
            Some(true),
            "{at}"
        );
        assert_eq!(
            judged("note_format", &odd, &json!({"error": "ValueError"})),
            Some(false)
        );
        assert_eq!(
            judged("note_format", &odd, &json!({"text": "[1] a"})),
            Some(false)
        );
    }
    for plain in [
        input("format_note", json!(1.7e9)),
        input("format_note", json!(null)),
        input("header", json!(1.7e12)),
        json!({"fn": "format_note", "actions": []}),
    ] {
        assert!(of("note_format", &plain).is_none(), "{plain}");
    }
}

#[test]
fn what_cannot_be_masked_is_not_repeated() {
    let input = |text: &str| json!({"fn": "redact", "text": text});
    for text in ["{\"secret\":\"x\"", " [\"a\", NaN] ", "{\"n\":1e999}"] {
        let odd = input(text);
        let chars = text.trim().chars().count();
        let omitted = format!("<non-JSON response omitted ({chars} chars)>");
        let outcome = |text: &str| judged("registration", &odd, &json!({ "text": text }));
        assert_eq!(outcome(&omitted), Some(true), "{text}");
        assert_eq!(outcome(text), Some(false), "{text}");
    }
    for plain in [
        "",
        "boom",
        "[::1] is none",
        "{\"a\":1}",
        "{\"s\":\"12345678901234567890123\"}",
    ] {
        assert!(of("registration", &input(plain)).is_none(), "{plain}");
    }
}

#[test]
fn wide_numbers_are_doubles_and_secrets_beside_them_are_masked() {
    let wide = "{\"secret\":\"x\",\"a\":[12345678901234567890123]}";
    let input = json!({"fn": "redact", "text": wide});
    let outcome = |text: &str| judged("registration", &input, &json!({ "text": text }));
    let masked = "{\"secret\":\"[REDACTED]\",\"a\":[1.2345678901234568e+22]}";
    assert_eq!(outcome(masked), Some(true));
    for broken in [
        "",
        "{\"secret\":\"[REDACTED]\",\"a\":[1]}",
        "{\"a\":[1.2345678901234568e+22]}",
        "{\"secret\":\"[REDACTED]\",\"a\":[]}",
    ] {
        assert_eq!(outcome(broken), Some(false), "{broken}");
    }
    for plain in [
        "18446744073709551615",
        "-9223372036854775808",
        "1.5e300",
        "[\"\\\"\",1]",
    ] {
        let input = json!({"fn": "redact", "text": plain});
        assert!(of("registration", &input).is_none(), "{plain}");
    }
}

#[test]
fn a_product_is_one_text_of_the_snippet() {
    let input = |product: &str| json!({"fn": "reactive_snippet", "product_id": product});
    let answer = |tags: [u8; 2], found: bool| {
        json!({
            "contains_all": {"product_id: \"</script>\"": false, "fetch": found},
            "contains_none": {"http://": true},
            "script_tags": tags,
        })
    };
    let odd = input("</script>");
    let outcome = |answer| judged("intercom_payloads", &odd, &answer);
    assert_eq!(outcome(answer([1, 1], true)), Some(true));
    assert_eq!(outcome(answer([1, 2], true)), Some(false));
    assert_eq!(outcome(answer([1, 1], false)), Some(false));
    for plain in ["acme", "a\"b", "{x}", "産品"] {
        assert!(of("intercom_payloads", &input(plain)).is_none(), "{plain}");
    }
}

#[test]
fn a_length_of_time_is_finite() {
    let refused = json!({"error": "SdkConfigError"});
    let row = |cooldown_s: &Value| {
        let good = json!({"id": "user_page_dwell"});
        json!({"fn": "resolve_specs", "specs": [good, {"cooldown_s": cooldown_s}]})
    };
    let run = |threshold: &Value| json!({"fn": "evaluate", "context_extra": {"dwell_threshold_seconds": threshold}});
    for odd in [json!("inf"), json!(" NaN "), json!({"$float": "Infinity"})] {
        let outcome = |answer| judged("builtin_catalog", &row(&odd), answer);
        assert_eq!(outcome(&refused), Some(true), "{odd}");
        assert_eq!(outcome(&json!({"rows": []})), Some(false), "{odd}");
        let outcome = |answer| judged("trigger_page_dwell", &run(&odd), answer);
        assert_eq!(outcome(&refused), Some(true), "{odd}");
        assert_eq!(outcome(&json!({"result": null})), Some(false), "{odd}");
    }
    for plain in [json!("30"), json!(1e300), json!(null), json!("abc")] {
        assert!(of("builtin_catalog", &row(&plain)).is_none(), "{plain}");
        assert!(of("trigger_page_dwell", &run(&plain)).is_none(), "{plain}");
    }
}

#[test]
fn an_empty_list_of_triggers_is_the_default() {
    let input = |specs: Value| json!({"fn": "registry_from_specs", "specs": specs});
    let answer = |ids: &[&str]| {
        let triggers = ids.iter().map(|id| json!({ "trigger_id": id }));
        json!({"triggers": triggers.collect::<Vec<_>>()})
    };
    for odd in [input(json!([])), input(json!(null))] {
        let outcome = |ids: &[&str]| judged("builtin_catalog", &odd, &answer(ids));
        assert_eq!(outcome(&["canonical_url_ping_pong"]), Some(true), "{odd}");
        assert_eq!(outcome(&["user_page_dwell"]), Some(false), "{odd}");
        assert_eq!(outcome(&[]), Some(false), "{odd}");
    }
    let plain = [json!([{}]), json!({}), json!("")];
    for plain in plain.map(input) {
        assert!(of("builtin_catalog", &plain).is_none(), "{plain}");
    }
    assert!(
        of(
            "builtin_catalog",
            &json!({"fn": "resolve_specs", "specs": []})
        )
        .is_none()
    );
}

#[test]
fn a_trigger_that_fails_is_skipped() {
    let input = |ops: &[&str]| {
        let triggers = ops
            .iter()
            .map(|op| json!({"trigger_id": op, "predicate": {"op": op}}));
        json!({"fn": "evaluate", "triggers": triggers.collect::<Vec<_>>()})
    };
    let odd = input(&["raise", "always"]);
    let outcome = |answer| judged("trigger_registry", &odd, &answer);
    assert_eq!(
        outcome(json!({"first": {"trigger_id": "always"}})),
        Some(true)
    );
    assert_eq!(outcome(json!({"first": null})), Some(false));
    assert_eq!(outcome(json!({"error": "RuntimeError"})), Some(false));
    assert!(of("trigger_registry", &input(&["never", "always"])).is_none());
}

#[test]
fn every_difference_says_why() {
    for difference in DIFFERENCES {
        assert!(!difference.reason.is_empty(), "{}", difference.topic);
        assert!(!difference.functions.is_empty(), "{}", difference.topic);
    }
}
