//! The gates of all accounts, and who uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Fingerprint;
use super::gate::{Change, Gate, Sign, Terms, Ticket, Why};
use super::limits::Limits;
use super::window::Rate;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::id::ProductId;
use crate::metrics::Metrics;
use crate::store::Quota;

/// All gates. An account is forgotten once a new gate would do the same.
pub(crate) struct Gates {
    limits: Limits,
    clock: Clock,
    chance: Chance,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gates: BTreeMap<Fingerprint, Gate>,
    /// Which accounts each product had when it was last asked.
    accounts: BTreeMap<ProductId, Vec<Fingerprint>>,
}

/// Whom a call goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    /// The label in metrics.
    pub(crate) platform: &'static str,
    /// The account, or the endpoint.
    pub(crate) account: Fingerprint,
    /// What holds for it and not for all.
    pub(crate) terms: Terms,
}

/// The right to make one call. Dropped unused, it was no call.
pub(crate) struct Pass {
    gates: Arc<Gates>,
    party: Party,
    product: ProductId,
    ticket: Option<Ticket>,
}

impl Gates {
    /// Every account is open.
    pub(crate) fn new(limits: Limits, clock: Clock, chance: Chance, metrics: Metrics) -> Self {
        Self {
            limits,
            clock,
            chance,
            metrics,
            state: Mutex::default(),
        }
    }

    /// How many deliveries are wanted of the products whose accounts are in use, and when time alone may let more
    /// of them through; `accounts_of` knows which accounts a product has now. With `stuck_max` so many are wanted
    /// of each account that takes none until somebody mends something: to see how old they are. Which of its
    /// accounts a delivery is for nobody knows before it is leased, so a product with several may get
    /// more than some of them take: [`Gates::admit`] has the last word.
    pub(crate) fn quotas(
        &self,
        accounts_of: impl Fn(&ProductId) -> Vec<Fingerprint>,
        stuck_max: usize,
    ) -> (Vec<Quota>, Option<u64>) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let State { gates, accounts } = &mut *state;
        accounts.retain(|product, own| {
            *own = accounts_of(product);
            let mut gates = own.iter().filter_map(|account| gates.get(account));
            gates.any(|gate| !gate.is_as_new(now_ms))
        });
        let used: BTreeSet<Fingerprint> = accounts.values().flatten().copied().collect();
        gates.retain(|account, gate| gate.is_busy() || used.contains(account));
        self.count_shut(&state);
        let mut quotas: BTreeMap<&[Fingerprint], Quota> = BTreeMap::new();
        for (product, own) in &state.accounts {
            let quota = quotas.entry(own.as_slice()).or_insert_with(|| Quota {
                products: Vec::new(),
                max: own
                    .iter()
                    .map(|account| self.places(&state, account, now_ms, stuck_max))
                    .sum(),
            });
            quota.products.push(product.clone());
        }
        let opens_ms = state
            .gates
            .values()
            .filter_map(|gate| gate.opens_ms(now_ms));
        (quotas.into_values().collect(), opens_ms.min())
    }

    fn places(&self, state: &State, account: &Fingerprint, now_ms: u64, stuck_max: usize) -> usize {
        match state.gates.get(account) {
            None => self.limits.account_workers,
            Some(gate) if gate.is_stuck() => stuck_max.max(gate.places(now_ms, &self.limits)),
            Some(gate) => gate.places(now_ms, &self.limits),
        }
    }

    /// Lets a call begin for a product's account, if one may.
    pub(crate) fn admit(self: &Arc<Self>, product: &ProductId, party: Party) -> Option<Pass> {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let own = state.accounts.entry(product.clone()).or_default();
        if !own.contains(&party.account) {
            own.push(party.account);
        }
        let gate = state.gate(party);
        gate.agree(party.terms);
        let ticket = gate.admit(now_ms, &self.limits)?;
        let is_paced = gate.is_paced(now_ms);
        let pass = Pass {
            gates: Arc::clone(self),
            party,
            product: product.clone(),
            ticket: Some(ticket),
        };
        if is_paced {
            pass.count("paced");
        }
        Some(pass)
    }

    /// How long until an account that takes no calls now may take one; nothing where the end of another
    /// call decides.
    pub(crate) fn wait_ms(&self, account: Fingerprint) -> u64 {
        let now_ms = self.clock.now_ms();
        let state = self.lock();
        match state.gates.get(&account) {
            Some(gate) if gate.is_disabled() => u64::MAX,
            gate => gate
                .and_then(|gate| gate.opens_ms(now_ms))
                .map_or(0, |opens_ms| opens_ms.saturating_sub(now_ms)),
        }
    }

    /// Whether an account takes no calls until somebody mends something.
    pub(crate) fn is_stuck(&self, account: Fingerprint) -> bool {
        self.lock().gates.get(&account).is_some_and(Gate::is_stuck)
    }

    /// Lets the next probe of an account come at once.
    pub(crate) fn invite(&self, account: Fingerprint) {
        if let Some(gate) = self.lock().gates.get_mut(&account) {
            gate.invite();
        }
    }

    fn count_shut(&self, state: &State) {
        let count = |is_counted: fn(&Gate) -> bool| {
            let counted = state.gates.values().filter(|gate| is_counted(gate));
            i64::try_from(counted.count()).unwrap_or(i64::MAX)
        };
        self.metrics.accounts_refused.set(count(Gate::is_refused));
        self.metrics
            .endpoints_disabled
            .set(count(Gate::is_disabled));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn gate(&mut self, party: Party) -> &mut Gate {
        let gate = self.gates.entry(party.account);
        gate.or_insert_with(|| Gate::new(party.terms))
    }
}

impl Pass {
    /// The call was made: what it says about the account, and about its rate window. Returns what that
    /// changed.
    pub(crate) fn settle(mut self, sign: Sign, rate: Option<Rate>) -> Option<Change> {
        self.give_back(sign, rate)
    }

    fn give_back(&mut self, sign: Sign, rate: Option<Rate>) -> Option<Change> {
        let ticket = self.ticket.take()?;
        let gates = &self.gates;
        let at = (gates.clock.now_ms(), gates.chance.fraction());
        let change = {
            let mut state = gates.lock();
            let gate = state.gate(self.party);
            let change = gate.settle(ticket, sign, rate, at, &gates.limits);
            gates.count_shut(&state);
            change
        };
        if let Sign::Limited { .. } = sign {
            self.count("limited");
        }
        if let Some(change) = change {
            self.tell(change);
        }
        change
    }

    fn count(&self, reason: &str) {
        let counter = &self.gates.metrics.account_closures;
        counter
            .with_label_values(&[self.party.platform, reason])
            .inc();
    }

    fn tell(&self, change: Change) {
        let (product_id, platform) = (self.product.as_str(), self.party.platform);
        match change {
            Change::Shut(Why::Refused) => {
                self.count("refused");
                tracing::error!(
                    product_id,
                    platform,
                    "an account's credentials are refused: its notes wait until the product has another \
                     token or a delivery is replayed"
                );
            }
            Change::Shut(Why::Silent) => {
                self.count("silent");
                tracing::warn!(
                    product_id,
                    platform,
                    "an account gets no definite answers: its notes wait while one call at a time probes"
                );
            }
            Change::Shut(Why::Disabled) => {
                self.count("disabled");
                tracing::error!(
                    product_id,
                    platform,
                    "an endpoint is disabled, because it answered 410 or has only failed for long: its deliveries \
                     wait until the product has another target or secret, or one of them is replayed"
                );
            }
            Change::Opened(_) => {
                tracing::info!(product_id, platform, "an account works again");
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let _ = self.give_back(Sign::NotCalled, None);
    }
}
