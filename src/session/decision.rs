//! One decision: a state and its inputs in, everything that is to be written out. No waiting, no
//! store; whatever it needs was read before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use uuid::Uuid;

use super::kept::Standing;
use super::registry::Written;
use crate::domain::id::{DeliveryId, Key};
use crate::domain::log::Effects;
use crate::domain::machine::{Encoded, Facts, Machine, Moment};
use crate::domain::time::seconds;
use crate::store::{Commit, CommitId, Guard, StateWrite};

/// What an actor decides about.
pub(super) enum Work<M: Machine> {
    /// Inputs with their correlation ids, in order.
    Inputs(Vec<(M::Input, Arc<str>)>),
    /// The deadline has passed.
    Deadline,
}

/// The outcome of deciding, not yet written.
pub(super) struct Decision<M: Machine> {
    pub(super) state: Box<M>,
    pub(super) encoded: Encoded,
    pub(super) replies: Vec<M::Reply>,
    pub(super) effects: Effects,
    pub(super) facts: Facts,
    pub(super) as_of_ms: u64,
}

/// What a decision may look at.
pub(super) struct Scene<'a, M: Machine> {
    pub(super) state: Box<M>,
    pub(super) policy: &'a M::Policy,
    pub(super) facts: Facts,
    pub(super) as_of_ms: u64,
    pub(super) new_id: &'a mut dyn FnMut() -> Uuid,
}

/// The pure state panicked.
pub(super) struct Panicked;

/// Runs `work` on the state. A panic takes the state with it: the store has it still.
pub(super) fn decide<M: Machine>(
    scene: Scene<'_, M>,
    work: &Work<M>,
) -> Result<Box<Decision<M>>, Panicked> {
    catch_unwind(AssertUnwindSafe(|| Box::new(run(scene, work)))).map_err(|_| Panicked)
}

fn run<M: Machine>(scene: Scene<'_, M>, work: &Work<M>) -> Decision<M> {
    let Scene {
        mut state,
        policy,
        mut facts,
        as_of_ms,
        new_id,
    } = scene;
    let now = seconds(as_of_ms);
    let mut effects = Effects::default();
    let mut new_delivery = || DeliveryId::from(new_id().to_string());
    let mut replies = Vec::new();
    let mut moment = Moment {
        now,
        policy,
        facts: &mut facts,
        effects: &mut effects,
        correlation_id: Arc::from("timer"),
        new_id: &mut new_delivery,
    };
    // What was due before the inputs arrived comes first, however busy the mailbox is and wherever the
    // state slept meanwhile. A deadline that somebody else has served by now is not served again.
    if state.deadline().is_some_and(|due| due <= now) {
        state.on_deadline(&mut moment);
    }
    if let Work::Inputs(inputs) = work {
        for (input, correlation_id) in inputs {
            moment.correlation_id = Arc::clone(correlation_id);
            replies.push(state.handle(input.clone(), &mut moment));
        }
    }
    Decision {
        encoded: state.encode(),
        state,
        replies,
        effects,
        facts,
        as_of_ms,
    }
}

/// What a decision was made on, as far as the store is concerned.
#[derive(Clone, Copy)]
pub(super) struct Base {
    /// As it was read or written last.
    pub(super) standing: Standing,
    /// Whether the store has lost it since.
    pub(super) is_lost: bool,
}

impl Base {
    /// Where it stands once a commit with these effects has been written on it.
    pub(super) fn after(&self, effects: &Effects, losses: u64) -> Standing {
        // How long the log is that the store has kept, nobody knows.
        let known = self.standing.sequence.filter(|_| !self.is_lost);
        Standing {
            version: self.standing.version + 1,
            sequence: known.map(|newest| newest + effects.entries.len() as u64),
            losses,
        }
    }
}

impl<M: Machine> Decision<M> {
    /// The same for a store that has lost what the decision was made on. The facts that it rested on are lost too,
    /// and hold nobody back.
    pub(super) fn restored(
        mut self: Box<Self>,
        policy: &M::Policy,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Box<Self>, Panicked> {
        let restore = move || {
            self.facts = Facts::default();
            let mut new_delivery = || DeliveryId::from(new_id().to_string());
            let mut moment = Moment {
                now: seconds(self.as_of_ms),
                policy,
                facts: &mut self.facts,
                effects: &mut self.effects,
                correlation_id: Arc::from("restore"),
                new_id: &mut new_delivery,
            };
            self.state.restore(&mut moment);
            self.encoded = self.state.encode();
            self
        };
        catch_unwind(AssertUnwindSafe(restore)).map_err(|_| Panicked)
    }

    /// What its commit on version `base` has written.
    pub(super) fn written<'a>(&'a self, base: u64, commit: &'a Commit) -> Written<'a, M> {
        Written {
            state: &self.state,
            version: base + 1,
            effects: &commit.effects,
        }
    }

    /// The commit that writes the decision down at `now_ms`. It takes the effects along.
    pub(super) fn commit(&mut self, key: &Key, base: Base, now_ms: u64, id: CommitId) -> Commit {
        let guards = self.facts.read().map(|(row, value)| Guard::Index {
            key: row.clone(),
            value: value.clone(),
        });
        Commit {
            id,
            product: key.product.clone(),
            now_ms,
            state: Some(StateWrite {
                key: key.clone(),
                base: base.standing.version,
                is_restored: base.is_lost,
                known: base.standing.sequence.filter(|_| self.state.recalls()),
                state: Arc::clone(&self.encoded.state),
                settled: self.encoded.settled.clone(),
                due_ms: self.state.deadline().map(crate::domain::time::to_ms),
                as_of_ms: self.as_of_ms,
            }),
            effects: std::mem::take(&mut self.effects),
            guards: guards.collect(),
        }
    }
}
