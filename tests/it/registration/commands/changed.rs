//! What is changed, rotated, and permitted to others.

use serde_json::{Value, json};

use super::{after, ask, done, json, write};
use crate::registration::{client, named, open, post_click, registered, text};
use crate::support::{Service, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_a_patch_from_a_file_and_every_mistake_in_it_is_named() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let home = tempfile::tempdir().expect("a directory");
    let wrong = json!({"bin_seconds": -1, "wording": "canary-loud"});
    let wrong = write(home.path(), "wrong", &wrong.to_string());
    let (code, out, err) = ask(
        &service,
        &["products", "change", "northwind", "--patch", &wrong],
    );
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let pointers = ["\n  /bin_seconds: ", "\n  /wording: "];
    assert!(
        pointers.iter().all(|pointer| err.contains(pointer)),
        "{err}"
    );
    let patch = json!({"integration_config": {"bin_seconds": 5}, "name": "North"});
    let patch = write(home.path(), "patch", &patch.to_string());
    let out = done(
        &service,
        &["products", "change", "northwind", "--patch", &patch],
    );
    assert!(
        out.contains("bin_seconds = 5") && out.contains("North\n"),
        "{out}"
    );
    let torn = write(home.path(), "torn", "{\"canary\": ");
    let (code, _, err) = ask(
        &service,
        &["products", "change", "northwind", "--patch", &torn],
    );
    assert_eq!(code, Some(2));
    assert!(err.contains("is no JSON: see line 1"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_prints_what_it_issued_and_ends_what_was_there() {
    let service = Service::start().await;
    let first = registered(&service, &named("northwind")).await;
    let rotate = ["products", "rotate", "northwind", "--overlap", "0s"];
    let out = done(
        &service,
        &[&rotate[..], &["--only", "ingest_secret,mcp_key"]].concat(),
    );
    assert!(out.starts_with("issued anew for northwind\n"), "{out}");
    assert!(!out.contains("str_") && !out.contains("own_"), "{out}");
    let secret = after(&out, "Authorization: Bearer ");
    let old = text(&first, "/webhook_secret");
    assert_eq!(post_click(&service, "northwind", old, "A").await, 401);
    assert_eq!(post_click(&service, "northwind", secret, "B").await, 200);
    let key = text(&first, "/unkey_key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 200);
    let key = text(&first, "/credentials/mcp_key");
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    let all = json(&service, &["products", "rotate", "northwind"]);
    assert_eq!(all["credentials"]["owner_token"], Value::Null);
    assert!(!text(&all, "/credentials/stream_key").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_invitation_registers_once() {
    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__MODE", "invite")).await;
    let out = done(&service, &["products", "invite", "--expires", "3d"]);
    let url = out.trim_end();
    assert!(
        url.starts_with(&service.url) && !url.contains('\n'),
        "{out}"
    );
    let register = async |id: &str| {
        let request = client().post(format!("{url}/products"));
        let answer = request.body(named(id).to_string()).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(register("northwind").await, 201);
    assert_eq!(register("contoso").await, 403);
    let until = json(&service, &["products", "invite", "--expires", "1h"])["expires_at"].as_f64();
    let week = json(&service, &["products", "invite"])["expires_at"].as_f64();
    assert!(until.expect("a time") + 86_400.0 < week.expect("a time"));

    let service = Service::with(Setup::with("CONNECTOR__REGISTRATION__MODE", "admin_key")).await;
    let (code, out, err) = ask(&service, &["products", "invite"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("takes no invitations"), "{err}");
}
