//! Keys.

use serde_json::Value;

use super::{ask, done, json};
use crate::registration::{named, open, registered, text};
use crate::support::{Service, Stream};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_alone_in_a_pipe_opens_the_stream_and_can_be_revoked() {
    let service = Service::start().await;
    registered(&service, &named("northwind")).await;
    let create = ["keys", "create", "northwind", "--name", "ci"];
    let key = done(&service, &[&create[..], &["--expires", "30d"]].concat());
    let key = key.strip_suffix('\n').expect("one line");
    assert!(key.starts_with("str_") && !key.contains(char::is_whitespace));
    let mut stream = Stream::new(open(&service, "northwind", "", key).await);
    let listed = done(&service, &["keys", "list", "northwind", "--json"]);
    let listed = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let listed: Vec<Value> = listed.collect();
    let own = listed
        .iter()
        .find(|one| one["name"] == "ci")
        .expect("it is listed");
    assert!(own["last_used_at"].is_f64() && own["expires_at"].is_f64());
    assert!(!own.to_string().contains(key));
    let table = done(&service, &["keys", "list", "northwind"]);
    assert_eq!(table.lines().count(), listed.len() + 1);
    assert!(
        table.contains(&key[..10]) && !table.contains(key),
        "{table}"
    );

    let id = text(own, "/key_id");
    let out = done(&service, &["keys", "revoke", "northwind", id]);
    assert_eq!(out, format!("{id} of northwind is revoked\n"));
    while let Some(event) = stream.next().await {
        assert_eq!(event.data, "", "nothing but a heartbeat");
    }
    assert_eq!(open(&service, "northwind", "", key).await.status(), 401);
    let (code, _, err) = ask(&service, &["keys", "revoke", "northwind", id]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("key not found") && err.contains("keys list"),
        "{err}"
    );
    let agents = json(&service, &["keys", "create", "northwind", "--scope", "mcp"]);
    assert!(text(&agents, "/key").starts_with("mcp_"));
    // Products of the list have none, and get none.
    let (code, out, err) = ask(&service, &["keys", "list", "acme"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let (code, _, err) = ask(&service, &["keys", "create", "acme"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("operator's list"), "{err}");
    let long = "n".repeat(257);
    let (code, _, err) = ask(&service, &["keys", "create", "northwind", "--name", &long]);
    assert_eq!(code, Some(2));
    assert!(err.contains("/name: must have at most 256"), "{err}");
}
