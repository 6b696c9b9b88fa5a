//! Which keys are live, and the way to their mailboxes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
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

/// A mailbox holds boxes: it makes room for 32 messages as soon as it exists, and most of the time holds
/// none.
type Mailbox<M> = mpsc::Sender<Box<Message<M>>>;

/// The other end of a [`Mailbox`].
pub(super) type Mail<M> = mpsc::Receiver<Box<Message<M>>>;

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
    mailbox: Mailbox<M>,
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
        self.dispatch(key, Box::new(message))?;
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// Makes the key look at its deadline.
    pub fn wake(&self, key: &Key) {
        // A full mailbox means the key is live and will look at its deadline anyway.
        let _ = self.dispatch(key, Box::new(Message::Wake));
    }

    /// Lets go of whatever is held of the key. Its actor finishes the mail it has and ends; the next
    /// message reads the store.
    pub fn forget(&self, key: &Key) {
        let mut live = self.0.lock();
        if live.slots.contains_key(key) {
            live.remove(key);
            self.0.passivated("erased");
        }
    }

    /// How many keys are live.
    pub fn live(&self) -> usize {
        self.0.lock().slots.len()
    }

    /// Puts `message` into the key's mailbox, starting an actor if none is live. Everything happens
    /// under one lock, so that no mail slips in between an actor's last look and its end.
    fn dispatch(&self, key: &Key, mut message: Box<Message<M>>) -> Result<(), Error> {
        let inner = &self.0;
        let mut live = inner.lock();
        if let Some(slot) = live.slots.get(key) {
            match slot.mailbox.try_send(message) {
                Ok(()) => {
                    live.touch(key);
                    return Ok(());
                }
                Err(TrySendError::Full(_)) => return Err(inner.overloaded()),
                // The actor ended without a word, by a stop or by a fault of its own: a new one
                // takes over, because the truth is in the store.
                Err(TrySendError::Closed(returned)) => {
                    live.remove(key);
                    inner.around.metrics.sessions_live.dec();
                    message = returned;
                }
            }
        }
        if live.slots.len() >= inner.limits.live_max {
            inner.evict(&mut live);
        }
        let (mailbox, mail) = mpsc::channel(inner.limits.mailbox_max);
        let sent = mailbox.try_send(message);
        let started = live.insert(key, mailbox);
        inner.around.metrics.sessions_live.inc();
        let actor = Actor::new(self.clone(), key.clone(), mail, started);
        inner.around.tasks.spawn("session", actor.run());
        sent.map_err(|_| inner.overloaded())
    }
}

impl<M: Machine> Live<M> {
    /// Adds a slot; returns the number of its actor.
    fn insert(&mut self, key: &Key, mailbox: Mailbox<M>) -> u64 {
        self.uses += 1;
        let (used, started) = (self.uses, self.uses);
        let slot = Slot {
            mailbox,
            used,
            started,
        };
        self.slots.insert(key.clone(), slot);
        self.by_use.insert(used, key.clone());
        started
    }

    /// Makes the key one of the most recently used. One that is among the youngest half already
    /// stays where it is: the order matters only at its old end, and every message passes here.
    fn touch(&mut self, key: &Key) {
        self.uses += 1;
        let young = self.slots.len() as u64 / 2;
        if let Some(slot) = self.slots.get_mut(key)
            && self.uses - slot.used > young
        {
            let before = std::mem::replace(&mut slot.used, self.uses);
            self.by_use.remove(&before);
            self.by_use.insert(self.uses, key.clone());
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(slot) = self.slots.remove(key) {
            self.by_use.remove(&slot.used);
        }
    }
}

impl<M: Machine> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, Live<M>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overloaded(&self) -> Error {
        self.around.metrics.mailbox_full.inc();
        Error::Overloaded
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
    pub(super) fn retire(&self, key: &Key, started: u64, mail: &Mail<M>) -> bool {
        let mut live = self.lock();
        if !mail.is_empty() {
            return false;
        }
        let is_own = |slot: &Slot<M>| slot.started == started;
        if live.slots.get(key).is_some_and(is_own) {
            live.remove(key);
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
