//! Playing a case: steps at their times, everything settled in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_connector::chance::Chance;
use event_connector::clock::{Clock, Hand};
use event_connector::delivery::{self, Nudge, Outbox, Report};
use event_connector::domain::action::{ActionType, Activity, NewAction, Provider};
use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::machine::Machine;
use event_connector::domain::retry::Schedule;
use event_connector::domain::session::index::{LinkRequest, Trust};
use event_connector::domain::session::{Held, Input, Link, Policy, Session, Settlement};
use event_connector::domain::time::later;
use event_connector::metrics::Metrics;
use event_connector::session::{Limits, Registry, Surroundings};
use event_connector::store::Store;
use event_connector::store::memory::Memory;
use event_connector::tasks::Tasks;
use serde_json::{Map, Value, json};

use super::account::{Ledger, Written};
use super::platform::Platform;

/// Turns of the runtime after which everything that is ready has run.
const TURNS: usize = 64;

/// How much longer cases with failing posts may run, seconds.
const OVERTIME_S: f64 = 7200.0;

/// Answers a case.
pub(super) fn answer(input: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { Stage::set(input).play(input).await })
}

struct Stage {
    clock_base: f64,
    hand: Hand,
    store: Arc<Memory>,
    sessions: Registry<Session>,
    platform: Arc<Platform>,
    names: BTreeSet<String>,
    ledger: Ledger,
    written: u64,
}

struct ToSession(Registry<Session>);

#[async_trait]
impl Report for ToSession {
    async fn report(&self, key: &Key, settlement: Settlement) -> Result<(), String> {
        let asked = self
            .0
            .ask(key, Input::Settled(settlement), "delivery".into());
        asked.await.map(drop).map_err(|error| error.to_string())
    }
}

fn product() -> ProductId {
    ProductId::from("p")
}

impl Stage {
    fn set(input: &Value) -> Self {
        let clock_base = input["clock_base"].as_f64().unwrap_or(0.0);
        let (clock, hand) = Clock::manual(clock_base);
        let store = Arc::new(Memory::new());
        let tasks = Tasks::new();
        let nudge = Nudge::new();
        let policy = Arc::new(policy(&input["config"]));
        let bell = nudge.clone();
        let sessions = Registry::new(
            Surroundings {
                store: store.clone(),
                clock: clock.clone(),
                chance: Chance::seeded(1),
                tasks: tasks.clone(),
                metrics: Metrics::new(),
                product_label: true,
                policy: Box::new(move |_| Arc::clone(&policy)),
                committed: Box::new(move |_, _| bell.nudge()),
            },
            Limits {
                live_max: 100,
                mailbox_max: 100,
                batch_max: 1,
                idle: Duration::from_secs(86_400),
            },
        );
        let platform = Arc::new(Platform {
            script: input["post_script"].as_array().cloned().unwrap_or_default(),
            clock: clock.clone(),
            clock_base,
            store: store.clone(),
            posts: Mutex::default(),
        });
        let outbox = Outbox::new(
            delivery::Surroundings {
                store: store.clone(),
                destinations: vec![platform.clone()],
                push: None,
                report: Arc::new(ToSession(sessions.clone())),
                clock,
                chance: Chance::seeded(2),
                tasks: tasks.clone(),
                metrics: Metrics::new(),
                nudge,
            },
            options(),
        );
        tasks.spawn("outbox", outbox.run());
        Self {
            clock_base,
            hand,
            store,
            sessions,
            platform,
            names: BTreeSet::new(),
            ledger: Ledger::default(),
            written: 0,
        }
    }

    async fn play(mut self, input: &Value) -> Value {
        let mut shown = Vec::new();
        for step in input["steps"].as_array().into_iter().flatten() {
            self.until(step["at"].as_f64().unwrap_or(0.0)).await;
            let error = self.take(step).await;
            self.settle().await;
            let (pending, buffers) = self.sizes().await;
            let mut line = json!({
                "result": null, "done_at": step["at"], "pending": pending, "debounce_buffer": buffers,
            });
            if let Some(class) = error {
                line = json!({
                    "error": class, "done_at": step["at"], "pending": pending, "debounce_buffer": buffers,
                });
            }
            shown.push(line);
        }
        let end = input["run_until"].as_f64().unwrap_or(0.0);
        self.until(end).await;
        if has_failures(input) {
            self.until(end + OVERTIME_S).await;
        }
        self.curtain(shown).await
    }

    /// Moves the clock to virtual time `at`, stopping wherever somebody wakes.
    async fn until(&mut self, at: f64) {
        self.settle().await;
        loop {
            let left_s = at - self.platform.at();
            if left_s <= 0.0 {
                return;
            }
            let left = Duration::from_secs_f64(later(0.0, left_s));
            let next = self.hand.next_wake().map_or(left, |wake| wake.min(left));
            self.hand.advance(next);
            self.settle().await;
        }
    }

    async fn settle(&mut self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        for name in self.names.clone() {
            if let Link::Linked {
                pending,
                flush_at: None,
                ..
            } = self.session(&name).await.link
            {
                self.ledger.mark_delayed(&name, &pending);
            }
        }
    }

    async fn take(&mut self, step: &Value) -> Option<&'static str> {
        let session = step["session_id"].as_str().unwrap_or_default().to_owned();
        match step["op"].as_str() {
            Some("write_actions") => self.write(&session, &step["actions"]).await,
            Some("on_session_linked") => self.link(&session, step).await,
            Some("manager_on_chatbot_event") if session.is_empty() => return Some("ValueError"),
            Some("manager_on_chatbot_event") => self.link(&session, step).await,
            Some("manager_on_actions") => {
                let payload = &step["payload"];
                let session = payload["session_id"].as_str().unwrap_or_default();
                if !session.is_empty() {
                    self.write(session, &payload["actions"]).await;
                }
            }
            _ => {}
        }
        None
    }

    async fn link(&mut self, session: &str, step: &Value) {
        let conversation = step["conversation_id"].as_str().unwrap_or_default();
        if conversation.is_empty() {
            return;
        }
        self.names.insert(session.to_owned());
        let request = LinkRequest {
            conversation: conversation.into(),
            trust: Trust::Platform,
            message: false,
            notification_key: None,
        };
        self.ask(session, Input::Link(request)).await;
    }

    async fn write(&mut self, session: &str, actions: &Value) {
        let actions = actions.as_array().cloned().unwrap_or_default();
        if actions.is_empty() {
            return;
        }
        self.names.insert(session.to_owned());
        let before = self.session(session).await;
        let mut taken = Vec::new();
        for action in &actions {
            self.written += 1;
            taken.push(new_action(action, self.written));
            self.ledger.written.push(Written {
                id: action["id"].as_str().unwrap_or_default().to_owned(),
                session: session.to_owned(),
                held: held(action),
                conversation: before.conversation().map(ToString::to_string),
                was_delayed: false,
            });
        }
        let activity = Activity {
            actions: taken,
            ..Activity::new(Provider::Posthog, u64::MAX - self.written)
        };
        self.ask(session, Input::Activity(activity.into())).await;
        let after = self.session(session).await;
        if let (Link::Unlinked { window }, Link::Unlinked { window: left }) =
            (before.link, after.link)
        {
            let mut held_before = window.into_items();
            held_before.extend(actions.iter().map(held));
            self.ledger.mark_trimmed(session, &held_before, &left);
        }
    }

    async fn ask(&self, session: &str, input: Input) {
        let key = Key::session(&product(), &SessionId::from(session));
        let asked = self.sessions.ask(&key, input, "case".into()).await;
        asked.expect("the store in memory takes everything");
    }

    /// The session as it is stored; a fresh one if it never was.
    async fn session(&self, name: &str) -> Session {
        let key = Key::session(&product(), &SessionId::from(name));
        let stored = self.store.load(&key).await.expect("readable");
        let decoded =
            stored.map(|stored| Session::decode(&stored.state, &stored.settled).expect("readable"));
        decoded.unwrap_or_else(|| Session::open(&key, &Policy::default(), self.clock_base))
    }

    async fn sizes(&self) -> (Value, Value) {
        let (mut windows, mut buffers) = (Map::new(), Map::new());
        for name in &self.names {
            let (sizes, size) = match self.session(name).await.link {
                Link::Unlinked { window } => (&mut windows, window.len()),
                Link::Linked { pending, .. } => (&mut buffers, pending.len()),
            };
            if size > 0 {
                sizes.insert(name.clone(), json!(size));
            }
        }
        (windows.into(), buffers.into())
    }

    async fn curtain(self, steps: Vec<Value>) -> Value {
        let (pending, buffers) = self.sizes().await;
        let mut conversations = BTreeMap::new();
        let mut parts = BTreeMap::new();
        let (mut held, mut stranded) = (Vec::new(), Vec::new());
        for name in &self.names {
            let session = self.session(name).await;
            if let Some(conversation) = session.conversation() {
                conversations.insert(name.clone(), conversation.to_string());
            }
            if !session.parts.is_empty() {
                parts.insert(name.clone(), session.parts.clone());
            }
            let is_due = session.deadline().is_some();
            let open = session.open_notes.into_iter().flat_map(|note| note.lines);
            held.extend(open.map(|line| (name.clone(), line)));
            match session.link {
                Link::Unlinked { window } => {
                    let lines = window.into_items().into_iter();
                    held.extend(lines.map(|line| (name.clone(), line)));
                }
                Link::Linked { pending, .. } => {
                    let lines = pending.into_iter().map(|line| (name.clone(), line));
                    let lines: Vec<_> = lines.collect();
                    if !is_due {
                        stranded.extend(lines.clone());
                    }
                    held.extend(lines);
                }
            }
        }
        let posts = self.platform.posts();
        let shown: Vec<_> = (1..)
            .zip(&posts)
            .map(|(call, post)| post.shown(call))
            .collect();
        json!({
            "posts": shown,
            "steps": steps,
            "final": {
                "pending": pending, "debounce_buffer": buffers,
                "conversation_map": conversations, "part_ids": parts,
            },
            "accounting": self.ledger.settle(&posts, &held, &stranded),
        })
    }
}

fn policy(config: &Value) -> Policy {
    let own = |name: &str, default: f64| config[name].as_f64().unwrap_or(default);
    let default = Policy::default();
    Policy {
        pre_link_window_s: own("pre_link_window_s", default.pre_link_window_s),
        post_link_debounce_s: own("post_link_debounce_s", default.post_link_debounce_s),
        bin_seconds: own("bin_seconds", default.bin_seconds),
        ..default
    }
}

/// Nothing wakes the worker but nudges and retries, so that only the case's own times matter.
fn options() -> delivery::Options {
    delivery::Options {
        workers: 16,
        lease_ms: 600_000,
        request_timeout_ms: 60_000,
        poll_ms: 3_600_000,
        schedule: Schedule {
            retries_max: 20,
            base_ms: 2000,
            cap_ms: 300_000,
        },
        give_up_after_ms: None,
        account: delivery::admission::Limits {
            account_workers: 16,
            breaker_failures: 5,
            breaker_pause_ms: 5000,
            breaker_pause_cap_ms: 300_000,
            refused_probe_ms: 3_600_000,
            rate_pause_ms: 2000,
            rate_pause_cap_ms: 900_000,
        },
    }
}

fn has_failures(input: &Value) -> bool {
    let script = input["post_script"].as_array().into_iter().flatten();
    script
        .into_iter()
        .any(|post| post["result"] != "ok" && !post["result"].is_null())
}

fn new_action(action: &Value, key: u64) -> NewAction {
    let line = held(action);
    NewAction {
        duplicate_key: key,
        r#type: ActionType::Click,
        title: String::new(),
        description: line.description,
        at: line.at,
        raw_url: String::new(),
        canonical_url: String::new(),
        user_id: None,
        email: None,
    }
}

fn held(action: &Value) -> Held {
    let at = action["timestamp_start"].as_f64();
    Held {
        at,
        arrived_at: None,
        description: action["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}
