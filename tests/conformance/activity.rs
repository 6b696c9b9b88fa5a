//! `activity/*.json`: what providers really post, sent to the whole service over HTTP.
//!
//! Each file is one story against a service of its own. A request passes when the answer's status
//! and counts, the reasons of drops and every recorded field of the produced actions are as
//! expected; a time of `null` stands for the time of receipt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event_connector::app::{App, Parts};
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::domain::id::ProductId;
use event_connector::domain::log::Offset;
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products};
use event_connector::store::Store;
use event_connector::store::memory::Memory;
use event_connector::tasks::Tasks;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::compare;
use crate::redis::{OwnServer, SAFE, is_redis};
use crate::topic::Tally;

/// The time of receipt: after everything that was recorded, 2026-12-01 00:00:00 UTC.
const RECEIVED_AT_S: f64 = 1_796_083_200.0;

/// How long the service may take to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Plays one file, in memory or with `STORE=redis` on a Redis of its own.
pub(super) fn run(document: &Value) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let redis = is_redis().then(|| OwnServer::start(&SAFE));
    runtime.block_on(async {
        let store: Arc<dyn Store> = match &redis {
            Some(redis) => Arc::new(redis.store("activity")),
            None => Arc::new(Memory::new()),
        };
        play(document, store).await
    })
}

/// A service and what it keeps.
struct Connector {
    url: String,
    client: reqwest::Client,
    store: Arc<dyn Store>,
    metrics: Metrics,
    seen: BTreeMap<ProductId, Offset>,
}

async fn play(document: &Value, store: Arc<dyn Store>) -> Tally {
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    let mut connector = start(document, store, &tasks, stop.clone()).await;
    let mut tally = Tally::default();
    for request in document["requests"].as_array().into_iter().flatten() {
        tally.total += 1;
        match connector.judge(request).await {
            Ok(()) => tally.passed += 1,
            Err(failure) => {
                let case = request["case"].as_str().unwrap_or("a request");
                tally.failures.push(format!("{case}: {failure}"));
            }
        }
    }
    stop.cancel();
    tasks.finish(&Clock::system(), GRACE).await;
    tally
}

async fn start(
    document: &Value,
    store: Arc<dyn Store>,
    tasks: &Tasks,
    stop: CancellationToken,
) -> Connector {
    let secrets = document["secrets"].as_object().cloned().unwrap_or_default();
    let rows: Vec<Value> = secrets
        .iter()
        .map(|(product, secret)| json!({"product_id": product, "webhook_secret": secret}))
        .collect();
    let rows = Value::from(rows).to_string();
    let metrics = Metrics::new();
    // Time stands still, so that what is dated on receipt is dated exactly.
    let (clock, _) = Clock::manual(RECEIVED_AT_S);
    let options: LoadOptions<Vec<(String, String)>> = LoadOptions::default();
    let app = App::build(Parts {
        config: Arc::new(Config::load(options).expect("the defaults")),
        clock,
        chance: Chance::seeded(1),
        metrics: metrics.clone(),
        spool: None,
        store: store.clone(),
        products: Products::new(Catalogue::parse(&rows).expect("a list")),
        source: None,
    });
    let app = app.expect("an application");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tasks.spawn("service", async move {
        app.serve(listener, stop.cancelled()).await;
    });
    Connector {
        url,
        client: reqwest::Client::builder().build().expect("a client"),
        store,
        metrics,
        seen: BTreeMap::new(),
    }
}

impl Connector {
    async fn judge(&mut self, request: &Value) -> Result<(), String> {
        let before = self.dropped();
        let (status, answer) = self.send(request).await?;
        let expect = &request["expect"];
        same("status", &expect["status"], &json!(status))?;
        if status == 200 {
            same("actions", &expect["actions"], &answer["actions"])?;
            same("dropped", &expect["dropped"], &answer["dropped"])?;
        }
        if let Some(detail) = expect.get("detail") {
            same("detail", detail, &answer["detail"])?;
        }
        if let Some(reasons) = expect.get("reasons") {
            let after = self.dropped();
            let new = after
                .iter()
                .filter(|(reason, count)| before.get(*reason) != Some(count));
            let new: BTreeSet<&str> = new.map(|(reason, _)| reason.as_str()).collect();
            let expected = reasons.as_array().into_iter().flatten();
            let expected: BTreeSet<&str> = expected.filter_map(Value::as_str).collect();
            same("reasons", &json!(expected), &json!(new))?;
        }
        let mut produced = self.produced().await;
        if let Some(expected) = expect["produced"].as_array() {
            same("produced", &json!(expected.len()), &json!(produced.len()))?;
            // The sessions of one request are written side by side: order holds within each of them.
            let mut expected = expected.clone();
            for actions in [&mut expected, &mut produced] {
                actions.sort_by_cached_key(|action| action["session_id"].to_string());
            }
            for (expected, action) in expected.iter().zip(&produced) {
                compare_action(expected, action)?;
            }
        }
        Ok(())
    }

    async fn send(&self, request: &Value) -> Result<(u16, Value), String> {
        let path = request["path"].as_str().unwrap_or_default();
        let body = match request["raw_body"].as_str() {
            Some(text) => text.to_owned(),
            None => request["body"].to_string(),
        };
        let mut call = self.client.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            call = call.header(name, value.as_str().unwrap_or_default());
        }
        let answer = call.send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let json = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        Ok((status, json))
    }

    /// Every action on the feeds since the last look.
    async fn produced(&mut self) -> Vec<Value> {
        let mut actions = Vec::new();
        for family in prometheus_products(&self.metrics) {
            let product = ProductId::from(family);
            let after = self.seen.get(&product).copied().unwrap_or_default();
            let page = self
                .store
                .feed(&product, after, 10_000)
                .await
                .expect("readable");
            for entry in &page.entries {
                let payload: Value = serde_json::from_str(&entry.body).expect("JSON");
                actions.extend(payload["actions"].as_array().cloned().unwrap_or_default());
            }
            self.seen.insert(product, page.scanned);
        }
        actions
    }

    /// How many raw events were dropped so far, by reason.
    fn dropped(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for line in lines(&self.metrics, "connector_events_dropped_total{") {
            let reason = between(&line, "reason=\"", "\"").unwrap_or_default();
            let count = line.rsplit(' ').next().and_then(|text| text.parse().ok());
            *counts.entry(reason.to_owned()).or_insert(0) += count.unwrap_or(0);
        }
        counts
    }
}

fn compare_action(expected: &Value, action: &Value) -> Result<(), String> {
    let expected = expected.as_object().cloned().unwrap_or_default();
    let fields = expected.into_iter().map(|(name, value)| {
        let is_time = name == "timestamp_start" || name == "timestamp_end";
        let value = if is_time && value.is_null() {
            json!(RECEIVED_AT_S)
        } else {
            value
        };
        (name, value)
    });
    let expected: Map<String, Value> = fields.collect();
    let shown = expected
        .keys()
        .map(|name| (name.clone(), action[name].clone()));
    let shown: Map<String, Value> = shown.collect();
    compare::exactly(&Value::Object(expected), &Value::Object(shown))
}

fn same(what: &str, expected: &Value, got: &Value) -> Result<(), String> {
    compare::exactly(expected, got).map_err(|difference| format!("{what} {difference}"))
}

/// The products that have taken anything in.
fn prometheus_products(metrics: &Metrics) -> Vec<String> {
    let mut products: Vec<String> = lines(metrics, "connector_events_total{")
        .iter()
        .filter_map(|line| between(line, "product=\"", "\"").map(str::to_owned))
        .collect();
    products.sort();
    products.dedup();
    products
}

fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
    let text = String::from_utf8(metrics.render()).expect("text");
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(&rest[..rest.find(end)?])
}
