//! One instance's way to the platform, and everything here that knows how deliveries are made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::app::ToSession;
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::delivery::{
    Destination, Job, Nudge, Outbox, Receipt, Refusal, Report, Surroundings,
};
use event_connector::domain::id::{ConversationId, DeliveryId, Key, PartId};
use event_connector::domain::session::{Session, Settlement};
use event_connector::metrics::Metrics;
use event_connector::session::Registry;
use event_connector::store::{Lease, Store};
use event_connector::tasks::Tasks;
use tokio::sync::oneshot;

use super::mutant::Mutant;
use super::shape::TIMEOUT_MS;
use super::vendor::{Fate, Vendor};
use super::world::Gate;

/// One instance's way to the platform.
pub(crate) struct Desk {
    pub(crate) name: String,
    pub(crate) vendor: Vendor,
    pub(crate) clock: Clock,
    pub(crate) gate: Gate,
    /// How often the instance had stood still when it asked for the lease.
    pub(crate) leases: Mutex<BTreeMap<DeliveryId, u64>>,
}

impl Desk {
    /// The instance, which has stood still `stalls` times, holds a lease.
    pub(crate) fn leased(&self, lease: &Lease, stalls: u64) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(lease.id.clone(), stalls);
        self.vendor.expect(&lease.id, lease.attempt);
    }

    /// Carries out a call and waits for its answer no longer than the timeout; a call that hangs has
    /// its effect and no answer.
    async fn call<T: Send + 'static>(
        &self,
        effect: impl FnOnce() -> T + Send + 'static,
        hangs: bool,
    ) -> Option<T> {
        let world = self.vendor.world.clone();
        let there_ms = self.vendor.dice.among(1..=TIMEOUT_MS / 3);
        let back_ms = if hangs { TIMEOUT_MS * 2 } else { there_ms };
        let (answer, answered) = oneshot::channel();
        let tasks = world.tasks.clone();
        tasks.spawn("call", async move {
            world.wait_ms(there_ms).await;
            let result = effect();
            world.wait_ms(back_ms).await;
            let _ = answer.send(result);
        });
        let limit = Duration::from_millis(TIMEOUT_MS);
        let result = self.clock.timeout(limit, answered).await;
        self.gate.pass().await;
        result?.ok()
    }

    fn was_stalled(&self, delivery: &DeliveryId) -> bool {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.get(delivery) != Some(&self.gate.stalls())
    }

    fn check_wait(&self, job: &Job) {
        let world = &self.vendor.world;
        let now_ms = world.clock.now_ms();
        let not_before_ms = self.vendor.held_off(&job.delivery);
        let slack_ms = 2 * world.shape.faults.skew_ms;
        let is_early = not_before_ms.is_some_and(|at_ms| now_ms + slack_ms < at_ms);
        if is_early && !self.was_stalled(&job.delivery) && !world.shape.is_wild() {
            let text = format!("{} comes at {now_ms}, not {not_before_ms:?}", job.delivery);
            world.trace.break_law("retry_after_is_obeyed", text);
        }
    }

    async fn post(self: &Arc<Self>, job: &Job, fate: Fate) -> Result<Receipt, Refusal> {
        let lands = !matches!(fate, Fate::FailBefore | Fate::HangBefore);
        let hangs = matches!(fate, Fate::HangBefore | Fate::HangAfter);
        let conversation = self.conversation(job);
        let (desk, own) = (Arc::clone(self), job.clone());
        let effect = move || {
            let stalled = desk.was_stalled(&own.delivery);
            let place = (&own.product, &conversation);
            lands.then(|| desk.vendor.land(place, &own.delivery, &own.note, stalled))
        };
        if matches!(fate, Fate::Reset) {
            let world = self.vendor.world.clone();
            let tasks = world.tasks.clone();
            let late_ms = self.vendor.dice.among(1..=TIMEOUT_MS - 100);
            tasks.spawn("reset call", async move {
                world.wait_ms(late_ms).await;
                effect();
            });
            return Err(Refusal::unknown("connection reset"));
        }
        match (self.call(effect, hangs).await, fate) {
            (None, _) => Err(Refusal::unknown("timed out")),
            (Some(Some(None)), _) => Err(gone()),
            (Some(Some(part)), Fate::Accept) => {
                let is_told = self.vendor.dice.permille(900);
                Ok(Receipt {
                    part: part.filter(|_| is_told),
                })
            }
            _ => Err(Refusal::unknown("the platform answered 500")),
        }
    }

    fn conversation(&self, job: &Job) -> ConversationId {
        let world = &self.vendor.world;
        let first = world.shape.tenant(&job.product);
        let first = first.and_then(|tenant| tenant.conversations.first());
        match first {
            Some(first) if world.is(Mutant::PostsElsewhere) => first.clone(),
            _ => job.note.conversation_id.clone(),
        }
    }

    /// An answer that certainly changed nothing.
    async fn refuse(&self, refusal: Refusal) -> Refusal {
        self.call(|| (), false).await;
        refusal
    }

    async fn limit(&self, delivery: &DeliveryId) -> Refusal {
        let wish_ms = self.vendor.dice.among(1000..=20_000);
        let after_ms = self.vendor.dice.coin().then_some(wish_ms);
        let reason = Arc::from("the platform answered 429");
        let refusal = self.refuse(Refusal::Later { after_ms, reason }).await;
        if let Some(after_ms) = after_ms {
            let until_ms = self.vendor.world.clock.now_ms() + after_ms;
            self.vendor.hold_off(delivery, until_ms);
        }
        refusal
    }
}

fn gone() -> Refusal {
    Refusal::Gone {
        reason: Arc::from("the platform answered 404"),
    }
}

/// The destination as the worker sees it.
struct ToVendor(Arc<Desk>);

#[async_trait]
impl Destination for ToVendor {
    fn name(&self) -> &'static str {
        "intercom"
    }

    async fn deliver(&self, job: &Job) -> Result<Receipt, Refusal> {
        let desk = &self.0;
        desk.gate.pass().await;
        desk.check_wait(job);
        let fate = desk.vendor.fate(&job.product);
        let result = match fate {
            Fate::Limit => Err(desk.limit(&job.delivery).await),
            Fate::Lock => Err(desk.refuse(Refusal::unauthorized("401")).await),
            Fate::Never => {
                desk.vendor.refuse(&job.delivery);
                let reason = Arc::from("the platform answered 422");
                Err(desk.refuse(Refusal::Never { reason }).await)
            }
            _ => desk.post(job, fate).await,
        };
        let trace = &desk.vendor.world.trace;
        trace.tell(
            &desk.name,
            format_args!("posts {}: {result:?}", job.delivery),
        );
        result
    }

    async fn read_back(&self, job: &Job, since_ms: u64) -> Result<Vec<PartId>, Refusal> {
        let desk = &self.0;
        desk.gate.pass().await;
        let fate = desk.vendor.fate(&job.product);
        let (vendor, own) = (desk.vendor.clone(), job.clone());
        let read = move || vendor.find(&own.product, &own.note, since_ms);
        let result = match fate {
            Fate::Limit => Err(desk.limit(&job.delivery).await),
            Fate::Lock => Err(desk.refuse(Refusal::unauthorized("401")).await),
            Fate::Accept | Fate::Never => match desk.call(read, false).await {
                Some(Some(parts)) => Ok(parts),
                Some(None) => Err(gone()),
                None => Err(Refusal::unknown("timed out")),
            },
            _ => Err(desk.refuse(Refusal::unknown("500")).await),
        };
        let trace = &desk.vendor.world.trace;
        trace.tell(
            &desk.name,
            format_args!("reads {}: {result:?}", job.delivery),
        );
        result
    }
}

/// Takes every end for written.
struct Liar;

#[async_trait]
impl Report for Liar {
    async fn report(&self, _key: &Key, _settlement: Settlement) -> Result<(), String> {
        Ok(())
    }
}

/// An instance's outbox worker.
pub(crate) fn outbox(
    desk: &Arc<Desk>,
    store: Arc<dyn Store>,
    sessions: Registry<Session>,
    (chance, tasks, metrics): (Chance, Tasks, Metrics),
    nudge: Nudge,
) -> Outbox {
    let world = &desk.vendor.world;
    let clock = desk.clock.clone();
    let to_session = ToSession {
        sessions,
        clock: clock.clone(),
    };
    let report: Arc<dyn Report> = if world.is(Mutant::LosesEnds) {
        Arc::new(Liar)
    } else {
        Arc::new(to_session)
    };
    let around = Surroundings {
        store,
        destinations: vec![Arc::new(ToVendor(Arc::clone(desk)))],
        report,
        clock,
        chance,
        tasks,
        metrics,
        nudge,
    };
    let mut options = world.shape.outbox;
    if world.is(Mutant::LosesNudges) {
        options.poll_ms = 86_400_000;
    }
    Outbox::new(around, options)
}
