//! The gates of all accounts, and who uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Fingerprint;
use super::gate::{Change, Gate, Limits, Sign, Ticket, Why};
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
    /// Which account each product had when it was last asked.
    accounts: BTreeMap<ProductId, Fingerprint>,
}

/// The right to make one call. Dropped unused, it was no call.
pub(crate) struct Pass {
    gates: Arc<Gates>,
    account: Fingerprint,
    product: ProductId,
    platform: &'static str,
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

    /// How many deliveries are wanted of the products whose accounts are in use; `account_of` knows
    /// which account a product has now, and when time alone may let more of them through.
    pub(crate) fn quotas(
        &self,
        account_of: impl Fn(&ProductId) -> Option<Fingerprint>,
    ) -> (Vec<Quota>, Option<u64>) {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let State { gates, accounts } = &mut *state;
        accounts.retain(|product, account| match account_of(product) {
            Some(now) => {
                *account = now;
                gates.get(&now).is_some_and(|gate| !gate.is_as_new(now_ms))
            }
            None => false,
        });
        let used: BTreeSet<Fingerprint> = accounts.values().copied().collect();
        gates.retain(|account, gate| gate.is_busy() || used.contains(account));
        self.count_refused(&state);
        let mut quotas: BTreeMap<Fingerprint, Quota> = BTreeMap::new();
        for (product, account) in &state.accounts {
            let places = state.gates.get(account);
            let places = places.map_or(0, |gate| gate.places(now_ms, &self.limits));
            let quota = quotas.entry(*account).or_insert_with(|| Quota {
                products: Vec::new(),
                max: places,
            });
            quota.products.push(product.clone());
        }
        let opens_ms = state
            .gates
            .values()
            .filter_map(|gate| gate.opens_ms(now_ms));
        (quotas.into_values().collect(), opens_ms.min())
    }

    /// Lets a call begin for a product's account, if one may.
    pub(crate) fn admit(
        self: &Arc<Self>,
        product: &ProductId,
        platform: &'static str,
        account: Fingerprint,
    ) -> Option<Pass> {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        state.accounts.insert(product.clone(), account);
        let gate = state.gates.entry(account).or_default();
        let ticket = gate.admit(now_ms, &self.limits)?;
        Some(Pass {
            gates: Arc::clone(self),
            account,
            product: product.clone(),
            platform,
            ticket: Some(ticket),
        })
    }

    /// Lets the next probe of an account come at once.
    pub(crate) fn invite(&self, account: Fingerprint) {
        if let Some(gate) = self.lock().gates.get_mut(&account) {
            gate.invite();
        }
    }

    fn count_refused(&self, state: &State) {
        let refused = state
            .gates
            .values()
            .filter(|gate| gate.is_refused())
            .count();
        let gauge = &self.metrics.accounts_refused;
        gauge.set(i64::try_from(refused).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The call was made: what it says about the account, and about its rate window.
    pub(crate) fn settle(mut self, sign: Sign, rate: Option<Rate>) {
        self.give_back(sign, rate);
    }

    fn give_back(&mut self, sign: Sign, rate: Option<Rate>) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let gates = &self.gates;
        let at = (gates.clock.now_ms(), gates.chance.fraction());
        let change = {
            let mut state = gates.lock();
            let gate = state.gates.entry(self.account).or_default();
            let change = gate.settle(ticket, sign, rate, at, &gates.limits);
            gates.count_refused(&state);
            change
        };
        if let Sign::Limited { .. } = sign {
            self.count("limited");
        }
        if let Some(change) = change {
            self.tell(change);
        }
    }

    fn count(&self, reason: &str) {
        let counter = &self.gates.metrics.account_closures;
        counter.with_label_values(&[self.platform, reason]).inc();
    }

    fn tell(&self, change: Change) {
        let (product_id, platform) = (self.product.as_str(), self.platform);
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
            Change::Opened(_) => {
                tracing::info!(product_id, platform, "an account works again");
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.give_back(Sign::NotCalled, None);
    }
}
