//! The whole application, started as `serve` starts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_connector::app::Parts;
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::config::{Config, LoadOptions};
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::metrics::Metrics;
use event_connector::product::{Catalogue, Products};
use event_connector::spool::Spool;
use event_connector::store::Store;
use event_connector::store::sqlite::{Options, Sqlite};
use event_connector::tasks::Tasks;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::redis::{Servers, is_redis, prefix};

use super::instance::Instance;
use super::setup::Setup;
use super::stream::Stream;
use super::wait::eventually;

pub(crate) const SECRET: &str = "whsec_acme_5c1f0a77";
/// What seals registrations: 32 bytes in base64.
pub(crate) const SECRETS_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";
pub(crate) const ADMIN_KEY: &str = "admin-5c1f0a77";

/// A running application with one product, `acme`, that posts to a modelled Intercom.
pub(crate) struct Service {
    pub url: String,
    pub intercom: Intercom,
    pub metrics: Metrics,
    pub store: Arc<dyn Store>,
    pub client: reqwest::Client,
    pub products: Products,
    directory: TempDir,
    rows: String,
    env: Vec<(String, String)>,
    clock: Clock,
    instance: Instance,
    vendor_tasks: Tasks,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let vendor_tasks = Tasks::new();
        let workspace = Settings::default();
        let intercom = Intercom::start(setup.clock.clone(), &vendor_tasks, workspace.clone());
        let intercom = intercom.await.expect("a modelled Intercom");
        let mut integration = json!({
            "access_token": workspace.access_token,
            "admin_id": workspace.admin_id,
            "client_secret": workspace.client_secret,
        });
        for (key, value) in setup.integration.as_object().into_iter().flatten() {
            integration[key] = value.clone();
        }
        let mut rows = vec![json!({
            "product_id": "acme",
            "webhook_secret": SECRET,
            "integration_type": setup.integration_type,
            "integration_config": integration,
        })];
        let more = setup.more_products.iter();
        rows.extend(more.map(|id| json!({"product_id": id, "webhook_secret": SECRET})));
        let rows = Value::from(rows).to_string();
        let mut env = vec![
            pair("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
            pair("CONNECTOR_SECRETS_KEY", SECRETS_KEY),
            pair("CONNECTOR__INTERCOM__BASE_URL", &intercom.base_url()),
            pair("CONNECTOR__DELIVERY__RETRY_BASE_MS", "20"),
            pair("CONNECTOR__SESSION__SWEEP_MS", "50"),
        ];
        env.extend(setup.env);
        let path = directory.path().join("store.db");
        let store = match setup.store {
            Some(opener) => opener(&path),
            None => open(&path).await,
        };
        let mut parts = parts(&env, &rows, store, setup.clock.clone());
        parts.spool = setup.spool;
        let (metrics, store, products) = (
            parts.metrics.clone(),
            parts.store.clone(),
            parts.products.clone(),
        );
        let instance = Instance::start(parts).await;
        Self {
            url: instance.url.clone(),
            intercom,
            metrics,
            store,
            client: reqwest::Client::builder().build().expect("a client"),
            products,
            directory,
            rows,
            env,
            clock: setup.clock,
            instance,
            vendor_tasks,
        }
    }

    /// One more instance on the same products, with a store that shows it the same data.
    pub(crate) async fn sibling(&self, store: Arc<dyn Store>) -> Instance {
        self.sibling_with(store, None).await
    }

    /// The same with a spool.
    pub(crate) async fn sibling_with(
        &self,
        store: Arc<dyn Store>,
        spool: Option<Spool>,
    ) -> Instance {
        let mut parts = parts(&self.env, &self.rows, store, self.clock.clone());
        parts.spool = spool;
        Instance::start(parts).await
    }

    /// The same with another value of a variable.
    pub(crate) async fn restart_with(mut self, variable: &str, value: &str) -> Self {
        self.env.retain(|(name, _)| name != variable);
        self.env.push(pair(variable, value));
        self.restart().await
    }

    /// Stops, waits until everything is put away, and starts again on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await;
        let store = open(&self.store_path()).await;
        let parts = parts(&self.env, &self.rows, store, self.clock.clone());
        self.metrics = parts.metrics.clone();
        self.store = parts.store.clone();
        self.products = parts.products.clone();
        self.instance = Instance::start(parts).await;
        self.url = self.instance.url.clone();
        self
    }

    /// The list of products that it was started with.
    pub(crate) fn rows(&self) -> &str {
        &self.rows
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("a plain address")
    }

    /// Tells it to stop and waits for nothing.
    pub(crate) fn tell_to_stop(&self) {
        self.instance.tell_to_stop();
    }

    /// What readiness looks at.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.instance.stopping
    }

    /// The file of the store.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    /// Stops and waits until everything is put away.
    pub(crate) async fn stop(&self) {
        self.instance.stop().await;
    }

    /// Posts a body to `path` with the product's secret.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.post_raw(path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn post_raw(&self, path: &str, body: Vec<u8>) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("x-posthog-secret", SECRET).body(body);
        request.send().await.expect("an answer")
    }

    /// A click on a button, as PostHog's destination sends it; answered 200.
    pub(crate) async fn click(&self, session: &str, user: &str, label: &str) {
        let answer = self
            .post("/webhook/acme", &click(session, user, label))
            .await;
        assert_eq!(answer.status(), 200);
    }

    /// The platform says that the user has begun a conversation.
    pub(crate) async fn chat(
        &self,
        conversation: &str,
        user: &str,
        email: &str,
    ) -> reqwest::Response {
        let topic = "conversation.user.created";
        let (body, signature) = self.intercom.webhook(topic, conversation, user, email);
        let request = self
            .client
            .post(format!("{}/chatbot-webhook/acme", self.url));
        let request = request.header("x-hub-signature", signature).body(body);
        request.send().await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        let request = self.client.get(format!("{}{path}", self.url));
        request
            .header("x-admin-key", ADMIN_KEY)
            .send()
            .await
            .expect("an answer")
    }

    /// An operator asks for something to be done.
    pub(crate) async fn operate(&self, path: &str) -> reqwest::Response {
        self.as_operator(self.client.post(format!("{}{path}", self.url)))
            .await
    }

    /// An operator asks for something to be removed.
    pub(crate) async fn delete(&self, path: &str) -> reqwest::Response {
        self.as_operator(self.client.delete(format!("{}{path}", self.url)))
            .await
    }

    async fn as_operator(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        request
            .header("x-admin-key", ADMIN_KEY)
            .send()
            .await
            .expect("an answer")
    }

    /// The platform sends a signed notification; it is answered 200.
    pub(crate) async fn hear(&self, body: Vec<u8>, signature: &str) -> Value {
        let request = self
            .client
            .post(format!("{}/chatbot-webhook/acme", self.url));
        let request = request.header("x-hub-signature", signature).body(body);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        json_of(answer).await
    }

    /// Which files of the store hold these bytes, or which of its keys in Redis.
    pub(crate) fn files_with(&self, text: &str) -> Vec<String> {
        if is_redis() {
            return Servers::one().keys_with(&prefix(&self.store_path()), text);
        }
        let files = std::fs::read_dir(self.directory.path()).expect("readable");
        let files = files.map(|file| file.expect("readable").path());
        let holding = files.filter(|path| {
            let bytes = std::fs::read(path).expect("readable");
            let mut windows = bytes.windows(text.len());
            windows.any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
        });
        holding.map(|path| path.display().to_string()).collect()
    }

    /// What an operator is shown of a session.
    pub(crate) async fn show(&self, session: &str) -> Value {
        json_of(self.get(&format!("/sessions/acme/{session}")).await).await
    }

    /// Opens the feed with `query` and headers.
    pub(crate) async fn listen(&self, query: &str, headers: &[(&str, &str)]) -> Stream {
        let mut request = self.client.get(format!("{}/stream/acme{query}", self.url));
        request = request.bearer_auth(SECRET);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Stream::new(request.send().await.expect("an answer"))
    }

    /// The notes of a conversation once `holds` is true of them.
    pub(crate) async fn notes(
        &self,
        conversation: &str,
        holds: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        eventually(&format!("the notes of {conversation}"), || async {
            let posts = self.intercom.posts(conversation);
            let notes: Vec<_> = posts.into_iter().map(|post| post.text).collect();
            if holds(&notes) { Ok(notes) } else { Err(notes) }
        })
        .await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.vendor_tasks.stop();
    }
}

pub(crate) async fn json_of(answer: reqwest::Response) -> Value {
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A click on a button without an element chain.
pub(crate) fn click(session: &str, user: &str, label: &str) -> Value {
    json!({
        "event": "$autocapture",
        "event_type": "click",
        "session_id": session,
        "distinct_id": user,
        "email": "",
        "current_url": "https://app.northwind.example/team",
        "button_or_link_text": label,
    })
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Opens the store of a directory: a file in it, or with `STORE=redis` keys that are named after it, on a
/// server that others use as well.
pub(crate) async fn open(path: &Path) -> Arc<dyn Store> {
    if is_redis() {
        return Arc::new(Servers::one().store(&prefix(path)));
    }
    // The store before may still be letting go of its lock.
    let store = eventually("the store opens", || async {
        Sqlite::open(Options::new(path), &|name, work| Tasks::thread(name, work))
            .map_err(|error| error.to_string())
    });
    Arc::new(store.await)
}

fn parts(env: &[(String, String)], rows: &str, store: Arc<dyn Store>, clock: Clock) -> Parts {
    let options = LoadOptions {
        file: None,
        env: env.to_vec(),
    };
    Parts {
        config: Arc::new(Config::load(options).expect("a valid configuration")),
        clock,
        chance: Chance::system(),
        metrics: Metrics::new(),
        store,
        spool: None,
        products: Products::new(Catalogue::parse(rows).expect("a list")),
        source: None,
    }
}
