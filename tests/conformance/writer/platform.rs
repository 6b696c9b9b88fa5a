//! A chatbot platform that follows a script.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::clock::Clock;
use event_connector::delivery::admission::{Fingerprint, Sign};
use event_connector::delivery::{Destination, Job, Lookup, Receipt, Refusal, Reply};
use event_connector::domain::id::{Key, PartId, ProductId};
use event_connector::domain::machine::Machine;
use event_connector::domain::session::{Held, Session};
use event_connector::store::Store;
use event_connector::store::memory::Memory;
use serde_json::{Value, json};

/// One call as it was made.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub session: String,
    pub conversation: String,
    pub body: String,
    pub at: f64,
    pub finished_at: f64,
    pub outcome: String,
    pub lines: Vec<Held>,
}

impl Post {
    pub(super) fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }

    pub(super) fn shown(&self, call: usize) -> Value {
        json!({
            "call": call,
            "at": self.at,
            "conversation_id": self.conversation,
            "body": self.body,
            "outcome": self.outcome,
            "finished_at": self.finished_at,
        })
    }
}

/// Answers the k-th call as the script's k-th entry says, and everything beyond it at once.
pub(super) struct Platform {
    pub script: Vec<Value>,
    pub clock: Clock,
    pub clock_base: f64,
    pub store: Arc<Memory>,
    pub posts: Mutex<Vec<Post>>,
}

impl Platform {
    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Virtual time: seconds since the beginning, in steps of a millisecond.
    pub(super) fn at(&self) -> f64 {
        ((self.clock.now_s() - self.clock_base) * 1000.0).round() / 1000.0
    }

    async fn lines(&self, job: &Job) -> Vec<Held> {
        let key = Key::session(&job.product, &job.body.session_id);
        let stored = self.store.load(&key).await.ok().flatten();
        let session =
            stored.and_then(|stored| Session::decode(&stored.state, &stored.settled).ok());
        let notes = session
            .map(|session| session.open_notes)
            .unwrap_or_default();
        let own = notes.into_iter().find(|note| note.delivery == job.delivery);
        own.map(|note| note.lines).unwrap_or_default()
    }

    fn with_last(&self, change: impl FnOnce(&mut Vec<Post>)) {
        change(&mut self.posts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Destination for Platform {
    fn name(&self) -> &'static str {
        "intercom"
    }

    fn account(&self, _: &ProductId) -> Option<Fingerprint> {
        None
    }

    fn lookup(&self) -> Option<&dyn Lookup> {
        Some(self)
    }

    async fn deliver(&self, job: &Job) -> Reply<Receipt> {
        let lines = self.lines(job).await;
        let call = self.posts().len();
        let scripted = self.script.get(call).cloned().unwrap_or_default();
        let result = scripted["result"].as_str().unwrap_or("ok").to_owned();
        let at = self.at();
        self.with_last(|posts| {
            posts.push(Post {
                session: job.body.session_id.to_string(),
                conversation: job.body.conversation_id.to_string(),
                body: job.body.text.to_string(),
                at,
                finished_at: at,
                outcome: result.clone(),
                lines,
            });
        });
        let latency_s = scripted["latency_s"].as_f64().unwrap_or(0.0);
        if latency_s > 0.0 {
            self.clock.sleep(Duration::from_secs_f64(latency_s)).await;
            let finished_at = self.at();
            self.with_last(|posts| posts[call].finished_at = finished_at);
        }
        let part = scripted["part_id"].as_str().map(str::to_owned);
        let part = part.unwrap_or_else(|| format!("part-{}", call + 1));
        reply(match result.as_str() {
            "ok" => Ok(Receipt {
                part: Some(part.into()),
            }),
            "raise" => Err(Refusal::unknown("the scripted call broke")),
            _ => Err(Refusal::later("the scripted call was refused")),
        })
    }
}

#[async_trait]
impl Lookup for Platform {
    /// A scripted failure has posted nothing.
    async fn read_back(&self, _: &Job, _: u64) -> Reply<Vec<PartId>> {
        reply(Ok(Vec::new()))
    }
}

/// What a platform without accounts says.
fn reply<T>(result: Result<T, Refusal>) -> Reply<T> {
    Reply {
        result,
        sign: Sign::Works,
        rate: None,
        http_status: None,
        excerpt: None,
    }
}
