//! One instance of the service below its doors, put together as the application does it; it can die,
//! stand still, and be wrong about the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::clock::{Clock, Hand};
use event_connector::delivery::Nudge;
use event_connector::domain::id::{DeliveryId, ProductId};
use event_connector::domain::log::OutboxChange;
use event_connector::domain::session::{Policy, Session};
use event_connector::feed::{self, Feed};
use event_connector::metrics::Metrics;
use event_connector::session::linker::Linker;
use event_connector::session::{Registry, Surroundings, sweeper};
use event_connector::store::{Error, Store};
use event_connector::tasks::Tasks;

use super::desk::{Desk, outbox};
use super::mutant::Mutant;
use super::port::Port;
use super::shape::Shape;
use super::trace::START_MS;
use super::truth::Truth;
use super::vendor::Vendor;
use super::world::{Gate, World};

/// One instance over all its lives.
pub(crate) struct Instance {
    pub(crate) name: String,
    number: u64,
    lives: u64,
    world: World,
    truth: Truth,
    vendor: Vendor,
    clock: Clock,
    hand: Hand,
    /// How far its wall clock is from the truth.
    off_ms: i64,
    /// What it has missed while it stood still.
    missed: Duration,
    pub(crate) up: Option<Up>,
}

/// What runs between a start and a crash. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Up {
    pub(crate) tasks: Tasks,
    pub(crate) sessions: Registry<Session>,
    pub(crate) linker: Linker,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) feed: Feed,
    nudge: Nudge,
    desk: Arc<Desk>,
    clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Gate,
}

impl Instance {
    pub(crate) fn new(number: u64, world: &World, truth: &Truth, vendor: &Vendor) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "exact in this millennium")]
        let (clock, hand) = Clock::manual(START_MS as f64 / 1000.0);
        Self {
            name: format!("i{number}"),
            number,
            lives: 0,
            world: world.clone(),
            truth: truth.clone(),
            vendor: vendor.clone(),
            clock,
            hand,
            off_ms: 0,
            missed: Duration::ZERO,
            up: None,
        }
    }

    /// How long until something in it wakes.
    pub(crate) fn next_wake(&self) -> Option<Duration> {
        self.hand.next_wake().filter(|_| !self.is_paused())
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        if self.is_paused() {
            self.missed += by;
        } else {
            self.hand.advance(by);
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.up.as_ref().is_some_and(|up| up.gate.is_closed())
    }

    /// Sets the wall clock to so far from the truth.
    pub(crate) fn set_clock(&mut self, off_ms: i64) {
        self.world
            .trace
            .tell(&self.name, format_args!("clock off by {off_ms} ms"));
        self.hand.set_wall(off_ms - self.off_ms);
        self.off_ms = off_ms;
    }

    pub(crate) fn pause(&self) {
        if let Some(up) = &self.up {
            self.world.trace.tell(&self.name, format_args!("pauses"));
            up.gate.close();
        }
    }

    pub(crate) fn resume(&mut self) {
        self.hand.advance(std::mem::take(&mut self.missed));
        if let Some(up) = &self.up {
            self.world.trace.tell(&self.name, format_args!("resumes"));
            up.gate.open();
        }
    }

    /// Drops everything it holds, at once.
    pub(crate) async fn crash(&mut self) {
        let Some(up) = self.up.take() else { return };
        self.world.trace.tell(&self.name, format_args!("crashes"));
        up.tasks.finish(&self.clock, Duration::ZERO).await;
        self.check_panics(&up);
        self.hand.advance(std::mem::take(&mut self.missed));
    }

    /// Whether anything in it ever panicked, or could not be read.
    pub(crate) fn check_panics(&self, up: &Up) {
        let found = up.tasks.panics() + up.metrics.panics.get() + up.metrics.parked.get();
        if found > 0 {
            let text = format!("{} times in {}", found, self.name);
            self.world.trace.break_law("no_panics", text);
        }
    }

    /// Starts a new life on what is written down.
    pub(crate) fn start(&mut self) {
        self.lives += 1;
        self.world.trace.tell(&self.name, format_args!("starts"));
        let gate = Gate::default();
        let desk = Arc::new(Desk {
            name: self.name.clone(),
            vendor: self.vendor.clone(),
            clock: self.clock.clone(),
            gate: gate.clone(),
            leases: Mutex::new(BTreeMap::new()),
            accounts: Mutex::new(BTreeMap::new()),
        });
        let store: Arc<dyn Store> = Arc::new(Port {
            name: self.name.clone(),
            world: self.world.clone(),
            store: Arc::new(self.truth.clone()),
            gate: gate.clone(),
            desk: Arc::clone(&desk),
        });
        let (tasks, metrics) = (Tasks::new(), Metrics::new());
        let chance = Chance::seeded(self.world.shape.seed ^ (self.number << 32) ^ self.lives);
        let feed = Feed::new(
            Arc::clone(&store),
            self.clock.clone(),
            tasks.clone(),
            metrics.clone(),
            feed_limits(&self.world),
        );
        let nudge = Nudge::new();
        let around = self.around(&store, &chance, (&tasks, &metrics), (&feed, &nudge));
        let shape = &self.world.shape;
        let sessions = Registry::new(around, shape.limits);
        let parts = (chance, tasks.clone(), metrics.clone());
        let worker = outbox(
            &desk,
            Arc::clone(&store),
            sessions.clone(),
            parts,
            nudge.clone(),
        );
        tasks.spawn("outbox", worker.run());
        tasks.spawn("sweeper", sweeper::run(sessions.clone(), shape.sweep));
        let ageing = age(
            Arc::clone(&store),
            feed.clone(),
            Arc::clone(shape),
            self.clock.clone(),
        );
        tasks.spawn("ageing", ageing);
        self.up = Some(Up {
            linker: Linker::new(sessions.clone(), shape.pending_ms),
            tasks,
            sessions,
            store,
            feed,
            nudge,
            desk,
            clock: self.clock.clone(),
            metrics,
            gate,
        });
    }

    fn around(
        &self,
        store: &Arc<dyn Store>,
        chance: &Chance,
        (tasks, metrics): (&Tasks, &Metrics),
        (feed, nudge): (&Feed, &Nudge),
    ) -> Surroundings<Session> {
        let (feed, nudge, world) = (feed.clone(), nudge.clone(), self.world.clone());
        let shape = Arc::clone(&self.world.shape);
        let flushes_early = self.world.is(Mutant::FlushesEarly);
        Surroundings {
            store: Arc::clone(store),
            clock: self.clock.clone(),
            chance: chance.clone(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            product_label: true,
            policy: Box::new(move |product| {
                let policy = shape.policy_of(product);
                Arc::new(Policy {
                    post_link_debounce_s: if flushes_early {
                        0.0
                    } else {
                        policy.post_link_debounce_s
                    },
                    ..policy
                })
            }),
            committed: Box::new(move |key, written| {
                if world.is(Mutant::LosesNudges) {
                    return;
                }
                let effects = written.effects;
                if effects.entries.iter().any(|entry| entry.r#type.on_feed()) {
                    feed.nudge(&key.product);
                }
                let retries =
                    |change: &OutboxChange| matches!(change, OutboxChange::RetryNow { .. });
                if !effects.deliveries.is_empty() || effects.outbox.iter().any(retries) {
                    nudge.nudge();
                }
            }),
        }
    }
}

impl Up {
    /// Has a delivery sent again, as the door for operators does it.
    pub(crate) async fn replay(
        &self,
        product: &ProductId,
        id: &DeliveryId,
        copy: DeliveryId,
    ) -> Result<Option<DeliveryId>, Error> {
        let sent = self.store.replay(id, copy, self.clock.now_ms()).await?;
        self.nudge.invite(product);
        self.desk.invite(product);
        Ok(sent)
    }
}

fn feed_limits(world: &World) -> feed::Limits {
    let mut limits = world.shape.feed;
    if world.is(Mutant::LosesNudges) {
        limits.poll = Duration::from_secs(86_400);
    }
    limits
}

/// Removes the old now and then, as the application does.
async fn age(store: Arc<dyn Store>, feed: Feed, shape: Arc<Shape>, clock: Clock) {
    loop {
        clock.sleep(Duration::from_secs(10)).await;
        // A failure is as good as a round that found nothing.
        if let Ok(aged) = store.age(clock.now_ms(), shape.retention).await
            && aged.entries > 0
        {
            feed.forget_pages();
        }
    }
}
