//! Receivers of pushes, made of published packages: each verifies what it gets by itself, and tells what it has kept.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::process::Program;
use super::service::{Home, Service, http, metric};
use super::{own, tools, until, work};

/// Receivers on this machine, and repetitions that come soon.
const SETTINGS: &str = "[push]\nallow_http = true\nallow_networks = [\"127.0.0.1/32\"]\ntimeout_ms = 1000\n\
    [delivery]\nrequest_timeout_ms = 1000\nlease_ms = 6000\nretry_base_ms = 50\npoll_ms = 50\n\
    breaker_pause_ms = 100\n";

/// As a Standard Webhooks library makes them, without the padding that such libraries do not ask for, and as people do.
const SECRETS: [&str; 3] = [
    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
    "a key that peoplé made up",
];

/// Requests, and the sessions in each of them, which are as many pushes. Half of them are enough for the receiver to
/// fall silent.
const ROUNDS: usize = 40;
const SESSIONS: usize = 6;

/// What decides which calls the receiver fails.
const SEED: &str = "5";

/// How a call may end: taken, in silence, and in four kinds of failure, each before and after the push was kept.
const KINDS: usize = 1 + 1 + 4 * 2;

/// A receiver that fails now and then gets every action once and in order, although the service is killed as well.
pub(crate) async fn survives() -> Result<String, String> {
    let home = Home::new(SETTINGS)?;
    let mut service = home.start()?;
    let mut command = python("sdk", SECRETS[0]);
    let receiver = Program::start("WebhookReceiver", command.arg(SEED))?;
    let mut product = Product::register(&service, receiver, SECRETS[0]).await?;
    for round in 0..ROUNDS {
        let clicks = product.clicks(round, SESSIONS);
        if round == ROUNDS / 2 {
            // One push is kept and not answered, and one request is under way.
            product.receiver.answer("silent").await?;
            let socket = product.begin(&service, &clicks).await?;
            let address = service.address;
            service.kill();
            drop(socket);
            service = home.start_on(address)?;
        }
        product.send(&service, &clicks).await?;
    }
    let lines = product.end(&service).await?;
    let kinds: BTreeSet<_> = lines.iter().map(kind_of).collect();
    if kinds.len() != KINDS {
        return Err(format!("not everything happened: {kinds:?}"));
    }
    let pushes = product.holds(&lines)?;
    service.terminate().await?;
    home.complaints()?;
    Ok(format!(
        "{} actions in {pushes} pushes, received in {} calls",
        ROUNDS * SESSIONS * 2,
        lines.len()
    ))
}

/// The packages verify every push, however the secret is made.
pub(crate) async fn verifies() -> Result<String, String> {
    const CALLS: usize = 10;
    let home = Home::new(SETTINGS)?;
    let service = home.start()?;
    let mut started = Vec::new();
    for secret in SECRETS {
        for (name, mut command) in [
            ("PyPI standardwebhooks", python("standardwebhooks", secret)),
            ("npm standardwebhooks", node(secret)),
        ] {
            started.push((Program::start(name, &mut command)?, secret));
        }
    }
    let mut products = Vec::new();
    for (receiver, secret) in started {
        products.push(Product::register(&service, receiver, secret).await?);
    }
    let mut pushes = 0;
    for mut product in products {
        for round in 0..CALLS {
            let clicks = product.clicks(round, 3);
            product.send(&service, &clicks).await?;
        }
        let lines = product.end(&service).await?;
        pushes += product.holds(&lines)?;
    }
    service.terminate().await?;
    home.complaints()?;
    Ok(format!(
        "2 packages, {} secrets, {pushes} pushes",
        SECRETS.len()
    ))
}

fn python(package: &str, secret: &str) -> Command {
    let mut command = Command::new(tools().join("sdk-0.13.0/bin/python"));
    command
        .args(["-I", "-u", "-W", "default", "-X", "utf8"])
        .arg(own("python/receive.py"))
        .args([package, secret]);
    command
}

fn node(secret: &str) -> Command {
    let mut command = Command::new("node");
    command
        .arg(own("node/receive.mjs"))
        .arg(tools().join("node/node_modules/standardwebhooks/dist/index.js"))
        .arg(secret);
    command
}

/// A registered product, its receiver, and the titles that were sent of each session.
struct Product {
    receiver: Program,
    id: String,
    ingest_secret: String,
    sent: BTreeMap<String, Vec<String>>,
}

impl Product {
    /// Registers a product that pushes to this receiver.
    async fn register(
        service: &Service,
        mut receiver: Program,
        secret: &str,
    ) -> Result<Self, String> {
        let listening = receiver.answer("listening").await?;
        let url = format!("http://127.0.0.1:{}/activity", listening["port"]);
        let body = json!({
            "product_id": format!("acme-{}", listening["port"]),
            "contact_email": "ops@acme.example",
            "integration_type": "event_stream",
            "integration_config": {"mode": "push", "url": url, "secret": secret},
        });
        let request = http()?
            .post(format!("{}/products", service.url()))
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let issued: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let text_at = |pointer| issued.pointer(pointer).and_then(Value::as_str);
        match (
            text_at("/product_id"),
            text_at("/credentials/ingest_secret"),
        ) {
            (Some(id), Some(ingest_secret)) if status == StatusCode::CREATED => Ok(Self {
                receiver,
                id: id.to_owned(),
                ingest_secret: ingest_secret.to_owned(),
                sent: BTreeMap::new(),
            }),
            _ => Err(format!("a registration was answered {status}: {text}")),
        }
    }

    /// Two clicks in each of some sessions, as one request.
    fn clicks(&mut self, round: usize, sessions: usize) -> String {
        let mut clicks = Vec::new();
        for number in 0..2 * sessions {
            let session = format!("s{}", number % sessions);
            let label = format!("Gr\u{fc}n \u{1f389} {round}-{number}");
            clicks.push(work::click(&session, &label));
            let titles = self.sent.entry(session).or_default();
            titles.push(format!("Click {label}"));
        }
        json!({ "batch": clicks }).to_string()
    }

    /// Posts clicks; returns once they are acknowledged.
    async fn send(&self, service: &Service, clicks: &str) -> Result<(), String> {
        let request = http()?
            .post(format!("{}/ingest/{}", service.url(), self.id))
            .bearer_auth(&self.ingest_secret)
            .header("content-type", "application/json")
            .body(clicks.to_owned());
        let answer = request.send().await.map_err(|error| error.to_string())?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            status => Err(format!("clicks were answered {status}")),
        }
    }

    /// Posts clicks without waiting for the answer.
    async fn begin(&self, service: &Service, clicks: &str) -> Result<TcpStream, String> {
        let request = format!(
            "POST /ingest/{} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{clicks}",
            self.id,
            service.address,
            self.ingest_secret,
            clicks.len(),
        );
        let told = |error: std::io::Error| error.to_string();
        let mut socket = TcpStream::connect(service.address).await.map_err(told)?;
        let written = socket.write_all(request.as_bytes()).await;
        written.map(|()| socket).map_err(told)
    }

    /// Waits until everything that was sent is kept and nothing is left to push; all that the receiver has told of
    /// pushes, in their order.
    async fn end(&mut self, service: &Service) -> Result<Vec<Value>, String> {
        let wanted: usize = self.sent.values().map(Vec::len).sum();
        let (mut lines, mut kept) = (Vec::new(), BTreeMap::new());
        while kept.values().sum::<usize>() < wanted {
            let line = self.receiver.answer("push").await?;
            if line["answer"] == "401" {
                return Err(format!("{} refused {line}", self.receiver.name()));
            }
            if line["is_kept"] == true {
                let titles = line["titles"].as_array().map_or(0, Vec::len);
                kept.insert(line["delivery"].to_string(), titles);
            }
            lines.push(line);
        }
        until("every push is done", async || {
            let left = metric(service, "connector_outbox_depth").await?;
            Ok((left == 0.0).then_some(()))
        })
        .await?;
        if metric(service, "connector_dead_letters").await? > 0.0 {
            return Err("a push was given up".to_owned());
        }
        self.receiver.finish().await?;
        self.receiver.answer("end").await?;
        if let Some(said) = self.receiver.passed_over("log").first() {
            return Err(format!("{} warned: {said}", self.receiver.name()));
        }
        lines.extend(self.receiver.passed_over("push"));
        Ok(lines)
    }

    /// How many pushes these calls were: all verified, those of a session one after the other, and together what
    /// was sent.
    fn holds(&self, lines: &[Value]) -> Result<usize, String> {
        let verdicts = json!({"ours": true, "altered": false, "stranger": false});
        let mut kept = BTreeMap::<String, Vec<String>>::new();
        let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
        let mut last = BTreeMap::new();
        for line in lines {
            let wrong = |what| Err(format!("{}: {what}: {line}", self.receiver.name()));
            if line["verdicts"] != verdicts {
                return wrong("not as it should be judged");
            }
            let (session, delivery) = (line["session"].as_str(), line["delivery"].as_str());
            let (Some(session), Some(delivery)) = (session, delivery) else {
                return wrong("of no session, or without an id");
            };
            let attempt = line["attempt"].as_u64();
            let before = last.insert(session, (delivery, attempt));
            let is_again = before.is_some_and(|(same, _)| same == delivery);
            if !is_again && !begun.insert(delivery) {
                return wrong("another came in between");
            }
            if is_again && before.is_some_and(|(_, earlier)| attempt < earlier) {
                return wrong("attempts are counted backwards");
            }
            if line["is_kept"] == true && done.insert(delivery) {
                let titles = line["titles"].as_array().into_iter().flatten();
                let titles = titles.filter_map(Value::as_str).map(str::to_owned);
                kept.entry(session.to_owned()).or_default().extend(titles);
            }
        }
        if kept == self.sent {
            return Ok(done.len());
        }
        let (name, sent) = (self.receiver.name(), &self.sent);
        Err(format!("{name}: sent were {sent:?}, kept {kept:?}"))
    }
}

/// How a call was answered, and whether what it brought was kept before.
fn kind_of(line: &Value) -> (String, bool) {
    (line["answer"].to_string(), line["is_kept"] == true)
}
