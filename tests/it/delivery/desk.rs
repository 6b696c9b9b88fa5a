//! The harness: a store, a modelled Intercom, a worker, and a clock that stands still.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::chance::Chance;
use event_connector::clock::{Clock, Hand};
use event_connector::delivery::admission::Limits as AccountLimits;
use event_connector::delivery::client::{Client, Limits};
use event_connector::delivery::{Nudge, Options, Outbox, Report, Surroundings};
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::domain::id::{Key, PartId, ProductId};
use event_connector::domain::log::{Effects, NewDelivery, OutboxChange};
use event_connector::domain::retry::Schedule;
use event_connector::domain::session::{NoteBody, Outcome, Settlement};
use event_connector::metrics::Metrics;
use event_connector::platform::intercom::{Account, Accounts, Intercom as Destination};
use event_connector::store::memory::Memory;
use event_connector::store::{self, Commit, StateWrite, Store};
use event_connector::tasks::Tasks;
use tokio::sync::{RwLock, watch};

/// Thu, 09 Oct 2025 08:53:20 GMT, Unix seconds.
pub(super) const START_S: u64 = 1_760_000_000;
pub(super) const TIMEOUT_MS: u64 = 10_000;
pub(super) const LEASE_MS: u64 = 60_000;
pub(super) const RESPONSE_BYTES_MAX: usize = 64 * 1024;

pub(super) const SCHEDULE: Schedule = Schedule {
    retries_max: 3,
    base_ms: 2_000,
    cap_ms: 300_000,
};

pub(super) const ACCOUNT: AccountLimits = AccountLimits {
    account_workers: 4,
    breaker_failures: 5,
    breaker_pause_ms: 5_000,
    breaker_pause_cap_ms: 300_000,
    refused_probe_ms: 3_600_000,
    rate_pause_ms: 2_000,
    rate_pause_cap_ms: 900_000,
};

/// Everything a test touches.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) hand: Hand,
    pub(super) store: Arc<Memory>,
    pub(super) intercom: Intercom,
    pub(super) metrics: Metrics,
    pub(super) book: Arc<Book>,
    pub(super) account: Arc<Mutex<Option<Account>>>,
    /// The account of the product `beta`.
    pub(super) beta: Arc<Mutex<Option<Account>>>,
    pub(super) tasks: Tasks,
    pub(super) nudge: Nudge,
    options: Options,
    chance: Chance,
    model: Tasks,
}

/// Stands where the session stands: finishes the delivery in the store and remembers the outcome.
pub(super) struct Book {
    store: Arc<Memory>,
    clock: Clock,
    chance: Chance,
    nudge: Nudge,
    settled: watch::Sender<Vec<(String, Outcome)>>,
    pub(super) failures: Mutex<usize>,
    /// Nothing is written down while somebody holds it alone.
    pub(super) disk: RwLock<()>,
}

#[async_trait]
impl Report for Book {
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String> {
        let _disk = self.disk.read().await;
        {
            let mut failures = self.failures.lock().expect("no test panics here");
            if *failures > 0 {
                *failures -= 1;
                return Err("the store is away".to_owned());
            }
        }
        let id = settlement.delivery.clone();
        let attempted = settlement.attempt.map(|attempt| OutboxChange::Attempted {
            id: id.clone(),
            attempt,
        });
        let change = match settlement.outcome.clone() {
            Outcome::Delivered(part) => OutboxChange::Delivered { id, part },
            Outcome::Failed(reason) => OutboxChange::Dead { id, reason },
            Outcome::Gone(_) => OutboxChange::Withdrawn { id },
        };
        let effects = Effects {
            outbox: attempted.into_iter().chain([change]).collect(),
            ..Effects::default()
        };
        let now_ms = self.clock.now_ms();
        let product = &key.product;
        commit(&self.store, &self.chance, now_ms, product, None, effects).await;
        let entry = (settlement.delivery.to_string(), settlement.outcome);
        self.settled.send_modify(|settled| settled.push(entry));
        self.nudge.nudge();
        Ok(())
    }
}

impl Desk {
    /// A desk whose worker runs.
    pub(super) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other options.
    pub(super) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let (clock, hand) = Clock::manual(1_760_000_000.0);
        let model = Tasks::new();
        let intercom = Intercom::start(clock.clone(), &model, Settings::default())
            .await
            .expect("a local port is free");
        let mut options = Options {
            workers: 4,
            lease_ms: LEASE_MS,
            request_timeout_ms: TIMEOUT_MS,
            poll_ms: 1_000,
            schedule: SCHEDULE,
            give_up_after_ms: None,
            account: ACCOUNT,
        };
        change(&mut options);
        let store = Arc::new(Memory::new());
        let nudge = Nudge::new();
        let chance = Chance::seeded(7);
        let account = Account {
            access_token: Settings::default().access_token.into(),
            admin_id: Settings::default().admin_id,
            base_url: intercom.base_url(),
            version: "2.11".to_owned(),
        };
        let book = Book {
            store: Arc::clone(&store),
            clock: clock.clone(),
            chance: chance.clone(),
            nudge: nudge.clone(),
            settled: watch::Sender::new(Vec::new()),
            failures: Mutex::new(0),
            disk: RwLock::default(),
        };
        let desk = Self {
            clock,
            hand,
            store,
            intercom,
            metrics: Metrics::new(),
            book: Arc::new(book),
            account: Arc::new(Mutex::new(Some(account))),
            beta: Arc::default(),
            tasks: Tasks::new(),
            options,
            nudge,
            chance,
            model,
        };
        desk.start(&desk.tasks);
        desk
    }

    /// Starts a worker, as after a restart.
    pub(super) fn start(&self, tasks: &Tasks) {
        let limits = Limits {
            request_timeout_ms: self.options.request_timeout_ms,
            response_bytes_max: RESPONSE_BYTES_MAX,
        };
        let client = Client::new(self.clock.clone(), limits).expect("TLS starts");
        let (acme, beta) = (Arc::clone(&self.account), Arc::clone(&self.beta));
        let accounts: Accounts = Arc::new(move |product: &ProductId| {
            let account = match product.as_str() {
                "acme" => &acme,
                "beta" => &beta,
                _ => return None,
            };
            account.lock().expect("no test panics here").clone()
        });
        let around = Surroundings {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            destinations: vec![Arc::new(Destination::new(client, accounts, 120_000))],
            push: None,
            report: Arc::clone(&self.book) as Arc<dyn Report>,
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            tasks: tasks.clone(),
            metrics: self.metrics.clone(),
            nudge: self.nudge.clone(),
        };
        tasks.spawn("outbox", Outbox::new(around, self.options).run());
    }

    /// Commits a note, as a session would.
    pub(super) async fn queue(&self, id: &str, conversation: &str, text: &str) {
        self.queue_for("acme", id, conversation, text).await;
    }

    /// The same for another product.
    pub(super) async fn queue_for(&self, product: &str, id: &str, conversation: &str, text: &str) {
        let note = NoteBody {
            conversation_id: conversation.into(),
            session_id: "s1".into(),
            text: text.into(),
        };
        let body = serde_json::to_string(&note).expect("a note is JSON");
        let lane = format!("{product}/intercom/{conversation}");
        self.queue_row_for(product, id, &lane, &body).await;
    }

    /// Commits any outbox row of product `acme`.
    pub(super) async fn queue_row(&self, id: &str, lane: &str, body: &str) {
        self.queue_row_for("acme", id, lane, body).await;
    }

    async fn queue_row_for(&self, product: &str, id: &str, lane: &str, body: &str) {
        let delivery = NewDelivery {
            id: id.into(),
            lane: lane.into(),
            body: body.into(),
        };
        let effects = Effects {
            deliveries: vec![delivery],
            ..Effects::default()
        };
        let key = Key::session(&product.into(), &format!("s-{id}").as_str().into());
        let state = StateWrite {
            key,
            base: 0,
            is_restored: false,
            known: None,
            state: Arc::from(&b"{}"[..]),
            settled: None,
            due_ms: None,
            as_of_ms: self.clock.now_ms(),
        };
        let now_ms = self.clock.now_ms();
        let product = product.into();
        commit(
            &self.store,
            &self.chance,
            now_ms,
            &product,
            Some(state),
            effects,
        )
        .await;
        self.nudge.nudge();
    }

    /// Makes whatever waits in a conversation due, as a repeated link does.
    pub(super) async fn retry_now(&self, conversation: &str) {
        let lane = format!("acme/intercom/{conversation}").into();
        let effects = Effects {
            outbox: vec![OutboxChange::RetryNow { lane }],
            ..Effects::default()
        };
        let now_ms = self.clock.now_ms();
        let product = "acme".into();
        commit(&self.store, &self.chance, now_ms, &product, None, effects).await;
        self.nudge.nudge();
    }

    /// Waits until this many deliveries have come to their end; returns all that have, in order.
    pub(super) async fn settled(&self, count: usize) -> Vec<(String, Outcome)> {
        let mut settled = self.book.settled.subscribe();
        let reached = settled.wait_for(|all| all.len() >= count).await;
        reached.expect("the book outlives the test").clone()
    }

    /// Waits until this many attempts ended with `outcome`.
    pub(super) async fn counted(&self, outcome: &str, count: u64) {
        let counter = self.metrics.notes.with_label_values(&["intercom", outcome]);
        while counter.get() < count {
            tokio::task::yield_now().await;
        }
    }

    /// How long until the store would lease again, milliseconds.
    pub(super) async fn pause_ms(&self) -> u64 {
        let next = self
            .store
            .next_delivery_ms(&[])
            .await
            .expect("memory answers");
        next.expect("something waits") - self.clock.now_ms()
    }

    /// Gives the product `beta` a workspace of its own.
    pub(super) async fn open_beta(&self) -> Intercom {
        let intercom = Intercom::start(self.clock.clone(), &self.model, Settings::default())
            .await
            .expect("a local port is free");
        *self.beta.lock().expect("no test panics here") = Some(Account {
            access_token: Settings::default().access_token.into(),
            admin_id: Settings::default().admin_id,
            base_url: intercom.base_url(),
            version: "2.11".to_owned(),
        });
        intercom
    }

    /// Moves time on whenever nothing happens without it, until this many deliveries have come to
    /// their end; calls always end before time moves.
    pub(super) async fn wait_through(&self, count: usize) {
        let timed = self
            .metrics
            .delivery_seconds
            .with_label_values(&["intercom"]);
        while self.book.settled.borrow().len() < count {
            tokio::task::yield_now().await;
            let called = u64::try_from(self.intercom.requests().len()).expect("few calls");
            if timed.get_sample_count() >= called
                && let Some(wake) = self.hand.next_wake()
            {
                self.hand.advance(wake.min(Duration::from_millis(250)));
            }
        }
    }

    /// Moves time to when the store would lease again; returns by how much.
    pub(super) async fn jump(&self) -> u64 {
        let pause_ms = self.pause_ms().await;
        self.advance(pause_ms);
        pause_ms
    }

    /// Moves time.
    pub(super) fn advance(&self, by_ms: u64) {
        self.hand.advance(Duration::from_millis(by_ms));
    }

    /// Changes the product's account.
    pub(super) fn set_account(&self, change: impl FnOnce(&mut Account)) {
        let mut account = self.account.lock().expect("no test panics here");
        change(account.as_mut().expect("the account was not removed"));
    }

    /// Waits until Intercom was called this often.
    pub(super) async fn called(&self, count: usize) {
        self.intercom
            .until(|intercom| intercom.requests().len() >= count)
            .await;
    }

    /// The methods of all calls so far.
    pub(super) fn methods(&self) -> Vec<String> {
        let requests = self.intercom.requests().into_iter();
        requests.map(|request| request.method).collect()
    }

    /// The texts in a conversation, in order.
    pub(super) fn texts(&self, conversation: &str) -> Vec<String> {
        let posts = self.intercom.posts(conversation).into_iter();
        posts.map(|post| post.text).collect()
    }
}

/// Runs a test, and fails it if it hangs.
pub(super) async fn within(test: impl Future<Output = ()>) {
    let limit = Duration::from_secs(30);
    Clock::system()
        .timeout(limit, test)
        .await
        .expect("the test ends in time");
}

/// The outcome of a note that arrived as `part`.
pub(super) fn delivered(part: &str) -> Outcome {
    Outcome::Delivered(Some(PartId::from(part)))
}

async fn commit(
    store: &Memory,
    chance: &Chance,
    now_ms: u64,
    product: &ProductId,
    state: Option<StateWrite>,
    effects: Effects,
) {
    let commit = Commit {
        id: chance.bytes(),
        product: product.clone(),
        now_ms,
        state,
        effects,
        guards: Vec::new(),
    };
    let outcome = store.commit(Arc::new(commit)).await;
    assert!(matches!(outcome, store::Outcome::Committed), "{outcome:?}");
}
