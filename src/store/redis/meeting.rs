//! Meeting a server: whether the store is laid out as it should be, how durable its writes are, what
//! other instances say.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use redis::Value;

use super::link::{Failure, Link, failure};
use super::{news, script};
use crate::store::{Error, Heard};

/// The layout of the store that this program knows. It is written behind the number of buckets, so that programs
/// that knew layout 1 alone, whose numbers stood alone, do not take what they find for theirs.
const LAYOUT: u32 = 3;

/// The number of buckets, and the layout.
fn parse_layout(text: &str) -> Option<(usize, u32)> {
    let (buckets, layout) = text.split_once('/').unwrap_or((text, "1"));
    Some((buckets.parse().ok()?, layout.parse().ok()?))
}

impl Link {
    /// Finds out how the store is laid out, or says it if nobody has yet; answers what an operator should
    /// know.
    pub(super) async fn meet(&self) -> Result<Vec<Arc<str>>, Failure> {
        self.settle_in().await?;
        let cautions = self.doubts().await;
        for caution in &cautions {
            tracing::warn!("not safe yet: {caution}");
        }
        Ok(cautions)
    }

    /// Sees to it that the store is laid out as it should be, and notices when it is another one than before.
    async fn settle_in(&self) -> Result<(), Failure> {
        let at = format!("{}:layout", self.prefix);
        let own = format!("{}/{LAYOUT}", self.buckets());
        let set = |command: &str| {
            let mut set = redis::cmd(command);
            set.arg(&at).arg("buckets").arg(&own);
            set
        };
        let mut look = redis::cmd("HGET");
        look.arg(&at).arg("buckets");
        self.noticed(self.send(&set("HSETNX")).await)?;
        let found = self.noticed(self.send(&look).await)?;
        let found: String = redis::from_redis_value(found).unwrap_or_default();
        let (buckets, layout) = parse_layout(&found).unwrap_or_default();
        let flaw = if buckets != self.buckets() {
            Some(format!(
                "the store was laid out with redis.buckets = {buckets}, and is asked for {}",
                self.buckets()
            ))
        } else if layout > LAYOUT {
            Some(format!(
                "the store has layout {layout} of a newer program, and this one knows layouts up to {LAYOUT}"
            ))
        } else {
            None
        };
        if let Some(flaw) = flaw {
            return Err(Failure::Refused(Error::Unavailable(flaw.into())));
        }
        if layout < LAYOUT {
            if layout < 2 {
                tracing::info!("laying out the states of an earlier program anew");
                self.lay_out_anew().await?;
            }
            // Log entries of layout 2 stay as they are until they age, and are read like the others.
            self.noticed(self.send(&set("HSET")).await)?;
        }
        let lives = self.everywhere(&script::LIFE, |_| {}).await?;
        self.note_lives(0, lives)
    }

    /// Brings the states of layout 1 to layout 2. Whoever is stopped in the middle leaves some of each, and the next
    /// one goes on.
    async fn lay_out_anew(&self) -> Result<(), Failure> {
        for bases in self.runs() {
            let mut cursor = "0".to_owned();
            loop {
                let next = self.run(&script::ANEW, bases, |command| {
                    command.arg(&cursor);
                });
                let next = redis::from_redis_value(next.await?);
                cursor = next.map_err(|error| failure(&error.into()))?;
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Notices when a bucket is no longer the one that it was.
    pub(super) async fn look_at_life(&self, bucket: usize) -> Result<(), Failure> {
        let life = self.on(bucket, &script::LIFE, |_| {}).await?;
        self.note_lives(bucket, vec![life])
    }

    /// Takes note of what buckets are called, from `first` on.
    fn note_lives(&self, first: usize, answers: Vec<Value>) -> Result<(), Failure> {
        let lives = answers.into_iter().map(redis::from_redis_value);
        let lives: Vec<Vec<String>> = lives
            .collect::<Result<_, _>>()
            .map_err(|error| failure(&error.into()))?;
        if self.lives.note(first, lives.into_iter().flatten()) {
            tracing::error!(
                "Redis has come back without what it held: sessions in memory are written again, the rest is lost"
            );
        }
        Ok(())
    }

    /// Hears the news of other instances until the connection ends, or another server may have become the master.
    pub(super) async fn listen(&self, heard: &(dyn Fn(Heard) + Send + Sync)) -> Result<(), Error> {
        let mut refused = Error::Unavailable("there is no address".into());
        // Before anybody is asked where the master is, so that no move is missed.
        let mut moved = pin!(self.moved());
        let clients = self.clients().await.map_err(|error| failure(&error))?;
        for client in clients {
            let mut subscription = match client.get_async_pubsub().await {
                Ok(subscription) => subscription,
                Err(error) => {
                    refused = failure(&error).into();
                    continue;
                }
            };
            let subscribed = subscription.subscribe(&self.channel).await;
            subscribed.map_err(|error| failure(&error))?;
            // The connection before this one may have ended with the server and everything in it.
            self.settle_in().await?;
            if self.lives.is_loss_untold() {
                heard(Heard::Loss);
            }
            let mut messages = subscription.on_message();
            loop {
                let message = tokio::select! {
                    message = messages.next() => message,
                    () = &mut moved => None,
                };
                let Some(message) = message else { break };
                let text = String::from_utf8_lossy(message.get_payload_bytes());
                if let Some(news) = news::parse(&text, &self.instance) {
                    heard(Heard::News(news));
                }
            }
            return Ok(());
        }
        Err(refused)
    }

    /// Asks each server how durable its writes are.
    async fn doubts(&self) -> Vec<Arc<str>> {
        let mut cautions = Vec::new();
        // Nobody is asked who cannot be reached: what is asked next says so.
        for client in self.clients().await.unwrap_or_default() {
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
                continue;
            };
            let info = redis::cmd("INFO").query_async(&mut connection).await;
            let Ok(info) = info else { continue };
            // Hosted servers may refuse this one.
            let mut config = redis::cmd("CONFIG");
            config.arg("GET").arg("appendfsync");
            let said: Result<Vec<String>, _> = config.query_async(&mut connection).await;
            let policy = said.ok().and_then(|said| said.into_iter().nth(1));
            cautions.extend(news::cautions(&info, policy.as_deref()));
        }
        cautions.sort();
        cautions.dedup();
        cautions
    }
}
