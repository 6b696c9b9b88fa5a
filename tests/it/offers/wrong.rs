//! Wishes of a product that are wrong, and triggers that fail.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use event_connector::domain::fsm::TourRegistry;
use event_connector::domain::id::ProductId;
use event_connector::domain::proactive::trigger::Trigger;
use event_connector::domain::proactive::{Context, Offer, Program};
use serde_json::{Value, json};

use super::{offering, poll, reason, start};
use crate::cli::{binary, run, text, write_products};
use crate::support::{ADMIN_KEY, Service, eventually, json_of};

const EVENT: &str = "proactive_builtin_spec_invalid";

/// A list of built-in triggers in which one row is wrong twice.
fn half_wrong() -> Value {
    json!({"builtins": [
        {"id": "canonical_url_ping_pong", "name": "Lost", "description": "Goes back and forth."},
        {"id": "canonical_url_pingpong", "name": " ", "description": "Is no trigger."},
    ]})
}

fn right() -> Value {
    let mut triggers = half_wrong();
    triggers["builtins"].as_array_mut().expect("a list").pop();
    triggers
}

/// The user goes back and forth.
async fn wander(service: &Service, session: &str) {
    for (nth, page) in ["plans", "seats", "plans"].iter().enumerate() {
        let body = json!({
            "event": "$pageview", "uuid": format!("{session}-{nth}"), "session_id": session,
            "distinct_id": session, "current_url": format!("https://app.northwind.example/{page}"),
        });
        assert_eq!(service.post("/webhook/acme", &body).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn builtins_that_break_in_a_reloaded_list_leave_the_last_good_triggers_in_force() {
    let (service, _) = start(json!({"proactive_triggers": right()}), &[]).await;
    let mut rows: Value = serde_json::from_str(service.rows()).expect("JSON");
    rows[0]["integration_config"]["proactive_triggers"] = half_wrong();
    rows[0]["integration_config"]["proactive_intercom"] = json!(null);
    rows[0]["integration_config"]["context_actions_public"] = json!(true);
    let report = service.products.replace(&rows.to_string()).expect("a list");
    let acme = ProductId::from("acme");
    assert_eq!(
        (&report.changed, &report.kept),
        (&vec![acme.clone()], &vec![])
    );
    assert_eq!(report.kept_offers, [acme]);
    let pointers: Vec<_> = report
        .problems
        .iter()
        .map(|problem| &*problem.pointer)
        .collect();
    let row = "/0/integration_config/proactive_triggers/builtins/1";
    assert_eq!(pointers, [format!("{row}/id"), format!("{row}/name")]);
    for problem in &report.problems {
        assert_eq!((problem.event(), problem.is_partial), (Some(EVENT), true));
    }

    wander(&service, "s1").await;
    let polled = poll(&service, "s1").await;
    let trigger = &polled["proactive_trigger"];
    assert_eq!(trigger["trigger_id"], "canonical_url_ping_pong");
    // What else the row says is in force.
    assert_eq!(polled["actions"].as_array().map(Vec::len), Some(3));
    service.click("s2", "u2", "Get help").await;
    let polled = poll(&service, "s2").await;
    assert_eq!(
        polled["proactive_trigger"]["trigger_id"], "lost",
        "{polled}"
    );

    rows[0]["integration_config"]["proactive_triggers"] = right();
    let report = service.products.replace(&rows.to_string()).expect("a list");
    assert_eq!((report.problems, report.kept_offers), (vec![], vec![]));
    service.click("s3", "u3", "Get help").await;
    assert_eq!(reason(&poll(&service, "s3").await), "no_trigger");
}

#[tokio::test(flavor = "multi_thread")]
async fn builtins_that_are_broken_from_the_start_keep_nothing_else_out_of_force() {
    let (service, _) = start(json!({"proactive_triggers": half_wrong()}), &[]).await;
    wander(&service, "s1").await;
    assert_eq!(reason(&poll(&service, "s1").await), "no_trigger");
    service.click("s1", "s1", "Get help").await;
    let polled = poll(&service, "s1").await;
    assert_eq!(polled["proactive_trigger"]["trigger_id"], "lost");
}

/// The program, writing its log into a file; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(home: &Path, log: &Path) -> Running {
    let path = |name: &str| home.join(name).display().to_string();
    let mut command = binary();
    command.arg("serve").stdout(Stdio::null());
    command.stderr(File::create(log).expect("a file"));
    command.envs([
        ("CONNECTOR__HTTP__BIND", "127.0.0.1:0"),
        ("CONNECTOR__STORE__PATH", &path("store.db")),
        ("CONNECTOR__PRODUCTS__PATH", &path("products.json")),
        ("CONNECTOR__PRODUCTS__RELOAD_MS", "50"),
        ("CONNECTOR__LOG__FORMAT", "json"),
    ]);
    Running(command.spawn().expect("the service starts"))
}

/// Waits for a line of the log of which this is true.
async fn logged(log: &Path, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || async {
        let said = fs::read_to_string(log).expect("readable");
        let lines = said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let found = lines.into_iter().find(|line| holds(line));
        found.ok_or(said)
    })
    .await
}

#[tokio::test]
async fn broken_builtins_are_told_by_their_published_name_at_the_start_and_at_a_reload() {
    let home = tempfile::tempdir().expect("a directory");
    let row = |triggers: Value| {
        let config = offering(json!({"proactive_triggers": triggers}));
        json!([{
            "product_id": "acme", "webhook_secret": "s3cret", "integration_config": config,
        }])
    };
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    let is_told = |line: &Value| line["event"] == EVENT && line["level"] == "ERROR";
    write_products(home.path(), &row(half_wrong()));
    let started = serve(home.path(), &first);
    logged(&first, "it is told at the start", is_told).await;
    drop(started);

    write_products(home.path(), &row(right()));
    let running = serve(home.path(), &second);
    let is_listening = |line: &Value| line.to_string().contains("listening on");
    logged(&second, "it listens", is_listening).await;
    write_products(home.path(), &row(half_wrong()));
    let line = logged(&second, "it is told at a reload", is_told).await;
    let pointer = "/0/integration_config/proactive_triggers/builtins/1/id";
    assert_eq!(
        (&line["pointer"], &line["product_id"]),
        (&json!(pointer), &json!("acme"))
    );
    let is_kept = |line: &Value| line.to_string().contains("offers stays as it was");
    logged(&second, "what stays is told", is_kept).await;
    drop(running);
}

#[test]
fn check_names_what_is_wrong_with_triggers_and_remarks_on_conditions_that_nobody_knows() {
    let checked = |config: Value| {
        let rows = json!([{
            "product_id": "acme", "webhook_secret": "s3cret-0123456789abcdef",
            "integration_config": config,
        }]);
        let checked = run(&["check"], &[("PRODUCTS_CONFIG", &rows.to_string())]);
        // Lines are broken where they are long.
        let said: Vec<String> = text(&checked.stderr)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (checked.status.code(), said.join(" "))
    };
    let (code, said) = checked(json!({"proactive_triggers": half_wrong()}));
    assert_eq!(code, Some(2));
    for name in ["id", "name"] {
        let pointer = format!("/0/integration_config/proactive_triggers/builtins/1/{name}");
        assert!(said.contains(&pointer), "{said}");
    }
    let entries = json!([{
        "id": "e", "name": "e", "messages": [{"id": "m", "label": "Yes"}],
        "proactive_criteria": {"id": "c", "name": "c", "type": "moon_phase"},
    }]);
    let (code, said) = checked(json!({"proactive_intercom": entries}));
    assert_eq!(code, Some(0), "{said}");
    let remark = "integration_config/proactive_intercom/0/proactive_criteria/type must be one of url_contains";
    assert!(said.contains("notice") && said.contains(remark), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_with_broken_wishes_is_refused_with_every_fault_and_changes_nothing() {
    let (service, _) = start(json!({}), &[]).await;
    let ask = async |method: &str, path: &str, body: Value| {
        let method = method.parse().expect("a method");
        let request = service
            .client
            .request(method, format!("{}{path}", service.url));
        let request = request.header("x-admin-key", ADMIN_KEY);
        let answer = request
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), json_of(answer).await)
    };
    let product = json!({
        "product_id": "northwind", "contact_email": "ops@northwind.example",
        "webhook_secret": "wh_northwind_5c1f0a77", "integration_type": "event_stream",
        "integration_config": {"mode": "sse"},
    });
    let (status, answer) = ask("POST", "/products", product).await;
    assert_eq!(status, 201, "{answer}");
    let config = json!({
        "proactive_triggers": half_wrong(),
        "proactive": {"min_actions": -1, "cooldown_seconds": "long"},
        "proactive_intercom": [{"id": "e", "name": "e"}],
    });
    let path = "/products/northwind";
    let (status, answer) = ask("PATCH", path, json!({"integration_config": config})).await;
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_fields")));
    let errors = answer["errors"].as_array().expect("a list").iter();
    let pointers: Vec<_> = errors
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    for pointer in [
        "proactive_triggers/builtins/1/id",
        "proactive_triggers/builtins/1/name",
        "proactive_intercom/0/messages",
        "proactive/min_actions",
        "proactive/cooldown_seconds",
    ] {
        let pointer = format!("/integration_config/{pointer}");
        assert!(pointers.contains(&&*pointer), "{pointer} in {pointers:?}");
    }
    let (_, shown) = ask("GET", path, json!({})).await;
    assert_eq!(shown["integration_config"], json!({"mode": "sse"}));
    let unknown = json!({"proactive_intercom": [{
        "id": "e", "name": "e", "messages": [{"id": "m", "label": "Yes"}],
        "proactive_criteria": {"id": "c", "name": "c", "type": "moon_phase"},
    }]});
    let (status, answer) = ask("PATCH", path, json!({"integration_config": unknown})).await;
    assert_eq!(status, 200, "{answer}");
}

/// A trigger that cannot be configured.
#[derive(Debug)]
struct Failing;

impl Trigger for Failing {
    fn id(&self) -> &str {
        "failing"
    }

    fn evaluate(&self, _: &Context<'_>) -> Option<Offer> {
        panic!("a trigger fails, as the test wants it");
    }
}

/// One that always has something to say.
#[derive(Debug)]
struct Eager;

impl Trigger for Eager {
    fn id(&self) -> &str {
        "eager"
    }

    fn evaluate(&self, _: &Context<'_>) -> Option<Offer> {
        Some(Offer {
            trigger_id: "eager".to_owned(),
            body: "Hello".to_owned(),
            reply_option_labels: Vec::new(),
            metadata: serde_json::Map::new(),
            interaction_timeout_s: 10.0,
            cooldown_s: 30.0,
            user_tour_id: None,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_fails_is_counted_and_silences_nobody() {
    let (service, _) = start(json!({}), &[]).await;
    let acme = service
        .products
        .get(&ProductId::from("acme"))
        .expect("acme");
    let mut product = (*acme).clone();
    product.id = ProductId::from("loud");
    let triggers: Vec<Box<dyn Trigger>> = vec![Box::new(Failing), Box::new(Eager)];
    let program = Program::new(true, triggers, TourRegistry::default());
    product.program = Some(Arc::new(program));
    service.products.register(product);
    let body = crate::support::click("s1", "u1", "Save");
    assert_eq!(service.post("/webhook/loud", &body).await.status(), 200);
    let polled = json_of(service.get("/context/loud/s1").await).await;
    assert_eq!(
        polled["proactive_trigger"]["trigger_id"], "eager",
        "{polled}"
    );
    let metrics = service.get("/metrics").await.text().await.expect("text");
    // Once for the click, and once for the question.
    let line = r#"connector_triggers_total{outcome="panicked",product="loud",trigger="failing"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
}
