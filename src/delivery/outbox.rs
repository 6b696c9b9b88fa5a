//! The worker: looks for due deliveries, leases them, and has each attempted in a task of its own.
//!
//! It is woken by a nudge and by the clock, and the nudge carries no data: what there is to do is read
//! from the store each time, so that the happy case, a repetition and a restart are one path.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::admission::{Fingerprint, Gates, Limits};
use super::attempt::Attempt;
use super::destination::Destination;
use super::push::Push;
use super::work::Route;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::id::{Key, ProductId};
use crate::domain::retry::Schedule;
use crate::domain::session::Settlement;
use crate::metrics::Metrics;
use crate::store::{Lease, LeaseRequest, Store};
use crate::tasks::Tasks;

/// Bounds and paces.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most attempts under way at once, until their outcomes are written.
    pub workers: usize,
    /// How long a delivery belongs to its attempt. Must exceed `request_timeout_ms` by enough for
    /// the outcome to be committed.
    pub lease_ms: u64,
    /// The longest a call to a platform takes; an attempt without an answer is not looked up sooner.
    pub request_timeout_ms: u64,
    /// How often the store is asked without a nudge.
    pub poll_ms: u64,
    /// When to try again, and when to give up.
    pub schedule: Schedule,
    /// How long a delivery waits for an account that is refused, or an endpoint that is disabled; `None` for ever.
    pub give_up_after_ms: Option<u64>,
    /// What one account may do.
    pub account: Limits,
}

/// Takes the end of a delivery to where it is written down.
#[async_trait]
pub trait Report: Send + Sync + 'static {
    /// Returns once the outcome is durable and the delivery finished: by a commit of the session `key`, or without
    /// it where [`Settlement::alone`] says so. An error says why it is not; the delivery then stays leased, and
    /// is read back, or pushed again, when the lease ends.
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String>;
}

/// Tells the worker that there may be something to do. Cheap to clone; nudges while it works are
/// not lost, and many count as one.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    invited: Mutex<BTreeSet<ProductId>>,
}

impl Nudge {
    /// A bell nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the worker look at the store.
    pub fn nudge(&self) {
        self.0.rung.notify_one();
    }

    /// The same, and a product's account is tried again even if it was found closed.
    pub fn invite(&self, product: &ProductId) {
        self.invited().insert(product.clone());
        self.nudge();
    }

    fn take_invited(&self) -> BTreeSet<ProductId> {
        std::mem::take(&mut *self.invited())
    }

    fn invited(&self) -> MutexGuard<'_, BTreeSet<ProductId>> {
        self.0
            .invited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the worker needs from the outside.
pub struct Surroundings {
    /// Where deliveries are.
    pub store: Arc<dyn Store>,
    /// Where notes go, found by name.
    pub destinations: Vec<Arc<dyn Destination>>,
    /// What pushes to products' own endpoints; without it pushes are given up.
    pub push: Option<Arc<Push>>,
    /// Who hears of their end.
    pub report: Arc<dyn Report>,
    /// Time.
    pub clock: Clock,
    /// Jitter.
    pub chance: Chance,
    /// Spawning and stopping.
    pub tasks: Tasks,
    /// Counters.
    pub metrics: Metrics,
    /// The bell.
    pub nudge: Nudge,
}

/// The worker.
pub struct Outbox {
    around: Arc<Surroundings>,
    options: Options,
    slots: Arc<Semaphore>,
    gates: Arc<Gates>,
    /// When to look next at what waits for accounts that are stuck.
    sorts_ms: u64,
}

impl Outbox {
    /// Nothing is leased before [`Outbox::run`].
    pub fn new(around: Surroundings, options: Options) -> Self {
        let gates = Gates::new(
            options.account,
            around.clock.clone(),
            around.chance.clone(),
            around.metrics.clone(),
        );
        Self {
            slots: Arc::new(Semaphore::new(options.workers)),
            gates: Arc::new(gates),
            around: Arc::new(around),
            options,
            sorts_ms: 0,
        }
    }

    /// Works until a soft stop, then leases nothing more; attempts under way finish on their own.
    pub async fn run(mut self) {
        let tasks = self.around.tasks.clone();
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.free_slot() => {}
            }
            let may_be_more = self.lease().await;
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.around.nudge.0.rung.notified() => {}
                () = self.sleep(may_be_more) => {}
            }
        }
    }

    async fn free_slot(&self) {
        // The permit is given back at once: only this loop hands permits to attempts.
        drop(self.slots.acquire().await);
    }

    /// Starts whatever is due, as far as there are free slots and open accounts; answers whether more may be due.
    async fn lease(&mut self) -> bool {
        for product in self.around.nudge.take_invited() {
            for account in self.accounts_of(&product) {
                self.gates.invite(account);
            }
        }
        let limit = self.slots.available_permits();
        let now_ms = self.around.clock.now_ms();
        let until_ms = now_ms.saturating_add(self.options.lease_ms);
        let stuck_max = self.sort(now_ms);
        let (quotas, _) = self
            .gates
            .quotas(|product| self.accounts_of(product), stuck_max);
        let request = LeaseRequest {
            now_ms,
            until_ms,
            limit,
            product_max: self.options.account.account_workers,
            quotas,
        };
        let leases = match self.around.store.lease(request).await {
            Ok(leases) => leases,
            Err(error) => {
                error.report("the outbox could not be read; it is read again shortly");
                return true;
            }
        };
        let is_full = leases.len() >= limit;
        for lease in leases {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                break;
            };
            if self.start(lease, until_ms, slot) {
                // There may be more of that age.
                self.sorts_ms = now_ms;
            }
        }
        is_full
    }

    /// How many deliveries of each stuck account to look at now, to see whether they have waited for too long. The
    /// longest due come first, and what waits for such an account is due since it was committed.
    fn sort(&mut self, now_ms: u64) -> usize {
        let Some(after_ms) = self.options.give_up_after_ms else {
            return 0;
        };
        if now_ms < self.sorts_ms {
            return 0;
        }
        let pause_ms = (after_ms / 100).max(self.options.poll_ms).min(SORT_MS);
        self.sorts_ms = now_ms.saturating_add(pause_ms);
        self.options.account.account_workers
    }

    /// Waits until something may be due that nobody nudges for. Where nudges come, it is given up before it has
    /// asked the store.
    async fn sleep(&self, may_be_more: bool) {
        let clock = &self.around.clock;
        let due_ms = if may_be_more {
            // The end of any attempt nudges, and until then there is no slot.
            clock.now_ms().saturating_add(self.options.poll_ms)
        } else {
            self.next_look_ms().await
        };
        clock.sleep_until_ms(due_ms).await;
    }

    /// Has one delivery attempted, if its account takes a call; answers whether it is given up instead, because it
    /// has waited for long enough.
    fn start(&self, lease: Lease, until_ms: u64, slot: OwnedSemaphorePermit) -> bool {
        let attempt = Attempt {
            around: Arc::clone(&self.around),
            options: self.options,
            lease,
            until_ms,
        };
        let Surroundings {
            destinations, push, ..
        } = &*self.around;
        let route = Route::of(&attempt.lease, destinations, push.as_ref());
        let product = &attempt.lease.key.product;
        let party = route.as_ref().and_then(|route| route.party(product));
        let pass = party.map(|party| {
            let pass = self.gates.admit(product, party);
            pass.ok_or_else(|| self.turned_away(&attempt.lease, party.account))
        });
        let is_over = matches!(pass, Some(Err(TurnedAway::Over)));
        let nudge = self.around.nudge.clone();
        self.around.tasks.spawn("delivery", async move {
            match pass {
                Some(Err(TurnedAway::Until(not_before_ms))) => {
                    attempt.give_back(not_before_ms).await;
                }
                Some(Err(TurnedAway::Over)) => attempt.expire(route).await,
                Some(Ok(pass)) => attempt.run(route, Some(pass)).await,
                None => attempt.run(route, None).await,
            }
            drop(slot);
            // The lane's next delivery may be due now, and a slot is free for any lane.
            nudge.nudge();
        });
        is_over
    }

    /// What becomes of a delivery that its account did not take. Where the product has another account that is
    /// open it would be leased again at once, and again, so it waits for a while.
    fn turned_away(&self, lease: &Lease, account: Fingerprint) -> TurnedAway {
        let now_ms = self.around.clock.now_ms();
        let is_stuck = self.gates.is_stuck(account);
        let age_ms = now_ms.saturating_sub(lease.created_ms);
        // What an operator asked for waits until it is tried: the first call may be about to mend everything.
        let may_end = is_stuck && !lease.replayed;
        let after_ms = self.options.give_up_after_ms.filter(|_| may_end);
        if after_ms.is_some_and(|after_ms| age_ms >= after_ms) {
            return TurnedAway::Over;
        }
        if self.accounts_of(&lease.key.product).len() < 2 {
            // In the order of their age, as `sort` wants them.
            let due_ms = lease.created_ms.min(now_ms);
            return TurnedAway::Until(if is_stuck { due_ms } else { now_ms });
        }
        let least_ms = self.options.poll_ms;
        let wait_ms = self.gates.wait_ms(account);
        let wait_ms = wait_ms.clamp(least_ms, least_ms.max(CLOSED_MS));
        TurnedAway::Until(now_ms.saturating_add(wait_ms))
    }

    /// No later than the next poll, and never at once: what could be leased has just been leased.
    /// What is due for accounts that take no calls does not count before they do.
    async fn next_look_ms(&self) -> u64 {
        let now_ms = self.around.clock.now_ms();
        let poll_ms = now_ms.saturating_add(self.options.poll_ms);
        let (quotas, opens_ms) = self.gates.quotas(|product| self.accounts_of(product), 0);
        let closed = quotas.into_iter().filter(|quota| quota.max == 0);
        let closed: Vec<ProductId> = closed.flat_map(|quota| quota.products).collect();
        let due_ms = match self.around.store.next_delivery_ms(&closed).await {
            Ok(due_ms) => due_ms,
            Err(error) => {
                error.report("the outbox's next due time could not be read");
                None
            }
        };
        let first_ms = due_ms.into_iter().chain(opens_ms).min();
        first_ms.map_or(poll_ms, |at_ms| at_ms.max(now_ms + PAUSE_MS).min(poll_ms))
    }

    /// The accounts that a product uses now: on whichever platform it has one, and its push target.
    fn accounts_of(&self, product: &ProductId) -> Vec<Fingerprint> {
        let mut all = self.around.destinations.iter();
        let noted = all.find_map(|one| one.account(product));
        let pushed = self
            .around
            .push
            .as_ref()
            .and_then(|push| push.party(product));
        noted
            .into_iter()
            .chain(pushed.map(|party| party.account))
            .collect()
    }
}

/// What becomes of a delivery whose account takes no call now.
enum TurnedAway {
    /// It is leased again no sooner than then, Unix milliseconds.
    Until(u64),
    /// It has waited for as long as it may.
    Over,
}

/// How often what waits for stuck accounts is looked at, as long as none of it is too old.
const SORT_MS: u64 = 60_000;

/// How long a delivery waits at most for a closed account of a product that has another one, which is open.
/// It bounds how much is leased in vain.
const CLOSED_MS: u64 = 60_000;

/// The shortest pause between two looks at the store without a nudge.
const PAUSE_MS: u64 = 5;
