//! One instance's way to the platform, and everything here that knows how deliveries are made.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::app::ToSession;
use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::delivery::admission::{Fingerprint, Rate, Sign};
use event_connector::delivery::{
    Destination, Job, Lookup, Nudge, Outbox, Receipt, Refusal, Reply, Report, Surroundings,
};
use event_connector::domain::id::{ConversationId, DeliveryId, Key, PartId, ProductId};
use event_connector::domain::session::{Session, Settlement};
use event_connector::metrics::Metrics;
use event_connector::session::Registry;
use event_connector::store::{Lease, Store};
use event_connector::tasks::Tasks;
use tokio::sync::oneshot;

use super::account::{Account, Call};
use super::mutant::{self, Mutant};
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
    /// What its calls have told of the platform's accounts.
    pub(crate) accounts: Mutex<BTreeMap<Fingerprint, Account>>,
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

    /// A call for the delivery begins: the account's laws hold of it.
    fn begin(&self, job: &Job) -> Option<(Fingerprint, Call)> {
        let world = &self.vendor.world;
        self.vendor.called(&job.delivery);
        let account = self.vendor.account(&job.product)?;
        let slack_ms = 2 * world.shape.faults.skew_ms;
        let limits = &world.shape.outbox.account;
        let mut accounts = self.accounts();
        let own = accounts.entry(account).or_default();
        let (call, broken) = own.begin(world.clock.now_ms(), slack_ms, limits);
        for (law, text) in broken {
            let text = format!("{} of {} for {}", text, self.name, job.product);
            world.trace.break_law(law, text);
        }
        Some((account, call))
    }

    /// The call has ended with an answer or without one.
    fn end<T: Debug>(
        &self,
        (job, verb): (&Job, &str),
        begun: Option<(Fingerprint, Call)>,
        mut reply: Reply<T>,
    ) -> Reply<T> {
        let world = &self.vendor.world;
        if matches!(reply.sign, Sign::Limited { .. } | Sign::Refused) {
            self.vendor.turn_away(&job.delivery);
        }
        let now_ms = world.clock.now_ms();
        if let Sign::Limited {
            after_ms: Some(after_ms),
        } = reply.sign
        {
            self.vendor.hold_off(&job.delivery, now_ms + after_ms);
        }
        if let Some((account, call)) = begun {
            let (told, limits) = ((reply.sign, reply.rate), &world.shape.outbox.account);
            let mut accounts = self.accounts();
            let own = accounts.entry(account).or_default();
            own.end(&call, now_ms, told, limits);
        }
        let (name, delivery) = (&self.name, &job.delivery);
        let told = format_args!("{verb} {delivery}: {:?}", reply.result).to_string();
        world.trace.tell(name, format_args!("{told}"));
        mutant::hear(world, &mut reply);
        reply
    }

    /// An operator has something of the product sent again.
    pub(crate) fn invite(&self, product: &ProductId) {
        let account = self.vendor.account(product);
        let mut accounts = self.accounts();
        if let Some(own) = account.and_then(|account| accounts.get_mut(&account)) {
            own.invite();
        }
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<Fingerprint, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(self: &Arc<Self>, job: &Job, fate: Fate) -> Reply<Receipt> {
        let lands = !matches!(fate, Fate::FailBefore | Fate::HangBefore);
        let hangs = matches!(fate, Fate::HangBefore | Fate::HangAfter);
        let conversation = self.conversation(job);
        let (desk, own) = (Arc::clone(self), job.clone());
        let effect = move || {
            let stalled = desk.was_stalled(&own.delivery);
            let place = (&own.product, &conversation);
            let (rate, has_room) = desk.vendor.count(&own.product);
            let lands = lands && has_room;
            let part = lands.then(|| desk.vendor.land(place, &own.delivery, &own.body, stalled));
            (rate, has_room, part)
        };
        if matches!(fate, Fate::Reset) {
            let world = self.vendor.world.clone();
            let tasks = world.tasks.clone();
            // Whoever looks for it waits as long by a clock that may be ahead of the caller's.
            let apart_ms = 2 * world.shape.faults.skew_ms;
            let latest_ms = TIMEOUT_MS.saturating_sub(100 + apart_ms).max(1);
            let late_ms = self.vendor.dice.among(1..=latest_ms);
            tasks.spawn("reset call", async move {
                world.wait_ms(late_ms).await;
                effect();
            });
            return silent("connection reset");
        }
        match (self.call(effect, hangs).await, fate) {
            (None, _) => silent("timed out"),
            (Some((rate, false, _)), _) => self.limited(Some(rate)),
            (Some((rate, true, Some(None))), _) => gone(rate),
            (Some((rate, true, Some(part))), Fate::Accept) => {
                let is_told = self.vendor.dice.permille(900);
                let receipt = Receipt {
                    part: part.filter(|_| is_told),
                };
                answer(Ok(receipt), Sign::Works, Some(rate))
            }
            _ => silent("the platform answered 500"),
        }
    }

    async fn read(&self, job: &Job, since_ms: u64) -> Reply<Vec<PartId>> {
        let (vendor, own) = (self.vendor.clone(), job.clone());
        let read = move || {
            let (rate, has_room) = vendor.count(&own.product);
            let found = has_room.then(|| vendor.find(&own.product, &own.body, since_ms));
            (rate, found)
        };
        match self.call(read, false).await {
            None => silent("timed out"),
            Some((rate, None)) => self.limited(Some(rate)),
            Some((rate, Some(None))) => gone(rate),
            Some((rate, Some(Some(parts)))) => answer(Ok(parts), Sign::Works, Some(rate)),
        }
    }

    fn conversation(&self, job: &Job) -> ConversationId {
        let world = &self.vendor.world;
        let first = world.shape.tenant(&job.product);
        let first = first.and_then(|tenant| tenant.conversations.first());
        match first {
            Some(first) if world.is(Mutant::PostsElsewhere) => first.clone(),
            _ => job.body.conversation_id.clone(),
        }
    }

    /// An answer that certainly changed nothing.
    async fn refuse<T>(&self, refusal: Refusal, sign: Sign) -> Reply<T> {
        self.call(|| (), false).await;
        answer(Err(refusal), sign, None)
    }

    async fn lock<T>(&self) -> Reply<T> {
        let reason = Arc::from("the platform answered 401");
        self.refuse(Refusal::Unauthorized { reason }, Sign::Refused)
            .await
    }

    async fn limit<T>(&self) -> Reply<T> {
        self.call(|| (), false).await;
        self.limited(None)
    }

    /// 429, because the window is used up or because the platform is in the mood for it.
    fn limited<T>(&self, rate: Option<Rate>) -> Reply<T> {
        let dice = &self.vendor.dice;
        let now_ms = self.vendor.world.clock.now_ms();
        let after_ms = match rate {
            Some(rate) => Some(rate.reset_ms.saturating_sub(now_ms)),
            None => dice.coin().then(|| dice.among(1000..=20_000)),
        };
        let reason = Arc::from("the platform answered 429");
        let refusal = Refusal::Limited { after_ms, reason };
        answer(Err(refusal), Sign::Limited { after_ms }, rate)
    }
}

fn answer<T>(result: Result<T, Refusal>, sign: Sign, rate: Option<Rate>) -> Reply<T> {
    Reply {
        result,
        sign,
        rate,
        http_status: None,
        excerpt: None,
    }
}

fn silent<T>(reason: &str) -> Reply<T> {
    answer(Err(Refusal::unknown(reason)), Sign::Silent, None)
}

fn gone<T>(rate: Rate) -> Reply<T> {
    let reason = Arc::from("the platform answered 404");
    answer(Err(Refusal::Gone { reason }), Sign::Works, Some(rate))
}

/// The destination as the worker sees it.
struct ToVendor(Arc<Desk>);

#[async_trait]
impl Destination for ToVendor {
    fn name(&self) -> &'static str {
        "intercom"
    }

    fn account(&self, product: &ProductId) -> Option<Fingerprint> {
        self.0.vendor.account(product)
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        Some(self)
    }

    async fn deliver(&self, job: &Job) -> Reply<Receipt> {
        let desk = &self.0;
        let begun = desk.begin(job);
        desk.gate.pass().await;
        desk.check_wait(job);
        let reply = match desk.vendor.fate(&job.product) {
            Fate::Limit => desk.limit().await,
            Fate::Lock => desk.lock().await,
            Fate::Never => {
                desk.vendor.refuse(&job.delivery);
                let reason = Arc::from("the platform answered 422");
                desk.refuse(Refusal::Never { reason }, Sign::Works).await
            }
            fate => desk.post(job, fate).await,
        };
        desk.end((job, "posts"), begun, reply)
    }
}

#[async_trait]
impl Lookup for ToVendor {
    async fn read_back(&self, job: &Job, since_ms: u64) -> Reply<Vec<PartId>> {
        let desk = &self.0;
        let begun = desk.begin(job);
        desk.gate.pass().await;
        let reply = match desk.vendor.fate(&job.product) {
            Fate::Limit => desk.limit().await,
            Fate::Lock => desk.lock().await,
            Fate::Accept | Fate::Never => desk.read(job, since_ms).await,
            _ => {
                let refusal = Refusal::unknown("the platform answered 500");
                desk.refuse(refusal, Sign::Silent).await
            }
        };
        desk.end((job, "reads"), begun, reply)
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
        store: Arc::clone(&store),
        chance: chance.clone(),
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
        push: None,
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
