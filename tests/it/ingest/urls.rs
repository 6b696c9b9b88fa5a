//! Canonical URLs, redaction and page names (contract 3.6.3, 3.6.5).

use event_connector::ingest::{Settings, UrlStyle};
use serde_json::json;

use super::{action_of, hog, read_with};

fn canonical(url: &str) -> String {
    action_of(&hog(&json!({"event": "seen", "current_url": url}))).canonical_url
}

fn raw(url: &str) -> String {
    action_of(&hog(&json!({"event": "seen", "current_url": url}))).raw_url
}

fn page(url: &str) -> String {
    let action = action_of(&hog(&json!({"event": "seen", "current_url": url})));
    let place = action
        .description
        .strip_prefix("User triggered Seen")
        .unwrap_or("?");
    place
        .trim_start_matches(" on the ")
        .trim_end_matches(" page")
        .to_owned()
}

#[test]
fn the_origin_is_normalised() {
    for (url, expected) in [
        (
            "HTTPS://User:pw@APP.Example:443//a//B/?x=1#y",
            "https://app.example/a/B",
        ),
        ("http://x.example:80", "http://x.example/"),
        ("http://x.example:8080/", "http://x.example:8080/"),
        ("https://x.example:080/", "https://x.example:80/"),
        ("http://[::1]:3000/a/", "http://[::1]:3000/a"),
        ("  https://x.example/a\n", "https://x.example/a"),
        ("//CDN.example/a", "//cdn.example/a"),
        (
            "chrome-extension://abcdef/p.html",
            "chrome-extension://abcdef/p.html",
        ),
    ] {
        assert_eq!(canonical(url), expected, "{url}");
    }
}

#[test]
fn hash_routes_are_part_of_the_path() {
    for (url, expected) in [
        (
            "https://x.example/app/#/boards/7f3a9c1e2b?x=1",
            "https://x.example/app/#/boards/:id",
        ),
        ("https://x.example/#!/boards/", "https://x.example/#/boards"),
        ("https://x.example/#/", "https://x.example/#/"),
        ("https://x.example/a#section-2", "https://x.example/a"),
        ("/a/#/b", "/a/#/b"),
    ] {
        assert_eq!(canonical(url), expected, "{url}");
    }
}

#[test]
fn what_cannot_be_taken_apart_is_kept() {
    for (url, expected) in [
        ("http://[bad", "http://[bad"),
        ("http:///x", "http:///x"),
        ("http://x.example:port/", "http://x.example:port/"),
        ("about:blank", "about:blank"),
        ("products//shoes/?a=1", "products/shoes"),
        ("/products/42", "/products/:id"),
        ("http://[bad?token=abc", "http://[bad?token=REDACTED"),
    ] {
        assert_eq!(canonical(url), expected, "{url}");
    }
}

#[test]
fn identifiers_become_placeholders() {
    for id in [
        "42",
        "0",
        "%34%32",
        "3f9d2c4b",
        "3F9D2C4B7A",
        "0196e2b1-7a10-7c55-9d3e-5f0c1b2a3d44",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01arz3ndektsv4rrffq69g5fav",
        "2026-05-18",
        "2026-05-18T09:14:00Z",
        "jane@corp.example",
        "jane%40corp.example",
        "cus_9s6X",
        "u_4471",
        "sk_9s6XKzkNRiz8",
        "INV-20931",
        "ABC-12",
        "AB-x1y",
        "dQw4w9WgXcQ2",
        "V1StGXR8_Z5jdHi6B-myT",
    ] {
        assert_eq!(
            canonical(&format!("https://x.example/a/{id}/b")),
            "https://x.example/a/:id/b",
            "{id}"
        );
    }
}

#[test]
fn words_and_versions_stay() {
    for word in [
        "v1",
        "v2.1",
        "q3-report-2026",
        "Annual-Report-2026",
        "settings",
        "deadbeef",
        "12-steps",
        "u_12",
        "cus_abcdef",
        "inv-20931",
        "@jane",
        "2026-13-01",
        "2026-05",
        "a1b2c3",
        "équipe",
        "Getting-Started-Guide-2",
        "🎉",
    ] {
        let url = format!("https://x.example/a/{word}");
        assert_eq!(canonical(&url), url);
    }
}

#[test]
fn the_path_style_drops_the_origin() {
    let settings = Settings {
        canonical_url_style: UrlStyle::Path,
        ..Settings::default()
    };
    for (url, expected) in [
        ("https://x.example/a/42?b", "/a/:id"),
        ("https://x.example", "/"),
        ("https://x.example/a#/b", "/a/#/b"),
        ("/a", "/a"),
        ("about:blank", "about:blank"),
    ] {
        let batch = read_with(
            &hog(&json!({"event": "seen", "current_url": url})),
            &settings,
        );
        assert_eq!(batch.shares[0].activity.actions[0].canonical_url, expected);
    }
}

#[test]
fn captured_urls_lose_their_secrets_and_nothing_else() {
    for (url, expected) in [
        (
            "https://x.example/a?token=abc&b=2",
            "https://x.example/a?token=REDACTED&b=2",
        ),
        (
            "https://x.example/a?B=1&API_KEY=x;y#z",
            "https://x.example/a?B=1&API_KEY=REDACTED#z",
        ),
        (
            "https://x.example/#access_token=a.b&id_token=c",
            "https://x.example/#access_token=REDACTED&id_token=REDACTED",
        ),
        (
            "https://x.example/#/cb?code=1",
            "https://x.example/#/cb?code=REDACTED",
        ),
        (
            "https://x.example/?a=1&amp;secret=s",
            "https://x.example/?a=1&amp;secret=REDACTED",
        ),
        (
            "https://x.example/?to%6ben=1&token=",
            "https://x.example/?to%6ben=REDACTED&token=",
        ),
        (
            "https://x.example/?next=https://y.example/?signature=s",
            "https://x.example/?next=https://y.example/?signature=REDACTED",
        ),
        (
            "HTTPS://u:p@X.example:443//a/?q=a@b",
            "HTTPS://X.example:443//a/?q=a@b",
        ),
        ("//me@x.example/a", "//x.example/a"),
        ("/a//b@c", "/a//b@c"),
        (
            "https://x.example/tokens?mytoken=1&tokens=2",
            "https://x.example/tokens?mytoken=1&tokens=2",
        ),
    ] {
        assert_eq!(raw(url), expected);
    }
}

#[test]
fn a_product_may_name_its_own_secrets() {
    let settings = Settings {
        redact_query_params: vec!["Invite".to_owned()],
        ..Settings::default()
    };
    let body = hog(&json!({"current_url": "https://x.example/?invite=1&token=2"}));
    let batch = read_with(&body, &settings);
    assert_eq!(
        batch.shares[0].activity.actions[0].raw_url,
        "https://x.example/?invite=REDACTED&token=2"
    );
}

#[test]
fn pages_are_named_after_their_first_word() {
    for (url, expected) in [
        ("https://x.example/", "home"),
        ("https://x.example/42", "home"),
        ("https://x.example/settings/billing", "settings"),
        ("https://x.example/42/api-keys", "api keys"),
        ("https://x.example/en/pricing", "pricing"),
        ("https://x.example/pt-BR/app/teamMembers", "team members"),
        ("https://x.example/app/zh_Hans/inbox.html", "inbox"),
        ("https://x.example/app", "app"),
        ("https://x.example/en/42", "en"),
        ("https://x.example/apps/x", "apps"),
        ("https://x.example/a/#/b/c", "b"),
        ("https://x.example/a/#/", "home"),
        ("https://x.example/caf%C3%A9", "café"),
        ("https://x.example/%0A/ok", "ok"),
        ("https://x.example/4111-1111-1111-1111/ok", "ok"),
        ("products/shoes", "products"),
        ("about:blank", ""),
        ("http://[bad", ""),
    ] {
        assert_eq!(page(url), expected, "{url}");
    }
}
