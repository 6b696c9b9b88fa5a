//! The commits that wait, and whoever brings them to Redis: as a group, in one run of a script.
//!
//! Running a script costs Redis more than what a commit does in it, and a command costs us more than what it says. So
//! whoever commits takes the **lead**: it lets others come along who have something to write as well, and brings them
//! all. A bounded number of groups is under way, and one gathers; nobody waits for anything else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::commit;
use super::link::Link;
use crate::store::{Commit, Error, Outcome};

/// Where commits wait: one queue for a server, one for each bucket on a cluster.
pub(super) struct Writer {
    queues: Vec<Arc<Queue>>,
    group_max: usize,
}

struct Queue(Mutex<Waiting>);

struct Waiting {
    orders: VecDeque<Order>,
    /// How many more groups may be under way.
    free: usize,
    /// Whether somebody gathers.
    is_led: bool,
}

/// A commit, and who is to be told.
struct Order {
    commit: Arc<Commit>,
    told: oneshot::Sender<Told>,
}

/// What whoever waits is told.
enum Told {
    /// Its commit was part of a group.
    Outcome(Outcome),
    /// It brings its commit itself, and others with it.
    Lead(Lead),
}

/// The right to have one group under way. Whoever is stopped with it gives it back.
struct Lead {
    queue: Arc<Queue>,
    gathers: bool,
}

impl Writer {
    /// Lets `groups` be under way in each of `queues`, each of up to `group_max` commits.
    pub(super) fn new(queues: usize, groups: usize, group_max: usize) -> Self {
        let queue = || {
            Arc::new(Queue(Mutex::new(Waiting {
                orders: VecDeque::new(),
                free: groups.max(1),
                is_led: false,
            })))
        };
        Self {
            queues: std::iter::repeat_with(queue).take(queues).collect(),
            group_max: group_max.max(1),
        }
    }

    /// Brings a commit to Redis, alone or with others.
    pub(super) async fn write(&self, link: &Link, commit: Arc<Commit>) -> Outcome {
        let bucket = link.bucket(&commit.product);
        let queue = &self.queues[bucket % self.queues.len()];
        let lead = match queue.enter(&commit) {
            Ok(lead) => lead,
            Err(told) => match told.await {
                Ok(Told::Outcome(outcome)) => return outcome,
                Ok(Told::Lead(lead)) => lead,
                Err(_) => {
                    let reason = "whoever brought it was stopped";
                    return Outcome::Unknown(Error::Unavailable(reason.into()));
                }
            },
        };
        lead.write(link, commit, self.group_max).await
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lead, if there is one and nobody gathers; otherwise where the commit's writer will be told.
    fn enter(self: &Arc<Self>, commit: &Arc<Commit>) -> Result<Lead, oneshot::Receiver<Told>> {
        let mut waiting = self.waiting();
        if waiting.may_lead() {
            return Ok(self.lead(&mut waiting));
        }
        let (told, outcome) = oneshot::channel();
        waiting.orders.push_back(Order {
            commit: Arc::clone(commit),
            told,
        });
        Err(outcome)
    }

    fn lead(self: &Arc<Self>, waiting: &mut Waiting) -> Lead {
        waiting.free -= 1;
        waiting.is_led = true;
        Lead {
            queue: Arc::clone(self),
            gathers: true,
        }
    }

    /// Has the next one lead that is still waited for, if anybody may.
    fn go_on(self: &Arc<Self>, mut waiting: MutexGuard<'_, Waiting>) {
        while waiting.may_lead() {
            let Some(order) = waiting.orders.pop_front() else {
                return;
            };
            if !order.told.is_closed() {
                let lead = self.lead(&mut waiting);
                drop(waiting);
                // Where it is stopped meanwhile the lead comes back.
                let _ = order.told.send(Told::Lead(lead));
                return;
            }
        }
    }
}

impl Waiting {
    fn may_lead(&self) -> bool {
        self.free > 0 && !self.is_led
    }
}

impl Lead {
    async fn write(mut self, link: &Link, own: Arc<Commit>, group_max: usize) -> Outcome {
        let (mut commits, mut waiters) = (vec![own], Vec::new());
        for order in self.gather(group_max - 1).await {
            commits.push(order.commit);
            waiters.push(order.told);
        }
        let mut outcomes = commit::outcomes(&commits, link.commit(&commits).await);
        let own = outcomes.remove(0);
        for (told, outcome) in waiters.into_iter().zip(outcomes) {
            // Whoever waited may have stopped; what was written stays written.
            let _ = told.send(Told::Outcome(outcome));
        }
        own
    }

    /// Up to `most` that come along. Whoever has something to write may be ready to run, and stand behind this task:
    /// as long as that brings somebody, they go first.
    async fn gather(&mut self, most: usize) -> Vec<Order> {
        let mut before = 0;
        loop {
            tokio::task::yield_now().await;
            let mut waiting = self.queue.waiting();
            let count = waiting.orders.len();
            if count == before || count >= most {
                let gathered = waiting.orders.drain(..count.min(most)).collect();
                waiting.is_led = false;
                self.gathers = false;
                self.queue.go_on(waiting);
                return gathered;
            }
            before = count;
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.free += 1;
        if self.gathers {
            waiting.is_led = false;
        }
        self.queue.go_on(waiting);
    }
}
