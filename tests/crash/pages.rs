//! Pages of a product that speaks first, while the service dies: their users act, they ask whether there is something
//! to offer, and report what became of it. Afterwards the log is held to the laws of offers.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use event_connector::domain::agent_state::Event;
use event_connector::domain::id::Key;
use event_connector::domain::proactive::resilience::Limits;
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::check;
use super::look::{send_webhook, until};
use super::offer_laws::{Broken, Offers, Rules, Told};
use super::provider::ANSWER;
use super::server::{Home, SECRET, row};

/// The product with something to offer.
const PRODUCT: &str = "eager";

/// How many sessions there are; two are of one user each.
const SESSIONS: u64 = 6;

/// What an offer is held back by within a round.
const TIMEOUT_S: f64 = 0.03;
const COOLDOWN_S: f64 = 0.1;

/// What offers are held to in every round.
const ALWAYS: [Setting; 3] = [
    ("proactive.min_interval_s", "0.15"),
    ("proactive.page_idle_s", "0.2"),
    ("proactive.page_calls_per_minute", "1000000"),
];

/// The quotas of every other round; the others have none.
const QUOTAS: [Setting; 3] = [
    ("proactive.product_minute_max", "8"),
    ("proactive.session_hour_max", "2"),
    ("proactive.user_day_max", "3"),
];

/// Who has something to say, and for how long not again: one for the whole round, the other for a part of it.
const TRIGGERS: [(&str, f64); 2] = [("once", 600.0), ("often", 0.25)];

/// How many log entries of a session can be looked at.
const ENTRIES: usize = 500;

/// How often each page asks once the service is back.
const ASKED_AGAIN: usize = 3;

/// A key of the configuration and its value.
type Setting = (&'static str, &'static str);

/// A session's log, the oldest entry first, with whom it is of.
pub(super) type Log = (Key, Option<String>, Vec<Value>);

/// What was offered, and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offering {
    /// Offers by how they ended.
    ended: BTreeMap<String, usize>,
    /// How often there was none, by why.
    held_back: BTreeMap<String, usize>,
    /// How many were made, and how many of them a page was told.
    made: usize,
    told: usize,
}

impl Offering {
    pub(crate) fn add(&mut self, other: Self) {
        self.made += other.made;
        self.told += other.told;
        let pairs = [
            (&mut self.ended, other.ended),
            (&mut self.held_back, other.held_back),
        ];
        for (sums, counts) in pairs {
            for (what, count) in counts {
                *sums.entry(what).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Offering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, usize>| {
            let each = counts.iter().map(|(what, count)| format!("{count} {what}"));
            each.collect::<Vec<_>>().join(", ")
        };
        let (made, told) = (self.made, self.told);
        let (ended, held_back) = (list(&self.ended), list(&self.held_back));
        write!(
            f,
            "{made} offers made ({ended}), {told} of them told, others held back ({held_back})"
        )
    }
}

/// The pages of all sessions.
pub(crate) struct Pages {
    pages: Vec<Page>,
    rules: Rules,
}

struct Page {
    client: reqwest::Client,
    clock: Clock,
    chance: StdRng,
    session: String,
    /// The session that its user is called after.
    whose: String,
    acts: usize,
    /// The offers it was answered, by their own names.
    told: Vec<String>,
    held_back: BTreeMap<String, usize>,
}

/// What a home is set to besides, for the pages of this seed.
pub(crate) fn settings(seed: u64) -> Vec<Setting> {
    let quotas = QUOTAS.iter().filter(|_| seed.is_multiple_of(2));
    ALWAYS.iter().chain(quotas).copied().collect()
}

/// Adds the product that speaks first to those of a home.
pub(crate) fn move_in(home: &Home) -> Result<(), String> {
    let path = home.path().join("products.json");
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut rows: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    rows.push(product());
    fs::write(path, Value::from(rows).to_string()).map_err(|error| error.to_string())
}

fn product() -> Value {
    let triggers = TRIGGERS.map(|(id, pause_s)| {
        json!({
            "id": id, "name": id, "interaction_timeout_s": 0.04, "cooldown_s": pause_s,
            "proactive_criteria": {
                "id": id, "name": id, "type": "recent_action",
                "params": {"title_contains": "help", "within_s": 60},
            },
            "messages": [
                {"id": "yes", "label": "Show me", "user_tour_exists": true, "user_tour_id": "flow"},
                {"id": "no", "label": "No thanks"},
            ],
        })
    });
    let mut row = row(PRODUCT, TIMEOUT_S, COOLDOWN_S);
    row["integration_config"]["proactive_intercom"] = triggers.to_vec().into();
    row["integration_config"]["tour_registry"] = json!([{
        "id": "tour", "user_tour_id": "flow",
        "interaction_timeout_s": TIMEOUT_S, "cooldown_period_s": COOLDOWN_S,
    }]);
    row
}

/// What the product wants where a home is set to this. All clocks are the one of the machine.
pub(super) fn rules(settings: &[Setting]) -> Rules {
    let pauses = TRIGGERS.map(|(id, pause_s)| (id.to_owned(), pause_s));
    let set = |key: &str| settings.iter().find(|(name, _)| *name == key);
    let quota = |key: &str| set(key).map_or(0, |(_, max)| max.parse().expect("a whole number"));
    let (_, interval_s) = set("proactive.min_interval_s").expect("an interval");
    Rules {
        timeout_s: TIMEOUT_S,
        cooldown_s: COOLDOWN_S,
        pauses_s: pauses.into(),
        limits: Limits {
            min_interval_s: interval_s.parse().expect("seconds"),
            per_product_minute: quota("proactive.product_minute_max"),
            per_session_hour: quota("proactive.session_hour_max"),
            per_user_day: quota("proactive.user_day_max"),
        },
        apart_s: 0.0,
    }
}

pub(super) fn key(session: &str) -> Key {
    Key::session(&PRODUCT.into(), &session.into())
}

impl Pages {
    pub(crate) fn open(seed: u64) -> Result<Self, String> {
        // An instance that stands still is asked in vain.
        let client = reqwest::Client::builder().timeout(ANSWER);
        let client = client.build().map_err(|error| error.to_string())?;
        let page = |number: u64| Page {
            client: client.clone(),
            clock: Clock::system(),
            chance: StdRng::seed_from_u64(seed ^ (number << 32)),
            session: format!("p{number}"),
            whose: format!("p{}", number / 2 * 2),
            acts: 0,
            told: Vec::new(),
            held_back: BTreeMap::new(),
        };
        Ok(Self {
            pages: (0..SESSIONS).map(page).collect(),
            rules: rules(&settings(seed)),
        })
    }

    /// All are in use until `stop` is set, each through any instance. Where there is a chat, users write in it.
    pub(crate) async fn use_until(
        &mut self,
        urls: &[String],
        chat: Option<&Intercom>,
        stop: &AtomicBool,
    ) {
        let pages = self.pages.iter_mut().map(async |page| {
            while !stop.load(Ordering::Relaxed) {
                page.live(urls, chat).await;
            }
        });
        join_all(pages).await;
    }

    /// All are in use for a little longer.
    pub(crate) async fn use_again(&mut self, urls: &[String], chat: Option<&Intercom>) {
        let pages = self.pages.iter_mut().map(async |page| {
            for _ in 0..ASKED_AGAIN {
                page.live(urls, chat).await;
            }
        });
        join_all(pages).await;
    }

    /// Whoever is asked, what was offered keeps all laws, what was told is in the log, and everything comes to its end.
    pub(crate) async fn check(&self, url: &str) -> Result<Offering, String> {
        let told = self.pages.iter().flat_map(|page| {
            let own = key(&page.session);
            page.told.iter().map(move |id| (own.clone(), id.clone()))
        });
        let told: Vec<_> = told.collect();
        let logs = until("every offer has ended", async || {
            let reading = self.pages.iter().map(|page| page.log(url));
            let (logs, open): (Vec<_>, Vec<_>) = try_join_all(reading).await?.into_iter().unzip();
            let offers = hold(&self.rules, &logs, &told).map_err(|broken| said(&broken))?;
            let is_over = offers.check_ended().is_ok() && open.iter().all(|open| !open);
            Ok(is_over.then_some((offers.made(), logs)))
        });
        let (made, logs) = logs.await?;
        let mut all = Offering {
            made,
            told: told.len(),
            ..Offering::default()
        };
        for entry in logs.iter().flat_map(|(.., entries)| entries) {
            if let Some(outcome) = entry["body"]["outcome"].as_str() {
                *all.ended.entry(outcome.to_owned()).or_default() += 1;
            }
        }
        for page in &self.pages {
            all.add(Offering {
                held_back: page.held_back.clone(),
                ..Offering::default()
            });
        }
        Ok(all)
    }
}

/// Holds logs, and what pages were told, to the laws.
pub(super) fn hold(rules: &Rules, logs: &[Log], told: &[(Key, String)]) -> Result<Offers, Broken> {
    let mut offers = Offers::new(rules.clone());
    for (key, user, entries) in logs {
        for entry in entries {
            offers.note(&Told {
                key,
                r#type: entry["type"].as_str().unwrap_or_default(),
                at: entry["at"].as_f64().unwrap_or_default(),
                user: user.as_deref(),
                body: &entry["body"],
            })?;
        }
    }
    offers.check_told(told)?;
    Ok(offers)
}

fn said(broken: &Broken) -> String {
    format!("{}: {}", broken.law, broken.text)
}

impl Page {
    /// One moment: perhaps the user acts or writes, the page asks, perhaps twice, and perhaps it reports.
    async fn live(&mut self, urls: &[String], chat: Option<&Intercom>) {
        let url = urls.choose(&mut self.chance).cloned().unwrap_or_default();
        if self.chance.random_ratio(1, 3) {
            self.act(&url).await;
        }
        if let Some(intercom) = chat.filter(|_| self.chance.random_ratio(1, 60)) {
            // What is not taken in was not written.
            let _ = send_webhook(&self.client, &url, PRODUCT, intercom, &self.whose).await;
        }
        let other = urls.choose(&mut self.chance).cloned().unwrap_or_default();
        let asks_twice = self.chance.random_ratio(1, 3);
        let again = async {
            if asks_twice {
                self.ask(&other).await
            } else {
                None
            }
        };
        let (first, second) = tokio::join!(self.ask(&url), again);
        let mut is_told = false;
        for answer in [first, second].into_iter().flatten() {
            if let Some(id) = answer["proactive_trigger"]["offer_id"].as_str() {
                self.told.push(id.to_owned());
                is_told = true;
            }
            if let Some(reason) = answer["proactive_skip_reason"].as_str() {
                *self.held_back.entry(reason.to_owned()).or_default() += 1;
            }
        }
        self.rest().await;
        if self.chance.random_ratio(if is_told { 3 } else { 1 }, 5) {
            let event = *Event::ALL.choose(&mut self.chance).expect("events");
            self.report(&other, event).await;
        }
        self.rest().await;
    }

    async fn act(&mut self, url: &str) {
        self.acts += 1;
        let body = json!({
            "event": "$autocapture", "event_type": "click", "session_id": self.session,
            "distinct_id": format!("user-{}", self.whose),
            "current_url": "https://app.northwind.example/work",
            "button_or_link_text": format!("Get help {}", self.acts),
        });
        let request = self.client.post(format!("{url}/webhook/{PRODUCT}"));
        let request = request.header("x-posthog-secret", SECRET);
        // Nobody counts on it.
        let _ = request.body(body.to_string()).send().await;
    }

    /// What the page is answered, if it is.
    async fn ask(&self, url: &str) -> Option<Value> {
        let url = format!("{url}/context/{PRODUCT}/{}", self.session);
        let answer = self.client.get(url).send().await.ok()?;
        let answer = answer.error_for_status().ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    async fn report(&self, url: &str, event: Event) {
        let url = format!("{url}/agent_state/{PRODUCT}/proactive:{}", self.session);
        let body = json!({"event": event.as_str()}).to_string();
        // Whoever is not heard reports something else next time.
        let _ = self.client.post(url).body(body).send().await;
    }

    async fn rest(&mut self) {
        let rest_ms = self.chance.random_range(2..12);
        self.clock.sleep(Duration::from_millis(rest_ms)).await;
    }

    /// The session's log, and whether it says that an offer is open.
    async fn log(&self, url: &str) -> Result<(Log, bool), String> {
        let path = format!("{PRODUCT}/{}?entries={ENTRIES}", self.session);
        let mut shown = check::show(&self.client, url, &path).await?;
        let mut entries = match shown["log"].take() {
            Value::Array(entries) => entries,
            // Nobody has heard of it.
            _ => Vec::new(),
        };
        if entries.len() >= ENTRIES {
            return Err(format!(
                "the log of {} is too long to look at",
                self.session
            ));
        }
        entries.reverse();
        let user = shown["user_id"].as_str().map(str::to_owned);
        let is_open = !shown["offers"]["open"].is_null();
        Ok(((key(&self.session), user, entries), is_open))
    }
}
