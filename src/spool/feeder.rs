//! Gives what is in the spool to its sessions, in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::intake::is_away;
use super::queue::{Row, Share, Spool};
use crate::clock::Clock;
use crate::domain::action::DropReason;
use crate::domain::id::Key;
use crate::domain::session::{Input, Reply, Session};
use crate::metrics::{Metrics, product_label};
use crate::session::{self, Registry};
use crate::store::Store;
use crate::tasks::Tasks;

/// How many shares are read at once.
const PAGE_MAX: usize = 512;

/// How many sessions are fed at the same time.
const SESSIONS_MAX: usize = 64;

/// How long to wait before looking again whether the store is back.
const PAUSE: Duration = Duration::from_millis(250);

/// How often a share is tried whose session does not take it although the store is there.
const TRIES_MAX: u32 = 8;

/// What the feeder needs from the outside.
pub struct Surroundings {
    /// What it empties.
    pub spool: Spool,
    /// Who gets it.
    pub sessions: Registry<Session>,
    /// Where it ends up, and what is asked whether it is there.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Clock,
    /// Stopping.
    pub tasks: Tasks,
    /// Counters.
    pub metrics: Metrics,
    /// Whether counters carry the product.
    pub product_label: bool,
}

/// Empties the spool whenever there is something in it and the store is there.
pub struct Feeder {
    around: Surroundings,
    /// How often shares were tried that their sessions did not take.
    tries: HashMap<i64, u32>,
}

/// What became of a share.
enum Fed {
    /// It need not be kept any longer.
    Done,
    /// Its session did not take it; others may have taken theirs.
    Refused(session::Error),
    /// Nothing can be fed at the moment.
    Away,
}

impl Feeder {
    /// Nothing was tried yet.
    pub fn new(around: Surroundings) -> Self {
        Self {
            around,
            tries: HashMap::new(),
        }
    }

    /// Runs until the service stops.
    pub async fn run(mut self) {
        let (tasks, clock) = (self.around.tasks.clone(), self.around.clock.clone());
        let spool = self.around.spool.clone();
        loop {
            let pause = async {
                if spool.is_in_use() {
                    clock.sleep(PAUSE).await;
                } else {
                    spool.filled().await;
                }
            };
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = pause => {}
            }
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.empty() => {}
            }
        }
    }

    /// Feeds until the spool is empty or something has to be waited for.
    async fn empty(&mut self) {
        let mut fed = 0;
        while self.around.spool.is_in_use() {
            if let Err(error) = self.around.store.ready().await {
                tracing::debug!(%error, "what is in the spool waits for the store");
                break;
            }
            match self.page().await {
                Ok(0) => break,
                Ok(count) => fed += count,
                Err(error) => {
                    tracing::warn!(%error, "the spool could not be read");
                    break;
                }
            }
        }
        if fed > 0 {
            let left = self.around.spool.depth().entries;
            tracing::info!(
                fed,
                left,
                "what was kept while the store was away is in the store"
            );
        }
    }

    /// Feeds what has waited longest; answers how much of it need not be kept any longer.
    async fn page(&mut self) -> Result<usize, crate::store::Error> {
        let rows = self.around.spool.oldest(PAGE_MAX).await?;
        let (mut done, mut set_aside) = (Vec::with_capacity(rows.len()), 0);
        let mut queues: Vec<Vec<(i64, Share)>> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for Row { id, share } in rows {
            match serde_json::from_str::<Share>(&share) {
                Ok(share) => {
                    let place = *places.entry(share.key.clone()).or_insert(queues.len());
                    if place == queues.len() {
                        queues.push(Vec::new());
                    }
                    queues[place].push((id, share));
                }
                Err(error) => {
                    tracing::error!(id, %error, "a share in the spool is unreadable and is set aside there");
                    self.count("unreadable");
                    self.around.spool.set_aside(id, error.to_string()).await?;
                    set_aside += 1;
                }
            }
        }
        let feeding = iter(queues).map(|queue| self.feed(queue));
        let fed: Vec<_> = feeding.buffer_unordered(SESSIONS_MAX).collect().await;
        for (ids, refused) in fed {
            done.extend(ids);
            if let Some((id, share, error)) = refused {
                done.extend(self.park(id, &share, &error).await);
            }
        }
        for id in &done {
            self.tries.remove(id);
        }
        let count = done.len();
        self.around.spool.remove(done).await?;
        Ok(count + set_aside)
    }

    /// Feeds one session in order, as far as it takes what it is given.
    async fn feed(
        &self,
        queue: Vec<(i64, Share)>,
    ) -> (Vec<i64>, Option<(i64, Share, session::Error)>) {
        let mut done = Vec::with_capacity(queue.len());
        for (id, share) in queue {
            match self.give(&share).await {
                Fed::Done => done.push(id),
                Fed::Refused(error) => return (done, Some((id, share, error))),
                Fed::Away => break,
            }
        }
        (done, None)
    }

    async fn give(&self, share: &Share) -> Fed {
        let input = Input::Activity(Arc::clone(&share.activity));
        let correlation_id = Arc::clone(&share.correlation_id);
        let sessions = &self.around.sessions;
        match sessions.ask(&share.key, input, correlation_id).await {
            Ok(reply) => {
                self.count("fed");
                self.tally(share, reply);
                Fed::Done
            }
            Err(session::Error::Parked) => {
                self.count("parked");
                Fed::Done
            }
            Err(session::Error::Overloaded | session::Error::Stopping) => Fed::Away,
            Err(error) if is_away(&error) => Fed::Away,
            Err(error) => Fed::Refused(error),
        }
    }

    /// Parks a share in the store that was tried often enough, so that it stops nobody behind it.
    async fn park(&mut self, id: i64, share: &Share, error: &session::Error) -> Option<i64> {
        let tries = self.tries.entry(id).or_default();
        *tries += 1;
        tracing::warn!(key = %share.key, %error, tries, "a session does not take what was kept for it");
        if *tries < TRIES_MAX {
            return None;
        }
        let now_ms = self.around.clock.now_ms();
        let input = format!("{:?}", share.activity);
        let (store, reason) = (&self.around.store, error.to_string());
        let parked = store.park(&share.key, now_ms, &reason, &input).await;
        if let Err(error) = parked {
            tracing::warn!(key = %share.key, %error, "it could not be parked yet");
            return None;
        }
        self.around.metrics.parked.inc();
        self.count("parked");
        Some(id)
    }

    fn count(&self, outcome: &str) {
        let counter = &self.around.metrics.spool_shares;
        counter.with_label_values(&[outcome]).inc();
    }

    /// Counts what the events of a request came to, as if it had just been answered.
    fn tally(&self, share: &Share, reply: Reply) {
        let Reply::Accepted {
            actions,
            duplicates,
        } = reply
        else {
            return;
        };
        let label = product_label(self.around.product_label, share.key.product.as_str());
        let dropped = [(DropReason::Duplicate.as_str(), duplicates)];
        let provider = share.activity.provider.as_str();
        let dropped = dropped.into_iter().filter(|(_, count)| *count > 0);
        self.around
            .metrics
            .count_events(label, provider, actions, dropped);
    }
}
