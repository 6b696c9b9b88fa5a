//! Open stores, and short ways to say what is written to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use event_connector::domain::id::{DeliveryId, Key, Kind, PartId, ProductId};
use event_connector::domain::log::{
    EntryType, IndexKey, IndexWrite, NewDelivery, NewEntry, OutboxChange, Space,
};
use event_connector::domain::machine::Settled;
use event_connector::store::memory::Memory;
use event_connector::store::sqlite::{Options, STEPS, Sqlite, Step, Synchronous};
use event_connector::store::{
    Commit, CommitId, Error, Guard, Lease, LeaseRequest, Outcome, Retention, Retry, StateWrite,
    Store, Stored, commit_id,
};
use event_connector::tasks::Tasks;
use tempfile::TempDir;

use crate::redis::Servers;

/// A store with whatever it needs to live.
pub(super) struct House {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Vanishes with the house.
    pub directory: Option<TempDir>,
}

/// Keeps everything for ever.
pub(super) const FOR_EVER: Retention = Retention {
    log_ms: u64::MAX,
    log_bytes_max: u64::MAX,
    state_ms: u64::MAX,
    outbox_ms: u64::MAX,
};

/// A store in memory.
pub(super) async fn memory() -> House {
    House {
        store: Arc::new(Memory::new()),
        directory: None,
    }
}

/// A database in a directory of its own.
pub(super) async fn sqlite() -> House {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let store = open(options(&directory)).expect("a new database can be opened");
    House {
        store: Arc::new(store),
        directory: Some(directory),
    }
}

/// A store of its own on a server that others use as well.
pub(super) async fn redis() -> House {
    on(Servers::one())
}

/// A store of its own on a cluster that others use as well.
pub(super) async fn redis_cluster() -> House {
    on(Servers::cluster())
}

fn on(servers: &Servers) -> House {
    static HOUSES: AtomicU64 = AtomicU64::new(0);
    let prefix = format!("house-{}", HOUSES.fetch_add(1, Ordering::Relaxed));
    House {
        store: Arc::new(servers.store(&prefix)),
        directory: None,
    }
}

/// What tests open databases with: they survive crashes of the process, which is all tests can see.
pub(super) fn options(directory: &TempDir) -> Options {
    Options {
        synchronous: Synchronous::Normal,
        ..Options::new(directory.path().join("store.db"))
    }
}

/// Opens a database on threads of the house.
pub(super) fn open(options: Options) -> Result<Sqlite, Error> {
    Sqlite::open(options, &Tasks::thread)
}

/// The schemas of the program's successor: one more step, which moves data both ways.
pub(super) fn successors_steps() -> &'static [Step] {
    let next = Step {
        name: Box::leak(format!("V{}__successor", STEPS.len() + 1).into_boxed_str()),
        up: "CREATE TABLE lanes (lane TEXT PRIMARY KEY) STRICT;
             INSERT INTO lanes SELECT DISTINCT lane FROM outbox;
             ALTER TABLE parked ADD COLUMN seen INTEGER;
             CREATE INDEX parked_seen ON parked (seen);",
        down: Some(
            "DROP INDEX parked_seen;
             ALTER TABLE parked DROP COLUMN seen;
             DROP TABLE lanes;",
        ),
    };
    let steps: Vec<Step> = STEPS.iter().copied().chain([next]).collect();
    Vec::leak(steps)
}

/// A product by name.
pub(super) fn product(name: &str) -> ProductId {
    name.into()
}

/// A session's key in the product `shop`.
pub(super) fn key(id: &str) -> Key {
    key_of("shop", id)
}

/// A session's key.
pub(super) fn key_of(product: &str, id: &str) -> Key {
    Key {
        product: product.into(),
        kind: Kind::Session,
        id: id.into(),
    }
}

/// The address of an index row of conversations.
pub(super) fn row(id: &str) -> IndexKey {
    IndexKey::new(Space::Conversation, id)
}

/// A commit in the making.
#[derive(Clone)]
pub(super) struct Draft(pub Commit);

/// A commit for the product `shop` at time 1,000 that changes nothing yet. Its writer commits this once, unless
/// it is given another.
pub(super) fn draft() -> Draft {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Draft(Commit {
        id: commit_id(count, count),
        product: "shop".into(),
        now_ms: 1_000,
        state: None,
        effects: event_connector::domain::log::Effects::default(),
        guards: Vec::new(),
    })
}

/// A commit of a state computed from `base`.
pub(super) fn write(key: &Key, base: u64, state: &str) -> Draft {
    let mut draft = draft();
    draft.0.product = key.product.clone();
    draft.0.state = Some(StateWrite {
        key: key.clone(),
        base,
        is_restored: false,
        known: None,
        state: state.as_bytes().into(),
        settled: None,
        due_ms: None,
        as_of_ms: draft.0.now_ms,
    });
    draft
}

impl Draft {
    /// Decided at `now_ms`.
    pub(super) fn at(mut self, now_ms: u64) -> Self {
        self.0.now_ms = now_ms;
        if let Some(state) = &mut self.0.state {
            state.as_of_ms = now_ms;
        }
        self
    }

    /// Of a state that the store has lost.
    pub(super) fn restored(mut self) -> Self {
        let state = self.0.state.as_mut().expect("there is a state");
        state.is_restored = true;
        self
    }

    /// By somebody who knows the log up to this sequence.
    pub(super) fn knowing(mut self, sequence: u64) -> Self {
        let state = self.0.state.as_mut().expect("there is a state");
        state.known = Some(sequence);
        self
    }

    /// With a settled part.
    pub(super) fn settled(self, settled: &str) -> Self {
        self.settled_behind(0, settled)
    }

    /// With more of a settled part, of which `behind_bytes` are there.
    pub(super) fn settled_behind(mut self, behind_bytes: usize, settled: &str) -> Self {
        let state = self.0.state.as_mut().expect("a settled part needs a state");
        let bytes = settled.as_bytes().into();
        state.settled = Some(Settled {
            behind_bytes,
            bytes,
        });
        self
    }

    /// To be woken at `due_ms`.
    pub(super) fn due(mut self, due_ms: u64) -> Self {
        self.0
            .state
            .as_mut()
            .expect("a deadline needs a state")
            .due_ms = Some(due_ms);
        self
    }

    /// With an entry that subscribers see.
    pub(super) fn action(self, body: &str) -> Self {
        self.entry(EntryType::Actions, body)
    }

    /// With an entry.
    pub(super) fn entry(mut self, r#type: EntryType, body: &str) -> Self {
        self.0.effects.entries.push(NewEntry {
            r#type,
            at: 1.5,
            source: "posthog",
            correlation_id: "request-1".into(),
            user_id: None,
            body: body.into(),
        });
        self
    }

    /// With another id.
    pub(super) fn id(mut self, id: CommitId) -> Self {
        self.0.id = id;
        self
    }

    /// With a delivery.
    pub(super) fn delivery(mut self, id: &str, lane: &str) -> Self {
        self.0.effects.deliveries.push(NewDelivery {
            id: id.into(),
            lane: lane.into(),
            body: format!("{{\"note\":\"{id}\"}}").into(),
        });
        self
    }

    /// With a change of the outbox.
    pub(super) fn change(mut self, change: OutboxChange) -> Self {
        self.0.effects.outbox.push(change);
        self
    }

    /// With an index row that expires at `expires_ms`.
    pub(super) fn fact(mut self, key: IndexKey, value: Option<&str>, expires_ms: u64) -> Self {
        self.0.effects.index.push(IndexWrite {
            key,
            value: value.map(Into::into),
            expires_ms,
        });
        self
    }

    /// On condition that the row still is as said.
    pub(super) fn if_row(mut self, key: IndexKey, value: Option<&str>) -> Self {
        let value = value.map(Into::into);
        self.0.guards.push(Guard::Index { key, value });
        self
    }

    /// On condition that the key has no state.
    pub(super) fn if_no_state(mut self, key: &Key) -> Self {
        self.0.guards.push(Guard::NoState { key: key.clone() });
        self
    }
}

/// `id` was delivered as `part`.
pub(super) fn delivered(id: &str, part: Option<&str>) -> OutboxChange {
    OutboxChange::Delivered {
        id: id.into(),
        part: part.map(PartId::from),
    }
}

/// `id` was given up.
pub(super) fn dead(id: &str) -> OutboxChange {
    OutboxChange::Dead {
        id: id.into(),
        reason: "refused".into(),
    }
}

/// `id` is not wanted any more.
pub(super) fn withdrawn(id: &str) -> OutboxChange {
    OutboxChange::Withdrawn { id: id.into() }
}

/// A counting retry of `id`.
pub(super) fn retry(id: &str, not_before_ms: u64) -> Retry {
    Retry {
        id: DeliveryId::from(id),
        fence: 1,
        not_before_ms,
        unsettled_since_ms: None,
        error: Some("timeout".into()),
        counts: true,
        attempt: None,
    }
}

/// Asks for whatever is due at `now_ms`, for so long.
pub(super) fn wanted(now_ms: u64, for_ms: u64, limit: usize) -> LeaseRequest {
    LeaseRequest {
        now_ms,
        until_ms: now_ms + for_ms,
        limit,
        product_max: usize::MAX,
        quotas: Vec::new(),
    }
}

impl House {
    /// Commits and answers the outcome.
    pub(super) async fn commit(&self, draft: Draft) -> Outcome {
        self.store.commit(Arc::new(draft.0)).await
    }

    /// Commits, which must succeed.
    #[track_caller]
    pub(super) fn wrote(&self, draft: Draft) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let outcome = self.commit(draft).await;
            assert!(
                matches!(outcome, Outcome::Committed),
                "{caller}: {outcome:?}"
            );
        }
    }

    /// Commits, which must conflict, and answers the newest snapshot.
    #[track_caller]
    pub(super) fn conflicted(&self, draft: Draft) -> impl Future<Output = Option<Stored>> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            match self.commit(draft).await {
                Outcome::Conflict(newest) => newest,
                other => panic!("{caller}: {other:?}"),
            }
        }
    }

    /// The state under a key, which must be readable.
    pub(super) async fn state(&self, key: &Key) -> Option<Stored> {
        self.store.load(key).await.expect("the state is readable")
    }

    /// The value of an index row of `shop`.
    pub(super) async fn fact(&self, key: IndexKey, now_ms: u64) -> Option<Arc<str>> {
        let rows = self.store.index(&product("shop"), &[key], now_ms).await;
        rows.expect("the index is readable").remove(0)
    }

    /// Leases whatever is due at `now_ms`, for 100 ms.
    pub(super) async fn lease(&self, now_ms: u64) -> Vec<Lease> {
        let leased = self.store.lease(wanted(now_ms, 100, 100)).await;
        leased.expect("leasing works")
    }

    /// The ids of what is leased at `now_ms`.
    pub(super) async fn leased_ids(&self, now_ms: u64) -> Vec<String> {
        let leased = self.lease(now_ms).await;
        leased.iter().map(|lease| lease.id.to_string()).collect()
    }
}
