//! Who is live: who works, who rests, and until when.
//!
//! A key at rest is its state and a place in one of two queues. It has no task, no timer and no mailbox:
//! most live keys rest most of the time, and those three would take more memory than the state does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::kept::Kept;
use super::registry::Message;
use crate::domain::id::Key;
use crate::domain::machine::Machine;

/// A time on the registry's scale, and a number that keeps the places of one time apart and in order.
type Place = (Duration, u64);

/// Places for keys that are kept when nobody is live.
const PLACES_MIN: usize = 1024;

/// Keys at rest, by their places.
type Queue = BTreeMap<Place, Arc<Key>>;

/// The live keys of a registry. Times are durations since the registry began.
pub(super) struct Live<M: Machine> {
    slots: HashMap<Arc<Key>, Slot<M>>,
    /// Who rests with a deadline, by its time.
    due: Queue,
    /// Who rests without one, by the time of going to sleep: the least recently used comes first.
    idle: Queue,
    places: u64,
    /// When the keeper looks next; `None` while no keeper runs.
    pub(super) next_look: Option<Duration>,
}

/// A live key.
pub(super) struct Slot<M: Machine> {
    /// What waits for the actor. A key at rest has none.
    mail: Vec<Message<M>>,
    /// `None` while an actor works on the key.
    resting: Option<Box<Kept<M>>>,
    /// The actor that works on the key is to let go of the state that it holds.
    is_forgotten: bool,
}

/// What a key at rest waits for besides mail.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Due(Place),
    Idle(Place),
}

/// A key that has just left its place; an actor must be started for it.
pub(super) struct Roused<M: Machine> {
    pub(super) key: Arc<Key>,
    pub(super) kept: Box<Kept<M>>,
}

/// What became of a message.
pub(super) enum Posted<M: Machine> {
    /// An actor works on the key and will take it.
    Waits,
    /// It waits for the actor that is now to be started.
    Roused(Roused<M>),
    /// As many wait as may.
    Full,
    /// The key is not live; here is the message.
    Unlisted(Message<M>),
}

impl<M: Machine> Slot<M> {
    /// Takes what waits for the actor that works on the key, at most `batch_max` messages; `None` if nothing
    /// does.
    pub(super) fn take_mail(&mut self, batch_max: usize) -> Option<Vec<Message<M>>> {
        let mail = &mut self.mail;
        if mail.is_empty() {
            None
        } else if mail.len() <= batch_max {
            Some(std::mem::take(mail))
        } else {
            Some(mail.drain(..batch_max).collect())
        }
    }

    /// Whether the actor that works on the key is to let go of its state; told once.
    pub(super) fn is_forgotten(&mut self) -> bool {
        std::mem::take(&mut self.is_forgotten)
    }
}

impl<M: Machine> Live<M> {
    /// No key is live yet.
    pub(super) fn new() -> Self {
        Self {
            slots: HashMap::new(),
            due: Queue::new(),
            idle: Queue::new(),
            places: 0,
            next_look: None,
        }
    }

    /// How many keys are live.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Who is live.
    pub(super) fn keys(&self) -> Vec<Arc<Key>> {
        self.slots.keys().map(Arc::clone).collect()
    }

    /// Gives a message to a live key, where at most `mailbox_max` may wait.
    pub(super) fn post(&mut self, key: &Key, message: Message<M>, mailbox_max: usize) -> Posted<M> {
        let Some(slot) = self.slots.get_mut(key) else {
            return Posted::Unlisted(message);
        };
        if slot.mail.len() >= mailbox_max {
            return Posted::Full;
        }
        slot.mail.push(message);
        let resting = slot.resting.take();
        let roused = resting.and_then(|kept| self.leave(kept));
        roused.map_or(Posted::Waits, Posted::Roused)
    }

    /// Lists a key that an actor works on from now.
    pub(super) fn list(&mut self, key: Arc<Key>, message: Message<M>) {
        let slot = Slot {
            mail: vec![message],
            resting: None,
            is_forgotten: false,
        };
        self.slots.insert(key, slot);
    }

    /// The slot of a live key.
    pub(super) fn slot(&mut self, key: &Key) -> Option<&mut Slot<M>> {
        self.slots.get_mut(key)
    }

    /// Puts a key without mail to rest until its deadline `due`, or else until it goes to sleep at `idle`.
    pub(super) fn rest(
        &mut self,
        key: &Arc<Key>,
        mut kept: Box<Kept<M>>,
        due: Option<Duration>,
        idle: Duration,
    ) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        self.places += 1;
        let place = (due.unwrap_or(idle), self.places);
        let (queue, until) = match due {
            Some(_) => (&mut self.due, Until::Due(place)),
            None => (&mut self.idle, Until::Idle(place)),
        };
        queue.insert(place, Arc::clone(key));
        kept.until = Some(until);
        slot.resting = Some(kept);
    }

    /// Rouses the key whose deadline comes first, if it has come by `now`.
    pub(super) fn rouse_due(&mut self, now: Duration) -> Option<Roused<M>> {
        let (place, key) = self.due.first_key_value()?;
        if place.0 > now {
            return None;
        }
        let kept = self.slots.get_mut(key)?.resting.take()?;
        self.leave(kept)
    }

    /// Removes the key that goes to sleep first, if its time has come by `now`.
    pub(super) fn remove_idle(&mut self, now: Duration) -> Option<Slot<M>> {
        let ((at, _), _) = self.idle.first_key_value()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.idle.pop_first()?;
        let slot = self.slots.remove(&key);
        // Whoever is asleep leaves nothing behind, not even an empty place in the table.
        let places = self.slots.capacity();
        if places > PLACES_MIN && self.slots.len() < places / 4 {
            self.slots.shrink_to(places / 2);
        }
        slot
    }

    /// Removes the least recently used key without a deadline; or else, while more than `due_max` rest
    /// with one, the one whose deadline is furthest away. A key that an actor works on stays.
    pub(super) fn remove_one(&mut self, due_max: usize) -> Option<Slot<M>> {
        let gone = match self.idle.pop_first() {
            None if self.due.len() > due_max => self.due.pop_last(),
            idle => idle,
        };
        self.slots.remove(&gone?.1)
    }

    /// Removes a key at rest; has the actor let go of one that it works on.
    pub(super) fn forget(&mut self, key: &Key) -> Option<Slot<M>> {
        let slot = self.slots.get_mut(key)?;
        match slot.resting.take() {
            Some(kept) => {
                self.leave(kept);
                self.slots.remove(key)
            }
            None => {
                slot.is_forgotten = true;
                None
            }
        }
    }

    /// Removes a key whose actor has ended, with the mail that nobody will take.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Slot<M>> {
        self.slots.remove(key)
    }

    /// When the first key at rest is to be looked at.
    pub(super) fn first(&self) -> Option<Duration> {
        let due = self.due.first_key_value();
        let idle = self.idle.first_key_value();
        due.into_iter().chain(idle).map(|(place, _)| place.0).min()
    }

    /// Takes a key that no longer rests out of its queue.
    fn leave(&mut self, mut kept: Box<Kept<M>>) -> Option<Roused<M>> {
        let key = match kept.until.take()? {
            Until::Due(place) => self.due.remove(&place),
            Until::Idle(place) => self.idle.remove(&place),
        };
        key.map(|key| Roused { key, kept })
    }
}
