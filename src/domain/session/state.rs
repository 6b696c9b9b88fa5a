//! The state of a session, its inputs, and their dispatch.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::index::{Indexed, Trust};
use super::input::{Input, Reply};
use super::notes::OpenNote;
use super::offers::{Occasion, Offers};
use super::policy::Policy;
use super::ring::Ring;
use super::settling::Settling;
use crate::domain::fsm::Fsm;
use crate::domain::id::{ConversationId, Key, PartId, SessionId, UserId};
use crate::domain::log::{EntryType, IndexKey};
use crate::domain::machine::{Encoded, Facts, Machine, Moment, Past};
use crate::domain::note;
use crate::domain::proactive::Properties;

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

impl Link {
    /// Whether there is neither a conversation nor anything that waits for one, nor a settled part.
    fn is_bare(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::Unlinked {
            window: Settling::default(),
        }
    }
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
    /// What the application says of the user: what was said first, and of that the newest.
    #[serde(
        default,
        skip_serializing_if = "Properties::is_empty",
        with = "super::properties"
    )]
    pub properties: Properties,
    /// The three-state machine of contract 5.2.
    pub fsm: Fsm,
    /// The conversation, and what waits for it.
    #[serde(default, skip_serializing_if = "Link::is_bare")]
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
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trimmed: u64,
    /// The newest failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// What was offered, and what may be; `None` until there was something to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<Box<Offers>>,
    pub(super) seen: Ring,
    pub(super) next_index: u64,
    pub(super) indexed: Indexed,
    /// How long its settled part is, bytes.
    #[serde(skip)]
    pub(super) settled_bytes: usize,
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

    /// Lets time pass. A running tour brings its own periods (contract 5.2).
    fn tick(&mut self, source: &'static str, moment: &mut Moment<'_, Policy>) {
        let policy = moment.policy;
        let tour = self.fsm.active_tour().and_then(|tour| {
            let tours = &policy.program.as_ref()?.tours;
            Some(tours.get_by_user_tour_id(tour)?.periods)
        });
        let timeout_s = tour.and_then(|tour| tour.interaction_timeout_s);
        let cooldown_s = tour.and_then(|tour| tour.cooldown_period_s);
        self.fsm.set_periods(
            timeout_s.unwrap_or(policy.interaction_timeout_s),
            cooldown_s.unwrap_or(policy.cooldown_period_s),
        );
        // Whatever periods count were set above, and the machine's deadline knows them.
        self.with_fsm(source, moment, |fsm, now| fsm.tick(now, None));
        self.age_offers(moment);
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
            properties: Properties::new(),
            fsm: Fsm::open(
                &key.id,
                policy.interaction_timeout_s,
                policy.cooldown_period_s,
                now,
            ),
            link: Link::default(),
            open_notes: Vec::new(),
            parts: Vec::new(),
            active_at: now,
            trimmed: 0,
            last_error: None,
            offers: None,
            seen: Ring::default(),
            next_index: 0,
            indexed: Indexed::default(),
            settled_bytes: 0,
        }
    }

    fn decode(state: &[u8], settled: &[u8]) -> Result<Self, String> {
        super::stored::decode(state, settled)
    }

    fn recalls(&self) -> bool {
        self.offers.is_some()
    }

    fn recall(&mut self, known: Option<&Self>, past: &[Past<'_>], policy: &Policy) -> bool {
        let Some(offers) = &mut self.offers else {
            return false;
        };
        let known = known.and_then(|known| known.offers.as_ref());
        let known = known.map(|known| &known.recent);
        offers.recent.recall(known, past, &policy.offers)
    }

    fn encode(&mut self) -> Encoded {
        super::stored::encode(self)
    }

    fn wants(&self, input: &Input, facts: &Facts, policy: &Policy, now: f64) -> Vec<IndexKey> {
        let mut keys = match input {
            Input::Activity(activity) => self.wants_for_activity(activity, facts, policy, now),
            Input::Link(request) => vec![super::link::conversation_key(&request.conversation)],
            Input::Settled(settlement) => self.wants_for_settlement(settlement),
            Input::Poll => {
                let counters = self.quotas(policy, now).into_iter();
                counters.map(|(row, _)| row).collect()
            }
            Input::Redact(_) | Input::Reported(..) => Vec::new(),
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
            Input::Redact(redaction) => Reply::Queued(Self::queue_redaction(&redaction, moment)),
            Input::Poll => {
                self.tick("page", moment);
                self.take_poll(moment)
            }
            Input::Reported(event, reporter) => {
                self.tick("page", moment);
                self.take_event(event, reporter, moment)
            }
        }
    }

    fn deadline(&self) -> Option<f64> {
        let offers = self.offers.as_ref();
        let deadlines = [
            self.flush_at(),
            self.fsm.deadline(),
            offers.and_then(|offers| offers.evaluate_at),
            offers.and_then(|offers| Some(offers.open.as_ref()?.ends_at())),
        ];
        deadlines.into_iter().flatten().reduce(f64::min)
    }

    fn on_deadline(&mut self, moment: &mut Moment<'_, Policy>) {
        self.tick("timer", moment);
        if self.flush_at().is_some_and(|at| at <= moment.now) {
            self.flush(moment);
        }
        let evaluate_at = self.offers.as_ref().and_then(|offers| offers.evaluate_at);
        if evaluate_at.is_some_and(|at| at <= moment.now) {
            self.consider(Occasion::Deadline, moment);
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

/// Most sessions are small and many, and a field that says nothing is left out.
fn is_zero(count: &u64) -> bool {
    *count == 0
}
