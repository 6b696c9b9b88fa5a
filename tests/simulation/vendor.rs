//! The platform that takes notes, and everything here that knows how deliveries are made.
//!
//! A note lands in a conversation or it does not, and the caller may hear the truth, nothing or too
//! little. What is promised to the service: a call that lands does so within the request timeout of
//! its start, and a reading shows everything that has landed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::app::ToSession;
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::delivery::{
    Destination, Job, Nudge, Outbox, Receipt, Refusal, Report, Surroundings,
};
use event_connector::domain::id::{ConversationId, DeliveryId, Key, PartId, ProductId, SessionId};
use event_connector::domain::session::{Session, Settlement};
use event_connector::metrics::Metrics;
use event_connector::session::Registry;
use event_connector::store::{Lease, Store};
use event_connector::tasks::Tasks;
use tokio::sync::oneshot;

use super::dice::Dice;
use super::mutant::Mutant;
use super::record::actions_in;
use super::shape::TIMEOUT_MS;
use super::world::{Gate, World};

/// The platform, one for all instances. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vendor {
    world: World,
    dice: Dice,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    gone: BTreeSet<(ProductId, ConversationId)>,
    moods: BTreeMap<ProductId, Mood>,
    /// In the order in which they landed.
    pub(crate) landings: Vec<Landing>,
    /// Deliveries that were refused for good.
    never: BTreeSet<DeliveryId>,
    /// The highest attempt of a delivery that was seen.
    attempts: BTreeMap<DeliveryId, u32>,
    /// Before that true time a delivery must not come again.
    not_before_ms: BTreeMap<DeliveryId, u64>,
}

/// A note in a conversation.
#[derive(Clone)]
pub(crate) struct Landing {
    pub(crate) product: ProductId,
    pub(crate) conversation: ConversationId,
    pub(crate) session: SessionId,
    pub(crate) delivery: DeliveryId,
    pub(crate) part: PartId,
    pub(crate) actions: Vec<String>,
    text: Arc<str>,
    at_ms: u64,
    /// The instance stood still while it held the lease, so it may have come too late.
    pub(crate) was_stalled: bool,
}

/// How the platform treats a product's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Fine,
    /// Anything may happen.
    Flaky,
    /// Nothing answers.
    Silent,
    /// 429, with a wish.
    Limited,
    /// 401.
    Locked,
}

/// What becomes of one call.
#[derive(Clone, Copy)]
enum Fate {
    Accept,
    /// It lands, and the answer is a 5xx.
    FailAfter,
    /// It does not land, and the answer is a 5xx.
    FailBefore,
    /// The connection breaks at once, and the call lands later.
    Reset,
    /// No answer; it lands.
    HangAfter,
    /// No answer; it does not land.
    HangBefore,
    Limit,
    Lock,
    Never,
}

impl Mood {
    pub(crate) const ALL: [Self; 5] = [
        Self::Fine,
        Self::Flaky,
        Self::Silent,
        Self::Limited,
        Self::Locked,
    ];
}

impl Vendor {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            dice: Dice::new(world.shape.seed, 3),
            state: Arc::default(),
        }
    }

    pub(crate) fn set_mood(&self, product: &ProductId, mood: Mood) {
        self.state().moods.insert(product.clone(), mood);
    }

    pub(crate) fn delete(&self, product: &ProductId, conversation: &ConversationId) {
        let place = (product.clone(), conversation.clone());
        self.state().gone.insert(place);
    }

    pub(crate) fn is_gone(&self, product: &ProductId, conversation: &ConversationId) -> bool {
        let place = (product.clone(), conversation.clone());
        self.state().gone.contains(&place)
    }

    /// Whether a delivery has landed, as the given part if one is given.
    pub(crate) fn has(&self, delivery: &DeliveryId, part: Option<&PartId>) -> bool {
        let state = self.state();
        let mut own = state.landings.iter().filter(|l| l.delivery == *delivery);
        own.any(|landing| part.is_none_or(|part| landing.part == *part))
    }

    /// Whether there was reason enough to give a delivery up.
    pub(crate) fn may_be_dead(&self, delivery: &DeliveryId) -> bool {
        let state = self.state();
        let attempts = state.attempts.get(delivery).copied().unwrap_or(0);
        state.never.contains(delivery) || attempts > self.world.shape.outbox.schedule.retries_max
    }

    /// A repeated link may bring forward whatever waits.
    pub(crate) fn may_come_early(&self) {
        self.state().not_before_ms.clear();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, product: &ProductId) -> Fate {
        let faults = &self.world.shape.faults;
        if !self.world.is_foul() {
            return Fate::Accept;
        }
        if faults.never && self.dice.permille(50) {
            return Fate::Never;
        }
        match self.state().moods.get(product).copied().unwrap_or_default() {
            Mood::Fine => Fate::Accept,
            Mood::Flaky => *self.dice.pick(&[
                Fate::Accept,
                Fate::Accept,
                Fate::FailAfter,
                Fate::FailBefore,
                Fate::Reset,
                Fate::HangAfter,
                Fate::HangBefore,
                Fate::Limit,
            ]),
            Mood::Silent => *self.dice.pick(&[Fate::HangAfter, Fate::HangBefore]),
            Mood::Limited => Fate::Limit,
            Mood::Locked => Fate::Lock,
        }
    }

    /// The note lands, unless its conversation is gone.
    fn land(&self, job: &Job, conversation: &ConversationId, was_stalled: bool) -> Option<PartId> {
        if self.is_gone(&job.product, conversation) {
            return None;
        }
        let mut state = self.state();
        let part = PartId::from(format!("part{}", state.landings.len()));
        state.landings.push(Landing {
            product: job.product.clone(),
            conversation: conversation.clone(),
            session: job.note.session_id.clone(),
            delivery: job.delivery.clone(),
            part: part.clone(),
            actions: actions_in(&job.note.text),
            text: Arc::clone(&job.note.text),
            at_ms: self.world.clock.now_ms(),
            was_stalled,
        });
        drop(state);
        self.world.trace.tell(
            "vendor",
            format_args!("{} lands in {conversation} as {part}", job.delivery),
        );
        Some(part)
    }

    fn find(&self, job: &Job, since_ms: u64) -> Vec<PartId> {
        let oldest_ms = since_ms.saturating_sub(SKEW_MS);
        let state = self.state();
        let found = state.landings.iter().filter(|landing| {
            landing.product == job.product
                && landing.conversation == job.note.conversation_id
                && landing.text == job.note.text
                && landing.at_ms >= oldest_ms
        });
        found.map(|landing| landing.part.clone()).collect()
    }
}

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
        let mut state = self.vendor.state();
        let seen = state.attempts.entry(lease.id.clone()).or_default();
        *seen = lease.attempt.max(*seen);
    }

    /// Carries out a call and waits for its answer no longer than the timeout. `lands` says whether
    /// the effect happens; the answer is `told`, or nothing when that is `None`.
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
        let not_before_ms = self.vendor.state().not_before_ms.remove(&job.delivery);
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
            let part = || desk.vendor.land(&own, &conversation, stalled);
            lands.then(part)
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
            let mut state = self.vendor.state();
            state.not_before_ms.insert(delivery.clone(), until_ms);
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
                desk.vendor.state().never.insert(job.delivery.clone());
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
        let read = move || {
            let is_gone = vendor.is_gone(&own.product, &own.note.conversation_id);
            (!is_gone).then(|| vendor.find(&own, since_ms))
        };
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
    Outbox::new(around, world.shape.outbox)
}

/// How far the platform's clock may be from an instance's when a note is looked for.
const SKEW_MS: u64 = 120_000;
