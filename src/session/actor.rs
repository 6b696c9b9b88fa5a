//! The loop: wait, decide, commit, act, answer.

use std::sync::Arc;

use super::alarm::Bell;
use super::asker::{Asker, answer, refuse};
use super::decision::{Base, Scene, Work, decide};
use super::kept::Kept;
use super::registry::{Error, Inner, Message, Registry};
use super::write::Fate;
use crate::domain::id::Key;
use crate::domain::machine::{Facts, Machine};
use crate::domain::time::seconds;
use crate::store::{self, Store};

/// How often a decision is made again because someone else was faster.
const CONFLICTS_MAX: u32 = 32;

/// How often a state may ask for more facts: one round finds who waits, the next what they want.
const FACT_ROUNDS_MAX: u32 = 4;

/// Works on one key, for as long as there is work.
pub(super) struct Actor<M: Machine> {
    pub(super) registry: Registry<M>,
    pub(super) key: Arc<Key>,
    pub(super) kept: Box<Kept<M>>,
    /// Its key rests or is no longer live, and is nobody's or somebody else's by now.
    is_over: bool,
}

enum Event<M: Machine> {
    Mail(Vec<Message<M>>),
    Deadline,
}

enum Failure {
    Store(store::Error),
    Panicked,
}

impl<M: Machine> Drop for Actor<M> {
    fn drop(&mut self) {
        if !self.is_over {
            // A panic of its own, or a stop that waits for nobody: the next message finds a new actor,
            // because the truth is in the store.
            self.inner().abandon(&self.key);
        }
    }
}

impl<M: Machine> Actor<M> {
    pub(super) fn new(registry: Registry<M>, key: Arc<Key>, kept: Box<Kept<M>>) -> Self {
        Self {
            registry,
            key,
            kept,
            is_over: false,
        }
    }

    /// Works until the key rests.
    pub(super) async fn run(mut self) {
        while let Some(event) = self.next_event() {
            self.take(event).await;
        }
    }

    /// Works until the first mail is settled, which is what the key was roused for. Whatever came meanwhile keeps
    /// nobody waiting who has an answer.
    pub(super) async fn run_first(mut self) {
        let mut is_settled = false;
        while let Some(event) = self.next_event() {
            if is_settled {
                let registry = self.registry.clone();
                return registry.0.around.tasks.spawn("session", async move {
                    self.take(event).await;
                    self.run().await;
                });
            }
            is_settled = matches!(event, Event::Mail(_));
            self.take(event).await;
        }
    }

    async fn take(&mut self, event: Event<M>) {
        // In boxes: a task is moved several times until it starts, and should be small.
        match event {
            Event::Mail(batch) => Box::pin(self.take_mail(batch)).await,
            Event::Deadline => Box::pin(self.take_deadline()).await,
        }
    }

    fn inner(&self) -> &Inner<M> {
        &self.registry.0
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.inner().around.store
    }

    /// Mail first, then the deadline; `None` when neither waits, and then the key rests. That is seen
    /// and done under one lock, so that no mail slips in between.
    fn next_event(&mut self) -> Option<Event<M>> {
        let registry = self.registry.clone();
        let Inner { around, limits, .. } = &*registry.0;
        let mut live = registry.0.lock();
        let mut slot = live.slot(&self.key);
        let is_forgotten = slot.as_mut().is_some_and(|slot| slot.is_forgotten());
        if is_forgotten {
            self.kept = Kept::new(&around.clock);
        }
        let bell = self.kept.alarm.bell();
        if bell == Bell::RingsEarly {
            return Some(Event::Deadline);
        }
        if let Some(batch) = slot.and_then(|slot| slot.take_mail(limits.batch_max)) {
            return Some(Event::Mail(batch));
        }
        if bell == Bell::Rings {
            return Some(Event::Deadline);
        }
        self.is_over = true;
        if is_forgotten {
            registry.0.end(live, &self.key);
        } else {
            let kept = std::mem::replace(&mut self.kept, Kept::new(&around.clock));
            registry.rest(live, &self.key, kept);
        }
        None
    }

    async fn take_mail(&mut self, batch: Vec<Message<M>>) {
        let mut inputs = Vec::with_capacity(batch.len());
        let mut askers = Vec::with_capacity(batch.len());
        let mut permits = Vec::new();
        for message in batch {
            match message {
                Message::Input {
                    input,
                    correlation_id,
                    reply,
                } => {
                    askers.push(Asker::new(&input, reply));
                    inputs.push((input, correlation_id));
                }
                Message::Restore(permit) => permits.push(permit),
                Message::Wake => {}
            }
        }
        if inputs.is_empty() {
            return Box::pin(self.look_again(!permits.is_empty())).await;
        }
        let work = Work::Inputs(inputs);
        match self.settle(&work).await {
            Ok(replies) => answer(askers, replies),
            Err(Failure::Store(error)) => refuse(askers, &Error::NotWritten(error)),
            Err(Failure::Panicked) => Box::pin(self.take_apart(work, askers)).await,
        }
    }

    /// Compares what is cached with what the store has.
    async fn look_again(&mut self, is_restoring: bool) {
        let looked = if !is_restoring {
            // What is cached has no such deadline, or the alarm would have rung: another instance has written
            // it since. Reading it is all that a wake needs: the loop then sees the deadline.
            self.kept.cached = None;
            self.load().await
        } else if self.kept.cached.is_some() {
            match self.settle(&Work::Inputs(Vec::new())).await {
                Err(Failure::Store(error)) => Err(error),
                Ok(_) | Err(Failure::Panicked) => Ok(()),
            }
        } else {
            Ok(())
        };
        if let Err(error) = looked {
            tracing::warn!(key = %self.key, %error, "a state could not be read");
        }
    }

    /// After a panic each input is tried alone, so that only the one that panics is refused.
    async fn take_apart(&mut self, work: Work<M>, askers: Vec<Asker<M>>) {
        let Work::Inputs(inputs) = work else { return };
        let alone = inputs.len() == 1;
        for (input, asker) in inputs.into_iter().zip(askers) {
            let debug = format!("{:?}", input.0);
            let result = if alone {
                Err(Failure::Panicked)
            } else {
                self.settle(&Work::Inputs(vec![input])).await
            };
            match result {
                Ok(replies) => answer(vec![asker], replies),
                Err(Failure::Store(error)) => refuse(vec![asker], &Error::NotWritten(error)),
                Err(Failure::Panicked) => {
                    let error = self.strike(asker.fingerprint, &debug).await;
                    refuse(vec![asker], &error);
                }
            }
        }
    }

    async fn strike(&self, fingerprint: u64, input: &str) -> Error {
        if self.inner().strike(fingerprint) < 2 {
            return Error::Panicked;
        }
        let now_ms = self.inner().around.clock.now_ms();
        let parked = self
            .store()
            .park(&self.key, now_ms, "handling it panicked twice", input);
        match parked.await {
            Ok(()) => {
                self.inner().around.metrics.parked.inc();
                Error::Parked
            }
            Err(error) => Error::NotWritten(error),
        }
    }

    async fn take_deadline(&mut self) {
        if let Err(failure) = self.settle(&Work::Deadline).await {
            self.kept.alarm.refuse();
            if let Failure::Store(error) = failure {
                tracing::debug!(key = %self.key, %error, "a deadline waits for the store");
            }
        }
    }

    /// Decides and commits, again on a newer state as often as someone else was faster.
    async fn settle(&mut self, work: &Work<M>) -> Result<Vec<M::Reply>, Failure> {
        let registry = self.registry.clone();
        let around = &registry.0.around;
        let policy = (around.policy)(&self.key.product);
        // A deadline is served at its own time at the earliest, even if the wall clock was set back.
        let earliest_ms = match work {
            Work::Deadline => self.kept.alarm.due_ms(),
            Work::Inputs(_) => 0,
        };
        for conflicts in 0..CONFLICTS_MAX {
            self.load().await.map_err(Failure::Store)?;
            let read = around.clock.monotonic();
            let now_ms = around.clock.now_ms();
            let as_of_ms = now_ms.max(earliest_ms);
            let facts = self
                .gather(work, &policy, as_of_ms)
                .await
                .map_err(Failure::Store)?;
            let cached = self.kept.cached.take();
            let cached = cached.expect("loading fills the cache or fails");
            let mut base = Base {
                standing: cached.standing,
                is_lost: false,
            };
            let spare = around.store.may_forget().then(|| cached.state.clone());
            let mut new_id = || around.chance.id(now_ms);
            let scene = Scene {
                state: cached.state,
                policy: &*policy,
                facts,
                as_of_ms,
                new_id: &mut new_id,
            };
            let mut decided = decide(scene, work);
            let written = loop {
                let Ok(decision) = decided else {
                    around.metrics.panics.inc();
                    tracing::error!(key = %self.key, "handling an input panicked");
                    self.kept.alarm.follow(None, now_ms, read);
                    return Err(Failure::Panicked);
                };
                match self.write(decision, base, now_ms, spare.as_deref()).await {
                    Ok(Fate::Lost(decision)) => {
                        base.is_lost = true;
                        decided = decision.restored(&policy, &mut new_id);
                    }
                    Ok(written) => break written,
                    Err(error) => {
                        if let Some(spare) = spare {
                            self.kept.keep(spare, base.standing);
                        }
                        return Err(Failure::Store(error));
                    }
                }
            };
            self.kept.set_alarm(as_of_ms, read);
            if let Fate::Down(replies) = written {
                return Ok(replies);
            }
            if conflicts > 0 {
                around.metrics.conflicts_repeated.inc();
            }
        }
        let text = format!("{CONFLICTS_MAX} commits in a row came too late");
        Err(Failure::Store(store::Error::Backend(text.into())))
    }

    async fn gather(
        &self,
        work: &Work<M>,
        policy: &M::Policy,
        as_of_ms: u64,
    ) -> Result<Facts, store::Error> {
        let mut facts = Facts::default();
        let (Work::Inputs(inputs), Some(cached)) = (work, &self.kept.cached) else {
            return Ok(facts);
        };
        let now = seconds(as_of_ms);
        for _ in 0..FACT_ROUNDS_MAX {
            let mut keys: Vec<_> = inputs
                .iter()
                .flat_map(|(input, _)| cached.state.wants(input, &facts, policy, now))
                .collect();
            keys.sort();
            keys.dedup();
            if keys.is_empty() {
                break;
            }
            let values = self
                .store()
                .index(&self.key.product, &keys, as_of_ms)
                .await?;
            for (key, value) in keys.into_iter().zip(values) {
                facts.learn(key, value);
            }
        }
        Ok(facts)
    }
}
