//! The instances under churn, what is looked at of them, and what must be gone in the end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::redis::{OwnServer, SAFE, is_redis};
use super::sample::Series;
use super::server::{Build, Home, Server, row};
use super::until;

/// How many instances share a Redis.
const INSTANCES: usize = 2;

/// How long what is left may take to grow old and go.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a Redis may hold when all is old: names, counts, the log's place, and what is known of people and their
/// conversations, for a day and for thirty.
const LASTING: [&str; 9] = [
    "life",
    "layout",
    "counts",
    "product",
    "heads",
    "log",
    "index",
    "expires",
    "platforms",
];

/// What a Redis uses that holds nothing but our scripts, with its connections, and to spare.
const EMPTY_KB: u64 = 3_000;

/// What it uses for one of the keys that last.
const LASTING_KB: u64 = 1;

/// One instance on a file, or two on a Redis.
pub(crate) struct Stage {
    homes: Vec<Home>,
    servers: Vec<Server>,
    redis: Option<OwnServer>,
}

impl Stage {
    /// Starts them for a run of this length. The vendor is at `vendor_url`.
    pub(crate) fn start(vendor_url: &str, length: Duration) -> Result<Self, String> {
        let redis = is_redis().then(|| OwnServer::start(&SAFE));
        let url = redis.as_ref().map(|redis| format!("{:?}", redis.url()));
        let mut settings = settings(length);
        if let Some(url) = &url {
            settings.extend([
                ("store.backend", "\"redis\""),
                ("redis.url", url),
                ("redis.mirror", "true"),
            ]);
        }
        let count = if redis.is_some() { INSTANCES } else { 1 };
        let homes: Vec<Home> = (0..count)
            .map(|_| Home::new(vendor_url, &settings))
            .collect();
        let start = |home| {
            forget_conversations_soon(home)?;
            home.start(Build::Release)
        };
        let servers: Result<Vec<Server>, String> = homes.iter().map(start).collect();
        Ok(Self {
            servers: servers?,
            homes,
            redis,
        })
    }

    /// Where they are.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.servers
            .iter()
            .map(|server| server.url.clone())
            .collect()
    }

    /// What must not grow. What is spared is what fills slowly and has an end: the page caches of the file, and
    /// its write-ahead log; what is on its way to and from Redis.
    pub(crate) fn series(&self) -> Vec<Series<'_>> {
        let mut series = Vec::new();
        for (server, home) in self.servers.iter().zip(&self.homes) {
            let (proc, files) = (format!("/proc/{}", server.id()), home.path().join("data"));
            let proc = PathBuf::from(proc);
            let status = proc.join("status");
            series.push(Series::new("KB resident", 12_000, move || {
                let status = fs::read_to_string(&status).map_err(gone)?;
                let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
                let kb = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
                kb.ok_or_else(|| "no resident size".to_owned())
            }));
            series.push(Series::new("descriptors", 12, move || {
                Ok(fs::read_dir(proc.join("fd")).map_err(gone)?.count() as u64)
            }));
            series.push(Series::new("KB of files", 6_000, move || {
                let files = fs::read_dir(&files).map_err(|error| error.to_string())?;
                let sizes = files.flatten().filter_map(|file| file.metadata().ok());
                Ok(sizes.map(|file| file.len()).sum::<u64>() / 1024)
            }));
        }
        if let Some(redis) = &self.redis {
            series.push(Series::new("KB of Redis", 4_000, || used_kb(redis)));
            series.push(Series::new("keys", 1_000, || keys(redis)));
        }
        series
    }

    /// Waits until nothing is left of those who have gone but what outlives them on purpose.
    pub(crate) async fn until_given_back(&self) -> Result<String, String> {
        let client = reqwest::Client::new();
        for server in &self.servers {
            for gauge in [
                "connector_sessions_live",
                "connector_outbox_depth",
                "connector_log_bytes",
                "connector_stream_subscribers{product=\"acme\"}",
            ] {
                until::until(PATIENCE, &format!("{gauge} is 0"), async || {
                    Ok((metric(&client, &server.url, gauge).await? < 1.0).then_some(()))
                })
                .await?;
            }
        }
        let Some(redis) = &self.redis else {
            return Ok("all given back".to_owned());
        };
        let mut kinds = kinds(redis);
        until::until(PATIENCE, "nothing is left but what lasts", async || {
            kinds = self::kinds(redis);
            let is_lasting = |kind: &String| LASTING.contains(&kind.as_str());
            Ok(kinds.keys().all(is_lasting).then_some(()))
        })
        .await
        .map_err(|reason| format!("{reason}: {kinds:?}"))?;
        let left = keys(redis)?;
        let most_kb = EMPTY_KB + left * LASTING_KB;
        let what = format!("Redis holds no more than {most_kb} KB for {left} keys");
        let used_kb = until::until(PATIENCE, &what, async || {
            Ok(Some(used_kb(redis)?).filter(|used_kb| *used_kb <= most_kb))
        });
        Ok(format!("{} KB left in Redis of {kinds:?}", used_kb.await?))
    }
}

/// The memory that Redis uses.
fn used_kb(redis: &OwnServer) -> Result<u64, String> {
    let told = redis.say(&["info", "memory"]);
    let mut lines = told.lines();
    let used = lines.find_map(|line| line.strip_prefix("used_memory:"));
    let used = used.and_then(|used| used.trim().parse::<u64>().ok());
    used.map(|bytes| bytes / 1024).ok_or(told)
}

/// How many keys Redis holds.
fn keys(redis: &OwnServer) -> Result<u64, String> {
    let told = redis.say(&["dbsize"]);
    told.trim().parse().map_err(|_| told)
}

/// How many keys there are of each kind.
fn kinds(redis: &OwnServer) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for key in redis
        .say(&["--scan", "--pattern", "event-connector:*"])
        .lines()
    {
        // <prefix>:{<bucket>}:<kind>:<whose>, or <prefix>:<kind>
        let mut words = key.split(':').filter(|word| !word.starts_with('{'));
        let kind = words.nth(1).unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// One line of an instance's metrics, 0 when it is not there.
async fn metric(client: &reqwest::Client, url: &str, line: &str) -> Result<f64, String> {
    let answer = client.get(format!("{url}/metrics")).send().await;
    let text = answer.map_err(|error| error.to_string())?.text().await;
    let text = text.map_err(|error| error.to_string())?;
    let value = |one: &str| one.strip_prefix(line)?.strip_prefix(' ')?.parse().ok();
    Ok(text.lines().find_map(value).unwrap_or(0.0))
}

fn gone(error: std::io::Error) -> String {
    format!("the service is gone: {error}")
}

/// A session that is in conversation, or cools down after one, has a deadline: it is kept, and kept in
/// memory, until that has passed. Both take a second here.
fn forget_conversations_soon(home: &Home) -> Result<(), String> {
    let rows = json!([row("acme", 0.5, 0.5)]);
    let path = home.path().join("products.json");
    fs::write(path, rows.to_string()).map_err(|error| error.to_string())
}

/// Everything is forgotten within a tenth of the run.
fn settings(length: Duration) -> Vec<(&'static str, &'static str)> {
    let keep: &'static str = match length.as_secs() {
        0..60 => "2",
        60..300 => "6",
        _ => "30",
    };
    vec![
        ("retention.log_s", keep),
        ("retention.outbox_s", keep),
        ("retention.state_s", keep),
        ("retention.interval_ms", "250"),
        ("store.checkpoint_pages", "100"),
        ("session.link_carry_s", keep),
        ("session.pending_link_s", "1"),
        ("session.idle_s", "1"),
        ("feed.subscribers_max", "200"),
        ("feed.heartbeat_ms", "500"),
        ("delivery.retries_max", "3"),
        ("delivery.retry_cap_ms", "500"),
        // Else most of the run would be one pause.
        ("delivery.breaker_pause_ms", "200"),
        ("delivery.breaker_pause_cap_ms", "400"),
        (
            "log.level",
            "\"event_connector=warn,event_connector::cli=info\"",
        ),
    ]
}
