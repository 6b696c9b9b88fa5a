//! When actions start (contract 3.6.6).

use serde_json::{Value, json};

use super::{NOW, action_of, at, hog};

#[test]
fn every_way_of_writing_a_moment_is_read() {
    let cases = [
        (json!("2026-05-18T09:14:07.512Z"), 1_779_095_647.512),
        (json!("2026-05-18T09:14:07Z"), 1_779_095_647.0),
        (json!("2026-05-18t09:14:07z"), 1_779_095_647.0),
        (json!(" 2026-05-18T14:44:07.25+05:30 "), 1_779_095_647.25),
        (
            json!("2026-05-18T09:14:07.123456789Z"),
            1_779_095_647.123_456,
        ),
        (
            json!("2026-05-18T09:14:07.1234567890123+00:00"),
            1_779_095_647.123_456,
        ),
        (json!("2026-05-18T09:14:07"), 1_779_095_647.0),
        (json!("2026-05-18 09:14:07.500000"), 1_779_095_647.5),
        (json!("2026-05-18 04:14:07-0500"), 1_779_095_647.0),
        (json!("2026-05-18"), 1_779_062_400.0),
        (json!("20260518T091407Z"), 1_779_095_647.0),
        (json!(1_779_095_647_512_u64), 1_779_095_647.512),
        (json!(1_779_095_647), 1_779_095_647.0),
        (json!(1_779_095_647.25), 1_779_095_647.25),
        (json!("1779095647512"), 1_779_095_647.512),
    ];
    for (written, expected) in cases {
        let action = action_of(&hog(
            &json!({"timestamp": written, "button_or_link_text": "x"}),
        ));
        assert_eq!(
            at(&action).to_bits(),
            f64::to_bits(expected),
            "{written}: {}",
            at(&action)
        );
    }
}

#[test]
fn receipt_time_stands_in_for_what_cannot_be_believed() {
    let future = |seconds: f64| json!(NOW + seconds);
    let cases: [(Value, f64); 9] = [
        (json!(""), NOW),
        (json!(null), NOW),
        (json!("yesterday-ish"), NOW),
        (json!("2031-01-01T00:00:00Z"), NOW),
        (json!(["2026-05-18T09:14:07Z"]), NOW),
        (json!(0), NOW),
        (json!(-5), NOW),
        (future(300.0), NOW + 300.0),
        (future(301.0), NOW),
    ];
    for (written, expected) in cases {
        let action = action_of(&hog(&json!({"timestamp": written})));
        assert_eq!(at(&action).to_bits(), expected.to_bits(), "{written}");
    }
}
