//! `products` and `keys` where no service runs: the store itself, opened.

use std::path::Path;

use serde_json::{Value, json};

use super::commands::said;
use super::{click, client, open, post_click, text};
use crate::cli::{Serving, write_products};
use crate::outbox::{of_store, pairs};
use crate::redis::OwnServer;
use crate::support::{ADMIN_KEY, SECRETS_KEY, Service, eventually};

const EMAIL: &str = "ops@northwind.example";

/// Runs a command until the service before has let go of the store; answers its only line, as JSON.
async fn json_once_free(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let out = eventually("the store opens", || async {
        match said(&arguments, environment) {
            (Some(0), out, err) => {
                assert!(
                    err.contains("nobody listens at http://127.0.0.1:1"),
                    "{err}"
                );
                Ok(out)
            }
            (_, _, err) => Err(err),
        }
    });
    serde_json::from_str(&out.await).expect("JSON")
}

fn add(id: &str) -> [&str; 5] {
    ["products", "add", id, "--email", EMAIL]
}

/// The names of all members, at any depth.
fn names(value: &Value, place: &str) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    let named = members.flat_map(|(name, value)| {
        let place = format!("{place}/{name}");
        let inner = names(value, &place);
        std::iter::once(place).chain(inner)
    });
    named.collect()
}

/// The variables of the store of a service that does not run, with its key and a product in its list.
fn variables(service: &Service) -> Vec<(String, String)> {
    let mut variables = of_store(service);
    let row = json!([{"product_id": "acme", "webhook_secret": "whsec_acme_0a775c1f", "integration_type": "intercom",
        "integration_config": {"access_token": "t", "admin_id": "1", "client_secret": "c"}}]);
    for (name, value) in [
        ("CONNECTOR_SECRETS_KEY", SECRETS_KEY),
        ("PRODUCTS_CONFIG", &row.to_string()),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_its_store_answer_the_same_and_what_was_registered_works_at_the_next_start() {
    let service = Service::start().await;
    let url = service.url.clone();
    let by_service = [("CONNECTOR_URL", &*url), ("CONNECTOR_ADMIN_KEY", ADMIN_KEY)];
    let first = json_of(&add("northwind"), &by_service);
    let key = json_of(&["keys", "create", "northwind"], &by_service);
    let listed = said(&["products", "list"], &by_service).1;
    let shown = said(&["products", "show", "northwind"], &by_service).1;
    let keys = said(&["keys", "list", "northwind"], &by_service).1;

    service.stop().await;
    let variables = variables(&service);
    let by_store = pairs(&variables);
    let second = json_once_free(&add("contoso"), &by_store).await;
    assert_eq!(names(&first, ""), names(&second, ""));
    assert_eq!(
        text(&second, "/setup/ingest_url"),
        "http://127.0.0.1:1/ingest/contoso"
    );
    let other = json_of(&["keys", "create", "contoso", "--name", "ci"], &by_store);
    assert_eq!(names(&key, ""), names(&other, ""));
    json_of(&["products", "remove", "contoso", "--yes"], &by_store);
    let again = [&add("contoso")[..], &["--force"]].concat();
    let second = json_of(&again, &by_store);
    let rotated = json_of(
        &["products", "rotate", "contoso", "--only", "ingest_secret"],
        &by_store,
    );
    let list = said(&["products", "list"], &by_store).1;
    assert!(
        listed.lines().all(|line| list.contains(line.trim_end())),
        "{listed}\n{list}"
    );
    assert_eq!(said(&["products", "show", "northwind"], &by_store).1, shown);
    assert_eq!(said(&["keys", "list", "northwind"], &by_store).1, keys);
    let invitation = json_of(&["products", "invite"], &by_store);
    assert!(text(&invitation, "/url").starts_with("http://127.0.0.1:1/register/inv_"));
    let own = text(&key, "/key_id");
    json_of(&["keys", "revoke", "northwind", own], &by_store);

    assert_refused(&by_store, own);

    let service = service.restart().await;
    for secret in [
        text(&second, "/webhook_secret"),
        text(&rotated, "/webhook_secret"),
    ] {
        assert_eq!(post_click(&service, "contoso", secret, "Save").await, 200);
    }
    let stream_key = text(&second, "/unkey_key");
    assert_eq!(
        open(&service, "contoso", "", stream_key).await.status(),
        200
    );
    let revoked = text(&key, "/key");
    assert_eq!(open(&service, "northwind", "", revoked).await.status(), 401);
}

/// A store says no as its service does. `gone` is a key that was revoked.
fn assert_refused(by_store: &[(&str, &str)], gone: &str) {
    for (arguments, code, part) in [
        (&add("acme")[..], 1, "operator's list"),
        (&add("northwind")[..], 1, "--force"),
        (
            &["products", "add", "a/b", "--email", "x"][..],
            2,
            "\n  /contact_email: must",
        ),
        (&["products", "rotate", "nobody"][..], 1, "products list"),
        (
            &["keys", "revoke", "northwind", gone][..],
            1,
            "key not found",
        ),
    ] {
        let (ended, out, err) = said(arguments, by_store);
        assert_eq!(
            (ended, out.as_str()),
            (Some(code), ""),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    let closed = [by_store, &[("CONNECTOR__REGISTRATION__MODE", "admin_key")]].concat();
    let (code, _, err) = said(&["products", "invite"], &closed);
    assert_eq!(code, Some(1));
    assert!(err.contains("takes no invitations"), "{err}");
}

fn json_of(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    let (code, out, err) = said(&arguments, environment);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

/// Posts a click; answers the status.
async fn click_at(url: &str, product: &str, secret: &str) -> u16 {
    let request = client().post(format!("{url}/ingest/{product}"));
    let body = click("s1", "u1", "Save").to_string();
    let answer = request.bearer_auth(secret).body(body).send().await;
    answer.expect("an answer").status().as_u16()
}

fn stop(mut service: Serving) {
    service.signal("-TERM");
    service.child.wait().expect("it ends");
}

fn of_file(home: &Path) -> Vec<(String, String)> {
    let path = |name: &str| home.join(name).display().to_string();
    [
        ("CONNECTOR__HTTP__BIND", "127.0.0.1:1".to_owned()),
        ("CONNECTOR__STORE__PATH", path("store.db")),
        ("CONNECTOR__PRODUCTS__PATH", path("products.json")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_in_a_file_is_sealed_with_the_key_beside_it_as_the_service_does() {
    let home = tempfile::tempdir().expect("a directory");
    let variables = of_file(home.path());
    let by_store = pairs(&variables);
    let add = add("northwind");
    let (code, _, err) = said(&add, &by_store);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no file"), "{err}");
    assert!(
        !home.path().join("store.db").exists(),
        "asking makes no store"
    );

    write_products(home.path(), &json!([]));
    stop(Serving::start(home.path()));
    let answer = json_once_free(&add, &by_store).await;
    let service = Serving::start(home.path());
    let secret = text(&answer, "/webhook_secret");
    assert_eq!(click_at(&service.url, "northwind", secret).await, 200);
    stop(service);

    // Where the key is gone a new one is made and said; what the old one sealed is shown as it is.
    let key = home.path().join("store.db.key");
    std::fs::remove_file(&key).expect("there was a key");
    let (code, out, err) = said(&["products", "list"], &by_store);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        key.exists() && err.contains("keep it with your backups"),
        "{err}"
    );
    assert!(out.contains("another secrets.key"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_instance_hears_at_once_of_what_is_registered_in_its_redis() {
    let server = OwnServer::start(&crate::redis::SAFE);
    let service = super::shared::service_on(&server).await;
    let url = server.url();
    let mut variables = vec![
        ("CONNECTOR__HTTP__BIND", "127.0.0.1:1"),
        ("CONNECTOR__STORE__BACKEND", "redis"),
        ("REDIS_URL", &url),
        ("CONNECTOR__REDIS__KEY_PREFIX", "shared"),
    ];
    let add = add("northwind");
    let (code, _, err) = said(&add, &variables);
    assert_eq!(code, Some(2));
    assert!(err.contains("CONNECTOR_SECRETS_KEY"), "{err}");
    variables.push(("CONNECTOR_SECRETS_KEY", SECRETS_KEY));
    let answer = json_of(&add, &variables);
    let secret = text(&answer, "/webhook_secret");
    assert_eq!(click_at(&service.url, "northwind", secret).await, 200);
    json_of(&["products", "remove", "northwind", "--yes"], &variables);
    eventually("it is out of force", || async {
        match click_at(&service.url, "northwind", secret).await {
            404 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}
