//! A state that counts, and a house to keep it in.

use std::sync::Arc;
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::clock::{Clock, Hand};
use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::log::IndexKey;
use event_connector::domain::machine::{Encoded, Facts, Machine, Moment};
use event_connector::metrics::Metrics;
use event_connector::session::{Error, Limits, Registry, Surroundings};
use event_connector::store::memory::Memory;
use event_connector::store::{Commit, Outcome, StateWrite, Store};
use event_connector::tasks::Tasks;
use tokio::sync::watch;

use crate::around::Around;

/// An input that panics.
pub(super) const BOMB: u64 = u64::MAX;

/// A count at which the actor itself breaks, outside of any decision.
pub(super) const CURSE: u64 = 666;

/// An input that is added, and 1,000 more half a second later.
pub(super) const ALARM: u64 = 1_000_000;

/// Adds up what it is given.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    count: u64,
    alarm_at: Option<f64>,
}

impl Machine for Counter {
    type Input = u64;
    type Reply = u64;
    type Policy = ();

    fn open(_: &Key, (): &(), _: f64) -> Self {
        Self {
            count: 0,
            alarm_at: None,
        }
    }

    fn decode(state: &[u8], _: &[u8]) -> Result<Self, String> {
        let (count, alarm_at) = serde_json::from_slice(state).map_err(|error| error.to_string())?;
        Ok(Self { count, alarm_at })
    }

    fn encode(&mut self) -> Encoded {
        let state = serde_json::to_vec(&(self.count, self.alarm_at)).expect("two numbers");
        Encoded {
            state: state.into(),
            settled: None,
        }
    }

    fn wants(&self, _: &u64, _: &Facts, _: &Self::Policy, _: f64) -> Vec<IndexKey> {
        Vec::new()
    }

    fn handle(&mut self, input: u64, moment: &mut Moment<'_, ()>) -> u64 {
        assert!(input != BOMB, "told to");
        if input == ALARM {
            self.alarm_at = Some(moment.now + 0.5);
        }
        self.count += input;
        self.count
    }

    fn deadline(&self) -> Option<f64> {
        assert!(self.count != CURSE, "told to");
        self.alarm_at
    }

    fn on_deadline(&mut self, _: &mut Moment<'_, ()>) {
        self.alarm_at = None;
        self.count += 1000;
    }

    fn restore(&mut self, _: &mut Moment<'_, ()>) {}

    fn fingerprint(input: &u64) -> u64 {
        *input
    }
}

/// The count in a stored state.
pub(super) fn decode(state: &[u8]) -> u64 {
    Counter::decode(state, &[]).expect("readable").count
}

pub(super) fn key(id: &str) -> Key {
    Key::session(&ProductId::from("acme"), &SessionId::from(id))
}

/// Actors on a store in memory whose commits can be held up.
pub(super) struct House {
    pub(super) sessions: Registry<Counter>,
    pub(super) store: Arc<Memory>,
    pub(super) metrics: Metrics,
    pub(super) tasks: Tasks,
    pub(super) hand: Hand,
    gate: watch::Sender<bool>,
    clock: Clock,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(Duration::from_secs(3600), 1000)
    }

    pub(super) fn with(idle: Duration, live_max: usize) -> Self {
        let (clock, hand) = Clock::manual(1_779_095_640.0);
        Self::on(Arc::new(Memory::new()), clock, hand, idle, live_max)
    }

    /// Another instance on the same store.
    pub(super) fn sibling(&self) -> Self {
        let (store, clock) = (Arc::clone(&self.store), self.clock.clone());
        Self::on(
            store,
            clock,
            self.hand.clone(),
            Duration::from_secs(3600),
            1000,
        )
    }

    fn on(store: Arc<Memory>, clock: Clock, hand: Hand, idle: Duration, live_max: usize) -> Self {
        let (metrics, tasks) = (Metrics::new(), Tasks::new());
        let gate = watch::Sender::new(true);
        let watched = gate.clone();
        let gated = Around::new(store.clone(), move |store, commit| {
            let mut gate = watched.subscribe();
            async move {
                gate.wait_for(|is_open| *is_open)
                    .await
                    .expect("the house stands");
                store.commit(commit).await
            }
        });
        let around = Surroundings {
            store: Arc::new(gated),
            clock: clock.clone(),
            // Instances must draw different commit ids, or each takes the other's commit for its own.
            chance: Chance::system(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            product_label: true,
            policy: Box::new(|_| Arc::new(())),
            committed: Box::new(|_, _| {}),
        };
        let limits = Limits {
            live_max,
            mailbox_max: 100,
            batch_max: 64,
            idle,
        };
        Self {
            sessions: Registry::new(around, limits),
            store,
            metrics,
            tasks,
            hand,
            gate,
            clock,
        }
    }

    pub(super) async fn add(&self, id: impl Into<String>, number: u64) -> Result<u64, Error> {
        let key = key(&id.into());
        self.sessions.ask(&key, number, "test".into()).await
    }

    /// Commits wait from now on.
    pub(super) fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// Whether a commit waits.
    pub(super) fn is_held(&self) -> bool {
        self.gate.receiver_count() > 0
    }

    /// Commits go on.
    pub(super) fn release(&self) {
        self.gate.send_replace(true);
    }

    pub(super) async fn stored(&self, key: &Key) -> Option<u64> {
        let stored = self.store.load(key).await.expect("readable");
        stored.map(|stored| decode(&stored.state))
    }

    /// Overwrites the stored state with what is no state.
    pub(super) async fn spoil(&self, key: &Key) {
        let stored = self
            .store
            .load(key)
            .await
            .expect("readable")
            .expect("there");
        let commit = Commit {
            id: [9; 8],
            product: key.product.clone(),
            now_ms: 0,
            state: Some(StateWrite {
                key: key.clone(),
                base: stored.version,
                is_restored: false,
                known: None,
                state: Arc::from(*b"spoilt"),
                settled: None,
                due_ms: None,
                as_of_ms: 0,
            }),
            effects: Default::default(),
            guards: Vec::new(),
        };
        let outcome = self.store.commit(Arc::new(commit)).await;
        assert!(matches!(outcome, Outcome::Committed));
    }
}
