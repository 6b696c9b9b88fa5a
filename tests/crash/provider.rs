//! A provider that reaches a session's service through a load balancer, and repeats itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::load;
use super::look::PATIENCE;
use super::sent::{Sent, label};

/// How far back repetitions reach.
const REPEATED_FROM: usize = 20;

/// How long a provider waits for an answer before it asks another instance.
pub(crate) const ANSWER: Duration = Duration::from_millis(500);

/// Posts the actions of one session, each to any instance and again until it is acknowledged; only then
/// the next.
pub(crate) struct Provider {
    client: reqwest::Client,
    chance: StdRng,
    clock: Clock,
    /// What was acknowledged.
    pub sent: Sent,
    /// How often something was posted again.
    pub resent: usize,
}

impl Provider {
    /// `client` gives up after [`ANSWER`].
    pub(crate) fn new(client: reqwest::Client, session: String, seed: u64) -> Self {
        Self {
            client,
            chance: StdRng::seed_from_u64(seed),
            clock: Clock::system(),
            sent: Sent {
                session,
                ..Sent::default()
            },
            resent: 0,
        }
    }

    /// Posts until `stop` is set.
    pub(crate) async fn post_until(&mut self, urls: &[String], stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.offer(urls).await;
            self.rest().await;
        }
    }

    /// Posts what was not acknowledged and some more, until all of it is.
    pub(crate) async fn catch_up(&mut self, urls: &[String]) -> Result<(), String> {
        let enough = self.sent.acknowledged.len() + self.chance.random_range(2..12);
        let began = self.clock.monotonic();
        while self.sent.acknowledged.len() < enough {
            if self.clock.since(began) > PATIENCE {
                let next = self.next();
                return Err(format!(
                    "{next} was refused for {PATIENCE:?} after the restart"
                ));
            }
            self.offer(urls).await;
            self.rest().await;
        }
        Ok(())
    }

    /// Posts the next action to one instance, and often at the same time this or an earlier one to any.
    async fn offer(&mut self, urls: &[String]) {
        let (next, session) = (self.next(), self.sent.session.clone());
        let again = self.chance.random_ratio(1, 5).then(|| self.any_again());
        let mut to = || urls.choose(&mut self.chance).map_or("", String::as_str);
        let (first, second) = (to(), to());
        let repeating = async {
            if let Some(label) = &again {
                load::post(&self.client, second, &session, label).await;
            }
        };
        let posting = load::post(&self.client, first, &session, &next);
        let (is_acknowledged, ()) = tokio::join!(posting, repeating);
        self.resent += usize::from(again.is_some()) + usize::from(!is_acknowledged);
        if is_acknowledged {
            self.sent.acknowledged.push(next);
        }
    }

    /// The first action that was not acknowledged.
    fn next(&self) -> String {
        label(&self.sent.session, self.sent.acknowledged.len())
    }

    /// The next action or one of the last.
    fn any_again(&mut self) -> String {
        let next = self.sent.acknowledged.len();
        let number = self
            .chance
            .random_range(next.saturating_sub(REPEATED_FROM)..=next);
        label(&self.sent.session, number)
    }

    /// A moment, and now and then one that is long enough for a note.
    async fn rest(&mut self) {
        let range = if self.chance.random_ratio(1, 6) {
            35..90
        } else {
            1..8
        };
        let rest = self.chance.random_range(range);
        self.clock.sleep(Duration::from_millis(rest)).await;
    }
}
