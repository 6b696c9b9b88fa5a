//! Mistakes, and what they are told from.

use super::{ask, said};
use crate::support::{Service, json_of};

/// Arguments, the exit code, and what is said.
const CASES: [(&[&str], i32, &str); 12] = [
    (&["products"], 2, "Usage:"),
    (&["products", "add", "p"], 2, "--email"),
    (
        &["products", "add", "--email", "a@b.example"],
        2,
        "PRODUCT_ID",
    ),
    (
        &["products", "add", "a/b", "--email", "x"],
        2,
        "/contact_email: must",
    ),
    (
        &[
            "products",
            "add",
            "p",
            "--email",
            "a@b.example",
            "--secret-file",
            "/nowhere",
        ],
        2,
        "cannot read /nowhere",
    ),
    (
        &[
            "products",
            "add",
            "p",
            "--email",
            "a@b.example",
            "--secret-file",
            "-",
            "--owner-token-file",
            "-",
        ],
        2,
        "name a file",
    ),
    (
        &[
            "products",
            "add",
            "p",
            "--email",
            "a@b.example",
            "--secret-file",
            "-",
        ],
        2,
        "is empty",
    ),
    (
        &["products", "rotate", "p", "--only", "everything"],
        2,
        "ingest_secret",
    ),
    (
        &["products", "rotate", "p", "--overlap", "soon"],
        2,
        "90s, 2h or 3d",
    ),
    (&["products", "show", "nobody"], 1, "products list"),
    (
        &["products", "add", "acme", "--email", "a@b.example"],
        1,
        "choose another name",
    ),
    (&["keys", "create", "acme", "--scope", "all"], 2, "stream"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_told_from_what_failed() {
    let service = Service::start().await;
    for (arguments, code, part) in CASES {
        let (ended, out, err) = ask(&service, arguments);
        assert_eq!(
            (ended, out.as_str()),
            (Some(code), ""),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    let wrong = [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", "canary"),
    ];
    let (code, _, err) = said(&["products", "list"], &wrong);
    assert_eq!(code, Some(1));
    assert!(err.contains("try: set CONNECTOR_ADMIN_KEY"), "{err}");
    let listed = json_of(service.get("/products").await).await;
    assert_eq!(listed["count"], 1, "nothing was registered: {listed}");
}
