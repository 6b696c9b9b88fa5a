//! Which keys are live, and the way to their mailboxes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::actor::Actor;
use super::keeper;
use super::kept::Kept;
use super::live::{Live, Posted, Roused, Slot};
use crate::chance::Chance;
use crate::clock::{Clock, Instant};
use crate::domain::id::{Key, ProductId};
use crate::domain::log::Effects;
use crate::domain::machine::Machine;
use crate::metrics::Metrics;
use crate::store::{Store, WriterId};
use crate::tasks::Tasks;

/// Bounds on what actors hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most keys live at once; one more puts the least recently used to sleep, of those at rest
    /// without a deadline if there are any. Keys that are worked on may exceed it for a moment.
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

/// What a commit wrote.
#[derive(Debug)]
pub struct Written<'a, M> {
    /// The state as it is now.
    pub state: &'a M,
    /// How many commits have written it, with this one.
    pub version: u64,
    /// What else was written.
    pub effects: &'a Effects,
}

/// Hears of every commit: whose, and what it wrote. It is called before the answer, so it must not wait.
pub type Committed<M> = Box<dyn Fn(&Key, &Written<'_, M>) + Send + Sync>;

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
    /// Whether counters name products, and what is named by them.
    pub product_label: bool,
    /// The settings of a product.
    pub policy: PolicyOf<M>,
    /// Called after each commit, so that feed and outbox look at the store and copies follow it.
    pub committed: Committed<M>,
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
    /// The store may have lost the state. So many at the same time as there are permits.
    Restore(OwnedSemaphorePermit),
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
    /// What this instance signs its commits with: of each key, at most one of them is under way.
    pub(super) writer: WriterId,
    /// The instant from which times among the live keys are counted.
    began: Instant,
    /// Tells the keeper that it has to look sooner.
    pub(super) sooner: Notify,
    strikes: Mutex<HashMap<u64, u32>>,
}

/// How many different panicking inputs are remembered.
const STRIKES_MAX: usize = 1024;

/// How many keys see at the same time whether the store has lost them.
const RESTORED_MAX: usize = 64;

/// How many keys are roused or put to sleep under one lock.
const LOOK_MAX: usize = 64;

impl<M: Machine> Registry<M> {
    /// No key is live yet.
    pub fn new(around: Surroundings<M>, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            began: around.clock.monotonic(),
            writer: around.chance.bytes(),
            around,
            limits,
            live: Mutex::new(Live::new()),
            sooner: Notify::new(),
            strikes: Mutex::new(HashMap::new()),
        }))
    }

    /// What a product wants of its states now.
    pub fn policy(&self, product: &ProductId) -> Arc<M::Policy> {
        (self.0.around.policy)(product)
    }

    /// Gives `input` to the key's state and waits until the outcome is durable. If nobody works on the key, that is
    /// done here: others that ask wait for whoever does, so it must be polled to its end or dropped. The input stays
    /// given when it is dropped.
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
        if let Some(actor) = self.dispatch(key, message)? {
            self.0.around.tasks.here("session", actor.run_first()).await;
        }
        answer.await.unwrap_or(Err(Error::Stopping))
    }

    /// Makes the key look at its deadline.
    pub fn wake(&self, key: &Key) {
        // A full mailbox means the key is live and will look at its deadline anyway.
        if let Ok(Some(actor)) = self.dispatch(key, Message::Wake) {
            self.start(actor);
        }
    }

    /// Has every live key see whether the store has lost its state, and write it again if so.
    pub async fn restore(&self) {
        let keys = self.0.lock().keys();
        let permits = Arc::new(Semaphore::new(RESTORED_MAX));
        for key in keys {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            let message = Message::Restore(permit);
            let posted = self.0.lock().post(&key, message, self.0.limits.mailbox_max);
            // Whoever has so much mail notices by itself, and who is no longer live has nothing to restore.
            if let Posted::Roused(roused) = posted {
                self.start(self.actor(roused));
            }
        }
    }

    /// Lets go of whatever is held of the key. An actor that works on it lets go before it takes its
    /// next mail, and reads the store.
    pub fn forget(&self, key: &Key) {
        let forgotten = self.0.lock().forget(key);
        if forgotten.is_some() {
            self.0.passivated("erased");
        }
    }

    /// How many keys are live.
    pub fn live(&self) -> usize {
        self.0.lock().len()
    }

    /// Gives `message` to the key, and answers the actor that is to run now if none works on it. Whether one does is
    /// seen, and the message put, under the lock under which an actor's last look and its end are one.
    fn dispatch(&self, key: &Key, message: Message<M>) -> Result<Option<Actor<M>>, Error> {
        let inner = &self.0;
        let mut live = inner.lock();
        let (roused, _evicted) = match live.post(key, message, inner.limits.mailbox_max) {
            Posted::Waits => return Ok(None),
            Posted::Full => {
                inner.around.metrics.mailbox_full.inc();
                return Err(Error::Overloaded);
            }
            Posted::Roused(roused) => (roused, Vec::new()),
            Posted::Unlisted(message) => {
                let evicted = inner.make_room(&mut live, 1);
                let key = Arc::new(key.clone());
                live.list(Arc::clone(&key), message);
                inner.around.metrics.sessions_live.inc();
                let kept = Kept::new(&inner.around.clock);
                (Roused { key, kept }, evicted)
            }
        };
        drop(live);
        Ok(Some(self.actor(roused)))
    }

    /// Whoever works on a key that was roused. Never dropped under the lock: it lists itself out then.
    fn actor(&self, roused: Roused<M>) -> Actor<M> {
        Actor::new(self.clone(), roused.key, roused.kept)
    }

    /// Has an actor work in a task of its own.
    fn start(&self, actor: Actor<M>) {
        self.0.around.tasks.spawn("session", actor.run());
    }

    /// Puts a key without mail to rest, until its alarm rings if it has a deadline, and sees to it that
    /// the keeper looks in time.
    pub(super) fn rest(
        &self,
        mut live: MutexGuard<'_, Live<M>>,
        key: &Arc<Key>,
        kept: Box<Kept<M>>,
    ) {
        let inner = &self.0;
        let due = kept.alarm.rings_at().map(|at| at.since(inner.began));
        let idle = inner.now().saturating_add(inner.limits.idle);
        live.rest(key, kept, due, idle);
        let _evicted = inner.make_room(&mut live, 0);
        let planned = live.next_look;
        let Some(first) = live.first() else { return };
        if planned.is_some_and(|planned| planned <= first) {
            return;
        }
        live.next_look = Some(first);
        drop(live);
        match planned {
            Some(_) => inner.sooner.notify_one(),
            None => {
                let keeper = keeper::run(self.clone());
                inner.around.tasks.spawn("sessions at rest", keeper);
            }
        }
    }

    /// Rouses whose deadline has come, and puts to sleep who was idle for long enough. Answers when to
    /// look next, at once if there is more than is done under one lock; `None` when nobody rests any more.
    pub(super) fn look(&self) -> Option<Instant> {
        let inner = &self.0;
        let (mut due, mut idle) = (Vec::new(), Vec::new());
        let mut live = inner.lock();
        let now = inner.now();
        while due.len() + idle.len() < LOOK_MAX {
            if let Some(roused) = live.rouse_due(now) {
                due.push(roused);
            } else if let Some(slot) = live.remove_idle(now) {
                inner.passivated("idle");
                idle.push(slot);
            } else {
                break;
            }
        }
        live.next_look = live.first();
        let next = live.next_look.map(|at| inner.began.after(at));
        drop(live);
        for roused in due {
            self.start(self.actor(roused));
        }
        next
    }
}

impl<M: Machine> Inner<M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Live<M>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the registry began.
    fn now(&self) -> Duration {
        self.around.clock.since(self.began)
    }

    /// Removes keys at rest until there is room for `more`. Keys that are worked on stay: there are no
    /// more of them than requests, deliveries and deadlines under way. One with a deadline does not go
    /// for their sake, because they are about to rest, but only once such keys alone are too many.
    fn make_room(&self, live: &mut Live<M>, more: usize) -> Vec<Slot<M>> {
        let mut removed = Vec::new();
        while live.len() + more > self.limits.live_max {
            let due_max = self.limits.live_max.saturating_sub(more);
            let Some(slot) = live.remove_one(due_max) else {
                break;
            };
            self.passivated("pressure");
            removed.push(slot);
        }
        removed
    }

    /// Removes a key that was forgotten while its actor worked.
    pub(super) fn end(&self, mut live: MutexGuard<'_, Live<M>>, key: &Key) {
        live.remove(key);
        self.passivated("erased");
    }

    /// Removes a key whose actor has ended before its work.
    pub(super) fn abandon(&self, key: &Key) {
        let abandoned = self.lock().remove(key);
        if abandoned.is_some() {
            self.around.metrics.sessions_live.dec();
        }
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
