//! The state of a session, its inputs, and their dispatch.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::index::{LinkRequest, Trust};
use super::notes::OpenNote;
use super::ring::Ring;
use super::settling::Settling;
use crate::domain::action::Activity;
use crate::domain::attempt::AttemptRecord;
use crate::domain::fsm::Fsm;
use crate::domain::id::{ConversationId, DeliveryId, Key, PartId, SessionId, UserId};
use crate::domain::log::{EntryType, IndexKey};
use crate::domain::machine::{Encoded, Facts, Machine, Moment};
use crate::domain::note;

/// What a product wants of its sessions (contract 6.1, 6.3). Lengths of time are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The platform that takes notes, as the first part of the outbox lane; `None` when the product
    /// has no chatbot.
    pub platform: Option<&'static str>,
    /// Whether every batch of actions is pushed as well.
    pub pushes: bool,
    /// How old an action may be when the next one arrives and still be kept for a first note.
    pub pre_link_window_s: f64,
    /// How long a linked session must be quiet before its note is written.
    pub post_link_debounce_s: f64,
    /// Width of the bins that a first note is spaced by; 0 for none.
    pub bin_seconds: f64,
    /// How long the session machine stays in a conversation without interaction.
    pub interaction_timeout_s: f64,
    /// How long it keeps quiet afterwards.
    pub cooldown_period_s: f64,
    /// How long after its last activity a link is inherited by the user's next session.
    pub link_carry_s: f64,
    /// How long identities and links can be looked up after their last renewal.
    pub index_s: f64,
    /// The most actions held for a note; more push out the oldest before a link, and force a note
    /// after it.
    pub window_actions_max: usize,
    /// The longest text of one note.
    pub note_bytes_max: usize,
    /// How actions are numbered.
    pub index_mode: IndexMode,
}

impl Default for Policy {
    /// The documented defaults, with notes to Intercom.
    fn default() -> Self {
        Self {
            platform: Some("intercom"),
            pushes: false,
            pre_link_window_s: 120.0,
            post_link_debounce_s: 0.15,
            bin_seconds: 3.0,
            interaction_timeout_s: 20.0,
            cooldown_period_s: 60.0,
            link_carry_s: 86_400.0,
            index_s: 86_400.0,
            window_actions_max: 1000,
            note_bytes_max: 10_000,
            index_mode: IndexMode::Session,
        }
    }
}

/// How actions are numbered (contract 3.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexMode {
    /// On and on through the session.
    Session,
    /// From 0 in every batch.
    Batch,
}

/// What may happen to a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// The user did something.
    Activity(Arc<Activity>),
    /// A conversation belongs to this session.
    Link(LinkRequest),
    /// A delivery came to its end.
    Settled(Settlement),
}

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A note to a conversation: the session waits for its end.
    Note,
    /// A batch of actions to the product's push target: for the session it is done once it is written
    /// down, and nothing depends on how it ends.
    Push,
}

/// The end of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Which.
    pub delivery: DeliveryId,
    /// What it was to deliver.
    pub errand: Errand,
    /// How it ended.
    pub outcome: Outcome,
    /// The call that ended it, if one was made.
    pub attempt: Option<AttemptRecord>,
    /// Whether an operator asked for it to be sent again: then its end is news, even when the
    /// session has long forgotten the delivery.
    pub replayed: bool,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has arrived; a push, and platforms that cannot redact, return no part.
    Delivered(Option<PartId>),
    /// It was given up.
    Failed(Arc<str>),
    /// The conversation no longer exists.
    Gone(Arc<str>),
}

/// What the sender of an input learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Activity was taken in.
    Accepted {
        /// New actions.
        actions: usize,
        /// Actions seen before.
        duplicates: usize,
    },
    /// The session is now tied to the conversation.
    Linked,
    /// It already was.
    Unchanged,
    /// The conversation belongs to another user's session.
    Refused,
    /// A delivery's end was noted.
    Settled,
}

/// An action on its way into a note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// When it happened, Unix seconds; `None` when nobody knows.
    pub at: Option<f64>,
    /// When it arrived, for sources that deliver late by design: the window rule measures from here
    /// instead of from `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<f64>,
    /// The sentence.
    pub description: String,
}

impl Held {
    /// As a line of a note.
    pub(super) fn as_line(&self) -> note::Line {
        note::Line {
            at: self.at,
            description: self.description.clone(),
        }
    }

    /// The time that the window rule measures from.
    pub(super) fn window_at(&self) -> f64 {
        self.arrived_at.or(self.at).unwrap_or_default()
    }
}

/// Whether a conversation is tied to the session. A note without a conversation cannot be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Actions wait for a conversation.
    Unlinked {
        /// Arrival order, trimmed on every arrival.
        window: Settling<Held>,
    },
    /// Actions wait for a pause.
    Linked {
        /// Where notes go.
        conversation: ConversationId,
        /// Arrival order.
        pending: Vec<Held>,
        /// When the pause is long enough; set exactly while something is pending.
        flush_at: Option<f64>,
    },
}

/// The newest failure of a delivery, for operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// Unix seconds.
    pub at: f64,
    /// What happened; never a secret.
    pub text: Arc<str>,
}

/// One session, or one bucket of actions without a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The provider's session; `None` for a bucket, which can never be linked.
    pub id: Option<SessionId>,
    /// The tenant.
    pub product: crate::domain::id::ProductId,
    /// Whose session it is, as last heard.
    pub user: Option<UserId>,
    /// Where the user can be reached, original case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The three-state machine of contract 5.2.
    pub fsm: Fsm,
    /// The conversation, and what waits for it.
    pub link: Link,
    /// Notes in the outbox whose end is not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_notes: Vec<OpenNote>,
    /// The newest messages that carry our notes, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartId>,
    /// When the session last had activity or a message, Unix seconds.
    pub active_at: f64,
    /// How many actions the window rule has removed.
    pub trimmed: u64,
    /// The newest failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    pub(super) seen: Ring,
    pub(super) next_index: u64,
    pub(super) indexed: Indexed,
}

/// What the identity index says about this session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Indexed {
    pub(super) at: Option<f64>,
    pub(super) user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<ConversationId>,
}

impl Session {
    /// The conversation that notes go to.
    pub fn conversation(&self) -> Option<&ConversationId> {
        match &self.link {
            Link::Linked { conversation, .. } => Some(conversation),
            Link::Unlinked { .. } => None,
        }
    }

    /// The instant at which pending actions become a note.
    pub fn flush_at(&self) -> Option<f64> {
        match &self.link {
            Link::Linked { flush_at, .. } => *flush_at,
            Link::Unlinked { .. } => None,
        }
    }

    /// Runs `change` on the session machine and logs the state it ends in, if that is another one.
    pub(super) fn with_fsm(
        &mut self,
        source: &'static str,
        moment: &mut Moment<'_, Policy>,
        change: impl FnOnce(&mut Fsm, f64),
    ) {
        let before = self.fsm.state();
        change(&mut self.fsm, moment.now);
        let after = self.fsm.state();
        if before != after {
            let body = json!({"from": before.as_str(), "to": after.as_str()});
            moment.log(EntryType::StateChanged, source, self.user_text(), &body);
        }
    }

    pub(super) fn user_text(&self) -> Option<Arc<str>> {
        self.user.as_ref().map(|user| user.as_str().into())
    }

    fn tick(&mut self, source: &'static str, moment: &mut Moment<'_, Policy>) {
        let policy = moment.policy;
        self.fsm
            .set_periods(policy.interaction_timeout_s, policy.cooldown_period_s);
        self.with_fsm(source, moment, |fsm, now| fsm.tick(now, None));
    }
}

impl Machine for Session {
    type Input = Input;
    type Reply = Reply;
    type Policy = Policy;

    fn open(key: &Key, policy: &Policy, now: f64) -> Self {
        Self {
            id: key.session_id(),
            product: key.product.clone(),
            user: None,
            email: None,
            fsm: Fsm::open(
                &key.id,
                policy.interaction_timeout_s,
                policy.cooldown_period_s,
                now,
            ),
            link: Link::Unlinked {
                window: Settling::default(),
            },
            open_notes: Vec::new(),
            parts: Vec::new(),
            active_at: now,
            trimmed: 0,
            last_error: None,
            seen: Ring::default(),
            next_index: 0,
            indexed: Indexed::default(),
        }
    }

    fn decode(state: &[u8], settled: &[u8]) -> Result<Self, String> {
        super::stored::decode(state, settled)
    }

    fn encode(&mut self) -> Encoded {
        super::stored::encode(self)
    }

    fn wants(&self, input: &Input, facts: &Facts) -> Vec<IndexKey> {
        let mut keys = match input {
            Input::Activity(activity) => self.wants_for_activity(activity, facts),
            Input::Link(request) => vec![super::link::conversation_key(&request.conversation)],
            Input::Settled(settlement) => self.wants_for_settlement(settlement),
        };
        keys.retain(|key| !facts.knows(key));
        keys
    }

    fn handle(&mut self, input: Input, moment: &mut Moment<'_, Policy>) -> Reply {
        match input {
            Input::Activity(activity) => {
                self.tick(activity.provider.as_str(), moment);
                self.take_activity(&activity, moment)
            }
            Input::Link(request) => {
                self.tick(request.trust.as_str(), moment);
                if request.trust != Trust::Carried {
                    self.active_at = self.active_at.max(moment.now);
                }
                let reply = self.take_link(&request, moment);
                self.renew_index(moment);
                reply
            }
            Input::Settled(settlement) => {
                self.take_settlement(&settlement, moment);
                Reply::Settled
            }
        }
    }

    fn deadline(&self) -> Option<f64> {
        match (self.flush_at(), self.fsm.deadline()) {
            (Some(flush), Some(fsm)) => Some(flush.min(fsm)),
            (flush, fsm) => flush.or(fsm),
        }
    }

    fn on_deadline(&mut self, moment: &mut Moment<'_, Policy>) {
        self.tick("timer", moment);
        if self.flush_at().is_some_and(|at| at <= moment.now) {
            self.flush(moment);
        }
    }

    /// What was to be pushed is not queued again: the session does not keep it, and the feed, which is lost as
    /// well, is no worse off.
    fn restore(&mut self, moment: &mut Moment<'_, Policy>) {
        super::stored::unsettle(self);
        self.indexed = Indexed::default();
        self.renew_index(moment);
        self.renew_link(moment);
        self.queue_again(moment);
    }

    fn fingerprint(input: &Input) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        match input {
            Input::Activity(activity) => activity.body_key.hash(&mut hasher),
            other => format!("{other:?}").hash(&mut hasher),
        }
        hasher.finish()
    }
}
