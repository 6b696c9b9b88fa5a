//! Putting the parts together.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::background::{Reloader, count};
use super::outcome::ToSession;
use super::policy::policy;
use super::push;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Backend, Config, RegistrationMode};
use crate::delivery::client::{self, Client};
use crate::delivery::push::Push;
use crate::delivery::{self, Nudge, Outbox};
use crate::domain::id::Key;
use crate::domain::log::{Effects, OutboxChange};
use crate::domain::retry::Schedule;
use crate::domain::session::Session;
use crate::domain::time::{bound_ms, to_ms};
use crate::feed::{self, Feed};
use crate::http::{Admission, AppState, Handles};
use crate::metrics::Metrics;
use crate::platform::{self, ChatbotOf, PLATFORMS, Tools};
use crate::product::{Configured, Fingerprint, Products, Source};
use crate::registration::{self, Directory, Vault};
use crate::session::linker::Linker;
use crate::session::mirror::{self, Mirror};
use crate::session::{Eraser, Limits, Registry, Surroundings};
use crate::spool::{Intake, Spool};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::unkey::{self, Verifier};

/// How often the feed looks at the store without a nudge; a lost nudge costs no more than this.
const FEED_POLL: Duration = Duration::from_secs(1);

/// What an application is made of.
pub struct Parts {
    /// Settings.
    pub config: Arc<Config>,
    /// Time.
    pub clock: Clock,
    /// Identifiers and jitter.
    pub chance: Chance,
    /// Counters.
    pub metrics: Metrics,
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Where activity is kept while the store is away.
    pub spool: Option<Spool>,
    /// The products in force.
    pub products: Products,
    /// Where their list is, what was last seen of it, and who asks to look again; `None` when it
    /// never changes.
    pub source: Option<(Source, Option<Fingerprint>, Arc<Notify>)>,
}

/// The whole service, ready to serve.
pub struct App {
    pub(super) state: AppState,
    pub(super) tasks: Tasks,
    pub(super) outbox: Outbox,
    pub(super) reloader: Option<Reloader>,
    pub(super) mirror: Option<Mirror>,
    /// The outbox's bell.
    pub(super) nudge: Nudge,
}

impl App {
    /// Connects the parts. Nothing runs yet.
    ///
    /// # Errors
    ///
    /// The HTTP client for vendors could not be set up.
    pub fn build(parts: Parts) -> anyhow::Result<Self> {
        let tasks = Tasks::new();
        let feed = Feed::new(
            Arc::clone(&parts.store),
            parts.clock.clone(),
            tasks.clone(),
            parts.metrics.clone(),
            feed_limits(&parts.config),
        );
        let nudge = Nudge::new();
        let mirror = mirror(&parts);
        let sessions = sessions(&parts, &tasks, feed.clone(), nudge.clone(), mirror.clone());
        let push = Arc::new(push::push(&parts)?);
        let outbox = outbox(&parts, &tasks, &sessions, Arc::clone(&push), nudge.clone())?;
        let pending_ms = to_ms(parts.config.session.pending_link_s);
        let reloader = reloader(&parts, &tasks);
        parts.metrics.products.set(count(parts.products.count()));
        let bell = nudge.clone();
        let admission = Admission::new(&parts.config, &parts.clock, &parts.metrics);
        let intake = intake(&parts, &sessions);
        let directory = directory(&parts)?;
        let unkey = unkey(&parts)?;
        let state = AppState::from(Handles {
            intake,
            directory,
            unkey,
            linker: Linker::new(sessions.clone(), pending_ms),
            eraser: Eraser::new(sessions.clone(), feed.clone(), mirror.clone()),
            sessions,
            feed,
            config: parts.config,
            clock: parts.clock,
            chance: parts.chance,
            products: parts.products,
            store: parts.store,
            admission,
            stopping: CancellationToken::new(),
            metrics: parts.metrics,
            replayed: Arc::new(move |product| nudge.invite(product)),
            labels: Arc::new(Configured),
            push_test: push::test(push),
        });
        Ok(Self {
            state,
            tasks,
            outbox,
            reloader,
            mirror,
            nudge: bell,
        })
    }

    /// Handles on everything that runs.
    pub fn state(&self) -> &AppState {
        &self.state
    }
}

fn feed_limits(config: &Config) -> feed::Limits {
    feed::Limits {
        ring_entries: config.feed.ring_entries,
        page_entries: config.feed.page_entries,
        coalesce_entries: config.feed.coalesce_entries,
        subscribers_max: config.feed.subscribers_max,
        product_label: config.metrics.product_label,
        poll: FEED_POLL,
    }
}

/// Where states are copied to for clients of the published SDK, if they are.
fn mirror(parts: &Parts) -> Option<Mirror> {
    let own = &parts.config.redis;
    let states = parts.store.session_states().filter(|_| own.mirror)?;
    Some(Mirror::new(
        states,
        Arc::clone(&parts.store),
        parts.clock.clone(),
        parts.metrics.clone(),
        mirror::Limits {
            pending_max: own.mirror_pending_max,
            known_max: parts.config.session.live_max,
        },
    ))
}

fn sessions(
    parts: &Parts,
    tasks: &Tasks,
    feed: Feed,
    outbox: Nudge,
    mirror: Option<Mirror>,
) -> Registry<Session> {
    let own = &parts.config.session;
    let limits = Limits {
        live_max: own.live_max,
        mailbox_max: own.mailbox_max,
        batch_max: own.batch_max,
        idle: Duration::from_secs_f64(own.idle_s),
    };
    let config = Arc::clone(&parts.config);
    let products = parts.products.clone();
    let around = Surroundings {
        store: Arc::clone(&parts.store),
        clock: parts.clock.clone(),
        chance: parts.chance.clone(),
        tasks: tasks.clone(),
        metrics: parts.metrics.clone(),
        product_label: parts.config.metrics.product_label,
        policy: Box::new(move |id| Arc::new(policy(&config, products.get(id).as_deref()))),
        committed: Box::new(move |key, written| {
            tell(key, written.effects, &feed, &outbox);
            if let Some(mirror) = &mirror {
                mirror.note(key, written);
            }
        }),
    };
    Registry::new(around, limits)
}

/// The products that are registered, with what seals them.
///
/// # Errors
///
/// `secrets.key` is no key.
pub fn directory(parts: &Parts) -> anyhow::Result<Directory> {
    let own = &parts.config.registration;
    let key = &parts.config.secrets.key;
    let vault = (!key.expose_secret().is_empty()).then(|| Vault::parse(key));
    Ok(Directory::new(registration::Surroundings {
        store: Arc::clone(&parts.store),
        vault: vault.transpose()?,
        products: parts.products.clone(),
        clock: parts.clock.clone(),
        chance: parts.chance.clone(),
        metrics: parts.metrics.clone(),
        limits: registration::Limits {
            overlap_ms: to_ms(own.overlap_s),
            purge_after_ms: to_ms(own.purge_after_s),
            takes_invites: own.mode != RegistrationMode::AdminKey,
            invite_ms: to_ms(own.invite_s),
            products_max: own.products_max,
            keys_max: own.keys_max,
            poll: Duration::from_millis(own.poll_ms),
        },
        is_shared: parts.config.store.backend == Backend::Redis,
    }))
}

fn unkey(parts: &Parts) -> anyhow::Result<Option<Verifier>> {
    let own = &parts.config.unkey;
    if own.root_key.expose_secret().is_empty() {
        return Ok(None);
    }
    let limits = client::Limits {
        request_timeout_ms: own.timeout_ms,
        response_bytes_max: parts.config.delivery.response_bytes_max,
    };
    let verifier = Verifier::new(
        Client::new(parts.clock.clone(), limits)?,
        &own.base_url,
        own.root_key.clone(),
        (parts.clock.clone(), parts.metrics.clone()),
        unkey::Limits {
            accepted: Duration::from_millis(own.accepted_ms),
            refused: Duration::from_millis(own.refused_ms),
            keys_max: own.keys_max,
        },
    );
    verifier.map(Some)
}

fn intake(parts: &Parts, sessions: &Registry<Session>) -> Intake {
    let intake = Intake::new(sessions.clone());
    let Some(spool) = parts.spool.clone() else {
        return intake;
    };
    let wait = Duration::from_millis(parts.config.spool.wait_ms);
    intake.with_spool(spool, wait, parts.clock.clone(), parts.metrics.clone())
}

/// What was committed concerns the feed, the outbox, both or neither.
fn tell(key: &Key, effects: &Effects, feed: &Feed, outbox: &Nudge) {
    if effects.entries.iter().any(|entry| entry.r#type.on_feed()) {
        feed.nudge(&key.product);
    }
    let retried = |change: &OutboxChange| matches!(change, OutboxChange::RetryNow { .. });
    if !effects.deliveries.is_empty() || effects.outbox.iter().any(retried) {
        outbox.nudge();
    }
}

fn outbox(
    parts: &Parts,
    tasks: &Tasks,
    sessions: &Registry<Session>,
    push: Arc<Push>,
    nudge: Nudge,
) -> anyhow::Result<Outbox> {
    let own = &parts.config.delivery;
    let limits = client::Limits {
        request_timeout_ms: own.request_timeout_ms,
        response_bytes_max: own.response_bytes_max,
    };
    let client = Client::new(parts.clock.clone(), limits)?;
    let tools = Tools {
        client,
        guarded: push::guarded(parts, own.request_timeout_ms)?,
        clock: parts.clock.clone(),
        clock_skew_ms: own.clock_skew_ms,
        chatbot_of: chatbots(parts),
        intercom: platform::intercom::Service {
            base_url: parts.config.intercom.base_url.clone(),
            version: parts.config.intercom.version.clone(),
        },
    };
    let destinations = PLATFORMS.iter();
    let destinations = destinations.map(|platform| (platform.destination)(&tools));
    let around = delivery::Surroundings {
        store: Arc::clone(&parts.store),
        destinations: destinations.collect(),
        push: Some(push),
        report: Arc::new(ToSession {
            sessions: sessions.clone(),
            store: Arc::clone(&parts.store),
            chance: parts.chance.clone(),
            clock: parts.clock.clone(),
        }),
        clock: parts.clock.clone(),
        chance: parts.chance.clone(),
        tasks: tasks.clone(),
        metrics: parts.metrics.clone(),
        nudge,
    };
    let options = delivery::Options {
        workers: own.workers,
        lease_ms: own.lease_ms,
        request_timeout_ms: own.request_timeout_ms,
        poll_ms: own.poll_ms,
        schedule: Schedule {
            retries_max: own.retries_max,
            base_ms: own.retry_base_ms,
            cap_ms: own.retry_cap_ms,
        },
        give_up_after_ms: bound_ms(own.give_up_after_s),
        account: delivery::admission::Limits {
            account_workers: own.account_workers,
            breaker_failures: own.breaker_failures,
            breaker_pause_ms: own.breaker_pause_ms,
            breaker_pause_cap_ms: own.breaker_pause_cap_ms,
            refused_probe_ms: own.refused_probe_ms,
            rate_pause_ms: own.retry_base_ms,
            rate_pause_cap_ms: own.rate_pause_cap_ms,
        },
    };
    Ok(Outbox::new(around, options))
}

/// Read from the products in force for each attempt, so that a rotated token is used at once.
fn chatbots(parts: &Parts) -> ChatbotOf {
    let products = parts.products.clone();
    Arc::new(move |id| products.get(id)?.chatbot().cloned())
}

fn reloader(parts: &Parts, tasks: &Tasks) -> Option<Reloader> {
    let (source, seen, nudge) = parts.source.clone()?;
    source.may_change().then(|| Reloader {
        source,
        products: parts.products.clone(),
        seen,
        nudge,
        interval: Duration::from_millis(parts.config.products.reload_ms),
        clock: parts.clock.clone(),
        tasks: tasks.clone(),
        metrics: parts.metrics.clone(),
    })
}
