//! Which keys are live, and the way to their mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::actor::Actor;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::id::{Key, ProductId};
use crate::domain::log::Effects;
use crate::domain::machine::Machine;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tasks::Tasks;

/// Bounds on what actors hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most keys live at once; one more puts the least recently used to sleep.
    pub live_max: usize,
    /// The most inputs waiting for one key; one more is refused.
    pub mailbox_max: usize,
    /// The most inputs in one commit.
    pub batch_max: usize,
    /// A key without mail or deadline goes to sleep after this long.
    pub idle: Duration,
}

/// Looks up the settings of a product.
pub type PolicyOf<M> = Box<dyn Fn(&ProductId) -> Arc<<M as Machine>::Policy> + Send + Sync>;

/// Hears of every commit: whose, and what it wrote.
pub type Committed = Box<dyn Fn(&Key, &Effects) + Send + Sync>;

/// What actors need from the outside.
pub struct Surroundings<M: Machine> {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Clock,
    /// Identifiers.
    pub chance: Chance,
    /// Spawning and stopping.
    pub tasks: Tasks,
    /// Counters.
    pub metrics: Metrics,
    /// The settings of a product.
    pub policy: PolicyOf<M>,
    /// Called after each commit, so that feed and outbox look at the store.
    pub committed: Committed,
}

/// Why an input was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The key's mailbox is full.
    #[error("too many requests wait for this session")]
    Overloaded,
    /// The store did not take the commit; nothing happened.
    #[error("the store did not take the commit")]
    NotWritten(#[source] crate::store::Error),
    /// Handling the input panicked; nothing happened.
    #[error("the input could not be handled")]
    Panicked,
    /// Handling the input panicked again; it is kept as a dead letter.
    #[error("the input could not be handled and was set aside")]
    Parked,
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// What lies in a mailbox.
pub(super) enum Message<M: Machine> {
    /// Something happened.
    Input {
        input: M::Input,
        correlation_id: Arc<str>,
        reply: oneshot::Sender<Result<M::Reply, Error>>,
    },
    /// The deadline may have passed while nobody was live.
    Wake,
}

/// The way to every key's actor. Cheap to clone.
pub struct Registry<M: Machine>(pub(super) Arc<Inner<M>>);

impl<M: Machine> Clone for Registry<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub(super) struct Inner<M: Machine> {
    pub(super) around: Surroundings<M>,
    pub(super) limits: Limits,
    live: Mutex<Live<M>>,
    strikes: Mutex<HashMap<u64, u32>>,
}

struct Live<M: Machine> {
    slots: HashMap<Key, Slot<M>>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

struct Slot<M: Machine> {
    mailbox: mpsc::Sender<Message<M>>,
    used: u64,
    started: u64,
}

/// How many different panicking inputs are remembered.
const STRIKES_MAX: usize = 1024;

impl<M: Machine> Registry<M> {
    /// No key is live yet.
    pub fn new(around: Surroundings<M>, limits: Limits) -> Self {
        let live = Live {
            slots: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        };
        Self(Arc::new(Inner {
            around,
            limits,
            live: Mutex::new(live),
            strikes: Mutex::new(HashMap::new()),
        }))
    }

    /// Gives `input` to the key's state and waits until the outcome is durable.
    pub async fn ask(
        &self,
        key: &Key,
        input: M::Input,
        correlation_id: Arc<str>,
    ) -> Result<M::Reply, Error> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Input {
            input,
            correlation_id,
            reply,
        };
        self.dispatch(key, message)?;
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// Makes the key look at its deadline.
    pub fn wake(&self, key: &Key) {
        // A full mailbox means the key is live and will look at its deadline anyway.
        let _ = self.dispatch(key, Message::Wake);
    }

    /// How many keys are live.
    pub fn live(&self) -> usize {
        self.0.lock().slots.len()
    }

    fn dispatch(&self, key: &Key, message: Message<M>) -> Result<(), Error> {
        let inner = &self.0;
        let mut live = inner.lock();
        live.uses += 1;
        let now = live.uses;
        if let Some(slot) = live.slots.get_mut(key) {
            let before = std::mem::replace(&mut slot.used, now);
            let sent = slot.mailbox.try_send(message);
            live.by_use.remove(&before);
            live.by_use.insert(now, key.clone());
            return inner.sent(sent);
        }
        if live.slots.len() >= inner.limits.live_max {
            inner.evict(&mut live);
        }
        let (mailbox, mail) = mpsc::channel(inner.limits.mailbox_max);
        let sent = mailbox.try_send(message);
        let slot = Slot {
            mailbox,
            used: now,
            started: now,
        };
        live.slots.insert(key.clone(), slot);
        live.by_use.insert(now, key.clone());
        inner.around.metrics.sessions_live.inc();
        let actor = Actor::new(self.clone(), key.clone(), mail, now);
        inner.around.tasks.spawn("session", actor.run());
        inner.sent(sent)
    }
}

impl<M: Machine> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, Live<M>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self, sent: Result<(), mpsc::error::TrySendError<Message<M>>>) -> Result<(), Error> {
        sent.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.around.metrics.mailbox_full.inc();
                Error::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => Error::Stopping,
        })
    }

    /// Forgets the least recently used key. Its actor finishes the mail it has and ends; should the
    /// key be needed meanwhile, a second actor starts, and the store keeps the two apart.
    fn evict(&self, live: &mut Live<M>) {
        if let Some((_, key)) = live.by_use.pop_first() {
            live.slots.remove(&key);
            self.passivated("pressure");
        }
    }

    /// Ends the actor that was started as `started`, unless mail has arrived. Mail is sent under the
    /// same lock, so none can slip in between.
    pub(super) fn retire(
        &self,
        key: &Key,
        started: u64,
        mail: &mpsc::Receiver<Message<M>>,
    ) -> bool {
        let mut live = self.lock();
        if !mail.is_empty() {
            return false;
        }
        if let Some(slot) = live.slots.get(key).filter(|slot| slot.started == started) {
            let used = slot.used;
            live.slots.remove(key);
            live.by_use.remove(&used);
            self.passivated("idle");
        }
        true
    }

    fn passivated(&self, reason: &str) {
        self.around.metrics.sessions_live.dec();
        let counter = &self.around.metrics.sessions_passivated;
        counter.with_label_values(&[reason]).inc();
    }

    /// Counts a panic of the input with this fingerprint; returns how often it has panicked.
    pub(super) fn strike(&self, fingerprint: u64) -> u32 {
        let mut strikes = self.strikes.lock().unwrap_or_else(PoisonError::into_inner);
        if strikes.len() >= STRIKES_MAX {
            strikes.clear();
        }
        let count = strikes.entry(fingerprint).or_insert(0);
        *count += 1;
        *count
    }
}
