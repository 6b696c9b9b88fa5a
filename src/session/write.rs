//! From a decision to the store: commit, act, and what it means when somebody was faster or the store has lost
//! what the decision was made on.

use std::sync::Arc;

use super::act::{self, act};
use super::actor::Actor;
use super::decision::{Base, Decision};
use super::kept::Standing;
use crate::domain::machine::{Encoded, Machine};
use crate::store::{self, CommitId, Outcome, Stored, commit_id};

/// How often a commit is repeated whose answer was lost.
const REPEATS_MAX: u32 = 5;

/// What became of a decision.
pub(super) enum Fate<M: Machine> {
    /// It is written down; what its inputs led to.
    Down(Vec<M::Reply>),
    /// Someone was faster: it must be made again.
    Late,
    /// The store has lost what it was made on.
    Lost(Box<Decision<M>>),
}

impl<M: Machine> Actor<M> {
    /// Writes a decision down and acts on it. `spare` is the state on which it was made, where that is kept.
    pub(super) async fn write(
        &mut self,
        mut decision: Box<Decision<M>>,
        base: Base,
        now_ms: u64,
        spare: Option<&M>,
    ) -> Result<Fate<M>, store::Error> {
        let around = &self.registry.0.around;
        let count = |outcome: &str| around.metrics.commits.with_label_values(&[outcome]).inc();
        let losses = around.store.losses();
        let is_idle = decision.effects.is_unwritten();
        let before = base.standing;
        if is_idle && self.has(before.version, &decision.encoded).await {
            count("unchanged");
            act::count(&self.registry.0, &self.key, &decision.effects.tallies);
            let standing = Standing { losses, ..before };
            self.kept.keep(decision.state, standing);
            return Ok(Fate::Down(decision.replies));
        }
        let id = commit_id(self.registry.0.writer, around.chance.bytes());
        let commit = Arc::new(decision.commit(&self.key, base, now_ms, id));
        let began = around.clock.monotonic();
        let outcome = self.commit_once(&commit).await;
        let took = around.clock.since(began);
        around.metrics.commit_seconds.observe(took.as_secs_f64());
        match outcome {
            Outcome::Committed => {
                count(if base.is_lost {
                    "restored"
                } else {
                    "committed"
                });
                self.act(&decision, before.version, &commit);
                let standing = base.after(&commit.effects, losses);
                self.kept.keep(decision.state, standing);
                Ok(Fate::Down(decision.replies))
            }
            Outcome::Conflict(newer) if remembers(newer.as_ref(), &commit.id) => {
                count("committed");
                self.act(&decision, before.version, &commit);
                Box::pin(self.adopt(newer, losses, None)).await?;
                Ok(Fate::Down(decision.replies))
            }
            Outcome::Conflict(newer) if self.is_lost(base, newer.as_ref()) => {
                decision.effects = commit.effects.clone();
                Ok(Fate::Lost(decision))
            }
            Outcome::Conflict(newer) => {
                count("conflict");
                let known = spare.map(|state| (state, before));
                Box::pin(self.adopt(newer, losses, known)).await?;
                Ok(Fate::Late)
            }
            Outcome::NotWritten(error) => {
                count("not_written");
                Err(error)
            }
            Outcome::Unknown(error) => {
                count("unknown");
                Err(error)
            }
        }
    }

    fn act(&self, decision: &Decision<M>, base: u64, commit: &store::Commit) {
        act(&self.registry.0, &self.key, &decision.written(base, commit));
    }

    /// Whether the store has lost what a decision was made on, and nobody has given it anything newer since. A
    /// version that is missing without a loss was removed by somebody, and stays away.
    fn is_lost(&self, base: Base, newest: Option<&Stored>) -> bool {
        let found = newest.map_or(0, |stored| stored.version);
        let Standing {
            version, losses, ..
        } = base.standing;
        !base.is_lost && found < version && self.store().losses() > losses
    }

    /// Whether the store holds just these bytes, so that writing them again would change nothing.
    async fn has(&self, version: u64, encoded: &Encoded) -> bool {
        let is_same = |stored: Stored| {
            stored.version == version && stored.state == encoded.state && encoded.settled.is_none()
        };
        let stored = self.store().load(&self.key).await;
        stored.ok().flatten().is_some_and(is_same)
    }

    /// Commits, repeating the same commit while its answer gets lost.
    async fn commit_once(&self, commit: &Arc<store::Commit>) -> Outcome {
        let mut outcome = self.store().commit(Arc::clone(commit)).await;
        for _ in 0..REPEATS_MAX {
            if !matches!(outcome, Outcome::Unknown(_)) {
                break;
            }
            outcome = match self.store().commit(Arc::clone(commit)).await {
                // That a repetition is refused says nothing about the attempt before it.
                Outcome::NotWritten(error) => return Outcome::Unknown(error),
                told => told,
            };
        }
        outcome
    }
}

fn remembers(stored: Option<&Stored>, id: &CommitId) -> bool {
    stored.is_some_and(|stored| stored.commits.contains(id))
}
