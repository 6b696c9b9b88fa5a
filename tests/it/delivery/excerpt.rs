//! What is shown of a platform's error.

use event_connector::delivery::excerpt::excerpt;

fn of(body: &str) -> Option<String> {
    let note = "[1] User clicked \"Приказ №7\" on café pages";
    excerpt(body.as_bytes(), note, "dG9rOmRlbW8=").map(|text| text.to_string())
}

#[test]
fn what_the_platform_says_is_shown_as_plain_text() {
    let html = "<html><body>\n<h1>502 Bad\tGateway</h1><hr>nginx &amp; co</body></html>";
    assert_eq!(of(html).as_deref(), Some("502 Bad Gatewaynginx & co"));
    let json = r#"{"errors":[{"code":"conflict","message":"try\u0020again"}]}"#;
    let wanted = r#"{"errors":[{"code":"conflict","message":"try again"}]}"#;
    assert_eq!(of(json).as_deref(), Some(wanted));
    assert_eq!(of(""), None);
    assert_eq!(of(r#"{"errors":[{"code":"conf"#), None);
    let long = "long ".repeat(1000);
    assert_eq!(of(&long).map(|text| text.chars().count()), Some(300 + 1));
}

#[test]
fn nothing_of_the_note_and_no_secret_is_shown_however_it_is_repeated() {
    for body in [
        "bad body: [1] User clicked \"Приказ №7\" on café pages",
        "bad body: <p>[1] User clicked &quot;&#1055;&#1088;&#1080;&#1082;&#1072;&#1079; №7&quot; on café pages</p>",
        r#"{"bad":"<p>[1] User clicked &quot;\u041f\u0440\u0438\u043a\u0430\u0437 №7&quot; on caf\u00e9 pages"}"#,
        "token dG9rOmRlbW8= is not known",
        "token dG9rOmRl... is not known",
    ] {
        let shown = of(body).expect("something is left");
        for secret in ["clicked", "pages", "rOmR"] {
            assert!(!shown.contains(secret), "{body}: {shown}");
        }
        assert!(
            shown.contains("bad") || shown.contains("is not known"),
            "{shown}"
        );
    }
}
