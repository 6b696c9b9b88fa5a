//! From layers to a checked configuration, and back to text.

use std::path::PathBuf;

use config::{Config as Merge, Map, Value};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::DEFAULT_TOML;
use super::layer::{FILE_VARIABLE, Layer, near_misses};
use super::mistake::Mistakes;
use super::reader::Reader;
use super::section::{
    Admin, Delivery, Feed, Http, Intercom, Log, Metrics, Proactive, Products, Push, Redis,
    Registration, Retention, Secrets, Session, Shutdown, Spool, Store, Unkey,
};
use super::value::Backend;
use crate::store::redis::Address;

/// How much longer than one attempt a lease must be, so that the attempt's end can be recorded.
const LEASE_MARGIN_MS: u64 = 5000;

/// Everything that can be set, checked. Cheap enough to clone at start-up; never changes after it.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// The doors.
    pub http: Http,
    /// The operator's door.
    pub admin: Admin,
    /// What seals the secrets of registered products.
    pub secrets: Secrets,
    /// Products that are registered while the service runs.
    pub registration: Registration,
    /// Keys of readers that Unkey verifies.
    pub unkey: Unkey,
    /// Log lines.
    pub log: Log,
    /// Where the rows of products are.
    pub products: Products,
    /// Where state is kept.
    pub store: Store,
    /// Sessions.
    pub session: Session,
    /// Speaking first.
    pub proactive: Proactive,
    /// How long what is kept.
    pub retention: Retention,
    /// Notes on their way out.
    pub delivery: Delivery,
    /// Calls to Intercom.
    pub intercom: Intercom,
    /// Pushes to products' own endpoints.
    pub push: Push,
    /// Streams to subscribers.
    pub feed: Feed,
    /// Redis.
    pub redis: Redis,
    /// Activity that waits for a store that is away.
    pub spool: Spool,
    /// Metrics.
    pub metrics: Metrics,
    /// Stopping.
    pub shutdown: Shutdown,
    /// What an operator should know although nothing is wrong, as sentences for the log.
    #[serde(skip)]
    pub notices: Vec<String>,
}

/// What [`Config::load`] starts from.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions<E> {
    /// The file named on the command line. Without it the variable `CONNECTOR_CONFIG` may name one.
    pub file: Option<PathBuf>,
    /// The environment as pairs of name and value.
    pub env: E,
}

impl Config {
    /// Merges defaults, file and environment, and checks the outcome.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them, at once.
    pub fn load<E>(options: LoadOptions<E>) -> Result<Self, Mistakes>
    where
        E: IntoIterator<Item = (String, String)>,
    {
        let env: Vec<(String, String)> = options.env.into_iter().collect();
        let mut mistakes = Mistakes::default();
        let merged = merge(options.file, &env, &mut mistakes);
        let mut reader = Reader::new(merged, mistakes);
        let mut config = Self::read(&mut reader);
        config.check_pairs(&mut reader);
        let mistakes = reader.finish();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        config.notices = near_misses(&env);
        let has_url = !config.redis.url.expose_secret().is_empty();
        if has_url && config.store.backend != Backend::Redis {
            let notice = "redis.url is set, and not used: store.backend is not redis";
            config.notices.push(notice.to_owned());
        }
        Ok(config)
    }

    /// How long one push may take, milliseconds: as configured, but no longer than its lease allows.
    pub fn push_timeout_ms(&self) -> u64 {
        let lease_ms = self.delivery.lease_ms;
        self.push
            .timeout_ms
            .min(lease_ms.saturating_sub(LEASE_MARGIN_MS))
    }

    /// Whether only this machine can call, as far as can be told: a loopback address may have a proxy in front.
    pub fn is_local(&self) -> bool {
        let has_proxy = !self.http.public_url.is_empty() || !self.http.trusted_proxies.is_empty();
        self.http.bind.ip().to_canonical().is_loopback() && !has_proxy
    }

    /// The configuration in force as TOML, secrets redacted.
    pub fn effective(&self) -> String {
        let sections = serde_json::to_value(self).unwrap_or_default();
        let mut text = String::new();
        for (name, keys) in sections.as_object().into_iter().flatten() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("[{name}]\n"));
            for (key, value) in keys.as_object().into_iter().flatten() {
                // Strings, numbers, flags and lists of strings are written alike in JSON and TOML,
                // except for one control character that JSON leaves bare.
                let value = value.to_string().replace('\u{7f}', "\\u007F");
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    fn read(reader: &mut Reader) -> Self {
        Self {
            http: Http::read(reader),
            admin: Admin::read(reader),
            secrets: Secrets::read(reader),
            registration: Registration::read(reader),
            unkey: Unkey::read(reader),
            log: Log::read(reader),
            products: Products::read(reader),
            store: Store::read(reader),
            session: Session::read(reader),
            proactive: Proactive::read(reader),
            retention: Retention::read(reader),
            delivery: Delivery::read(reader),
            intercom: Intercom::read(reader),
            push: Push::read(reader),
            feed: Feed::read(reader),
            redis: Redis::read(reader),
            spool: Spool::read(reader),
            metrics: Metrics::read(reader),
            shutdown: Shutdown::read(reader),
            notices: Vec::new(),
        }
    }

    /// Keys that must agree with each other.
    fn check_pairs(&self, reader: &mut Reader) {
        let (retention, delivery) = (&self.retention, &self.delivery);
        reader.require(
            retention.state_s >= self.session.link_carry_s,
            ["retention.state_s", "session.link_carry_s"],
            "must be at least session.link_carry_s, or a link is gone before it passes on",
        );
        reader.require(
            self.feed.token_s <= self.feed.token_max_s,
            ["feed.token_s", "feed.token_max_s"],
            "must be at most feed.token_max_s",
        );
        reader.require(
            delivery.lease_ms >= delivery.request_timeout_ms + LEASE_MARGIN_MS,
            ["delivery.lease_ms", "delivery.request_timeout_ms"],
            "must be at least delivery.request_timeout_ms plus 5000, so that an attempt's end can \
             be recorded",
        );
        let is_redis = self.store.backend == Backend::Redis;
        reader.require(
            !is_redis || !self.redis.url.expose_secret().is_empty(),
            ["store.backend", "redis.url"],
            "redis needs redis.url, e.g. redis://host:6379/0",
        );
        reader.require(
            !is_redis || self.spool.wait_ms < self.http.request_timeout_ms,
            ["spool.wait_ms", "http.request_timeout_ms"],
            "must be less than http.request_timeout_ms, or requests end before their shares are spooled",
        );
        let own = &self.redis;
        reader.require(
            is_redis || !own.mirror,
            ["redis.mirror", "store.backend"],
            "needs store.backend to be redis: the copies are written to the Redis of the store",
        );
        let address = Address::parse(own.url.expose_secret()).ok();
        let has_sentinels = matches!(address, Some(Address::Sentinels(_)));
        let has_several = matches!(address, Some(Address::Servers(servers)) if servers.len() > 1);
        let is_cluster = own.cluster || has_several;
        reader.require(
            !own.cluster || !has_sentinels,
            ["redis.cluster", "redis.url"],
            "must be false with Sentinels: they know masters, and no cluster",
        );
        reader.require(
            own.wait_replicas == 0 || !is_cluster,
            ["redis.wait_replicas", "redis.cluster"],
            "must be 0 on a cluster",
        );
        reader.require(
            delivery.retry_cap_ms >= delivery.retry_base_ms,
            ["delivery.retry_cap_ms", "delivery.retry_base_ms"],
            "must be at least delivery.retry_base_ms, the first pause",
        );
    }
}

/// Lays the layers over each other.
fn merge(
    file: Option<PathBuf>,
    env: &[(String, String)],
    mistakes: &mut Mistakes,
) -> Map<String, Value> {
    let named = env
        .iter()
        .find(|(name, value)| name == FILE_VARIABLE && !value.is_empty())
        .map(|(_, value)| PathBuf::from(value));
    let file = match file.or(named) {
        Some(path) => read_file(&path, mistakes),
        None => Layer::default(),
    };
    let merged = Merge::builder()
        .add_source(Layer::text("defaults", DEFAULT_TOML, mistakes))
        .add_source(file)
        .add_source(Layer::environment(env, mistakes))
        .build();
    match merged.map(|merged| merged.cache.into_table()) {
        Ok(Ok(sections)) => sections,
        Ok(Err(error)) | Err(error) => {
            mistakes.add("", "all layers together", error.to_string());
            Map::new()
        }
    }
}

fn read_file(path: &std::path::Path, mistakes: &mut Mistakes) -> Layer {
    let origin = format!("file {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => Layer::text(&origin, &text, mistakes),
        Err(error) => {
            mistakes.add("", origin, format!("cannot be read: {error}"));
            Layer::default()
        }
    }
}
