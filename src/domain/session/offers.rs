//! What a session has offered, and what it remembers for the next decision (contract 5.1).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use crate::domain::agent_state::{AgentFsm, Settings, State};
use crate::domain::proactive::{Offer, Program};

/// How many of the newest decisions are remembered.
const DECISIONS_MAX: usize = 16;

/// How long things count and are kept, for offers. Lengths of time are seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfferPolicy {
    /// How old an action may be and still be looked at.
    pub lookback_s: f64,
    /// The most actions that are looked at.
    pub actions_max: usize,
    /// How long what a batch of actions suggested may be offered when the page asks.
    pub match_s: f64,
    /// How long the page may stay silent in the middle of a chat or a tour until it counts as closed.
    pub page_idle_s: f64,
}

impl Default for OfferPolicy {
    fn default() -> Self {
        Self {
            lookback_s: 120.0,
            actions_max: 50,
            match_s: 60.0,
            page_idle_s: 600.0,
        }
    }
}

/// Everything about a session's offers. A session of a product that wants none has none of it. What most sessions have
/// only for a while is in boxes: whatever is there is gone through with every batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Offers {
    /// What triggers look at.
    #[serde(default, skip_serializing_if = "Recent::is_blank")]
    pub recent: Recent,
    /// What the page says about its toast (contract 5.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Box<AgentFsm>>,
    /// The state in which a report was refused, as far as the log tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused_in: Option<State>,
    /// The offer that waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Box<OpenOffer>>,
    /// What a trigger suggested since the page has asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Box<Matched>>,
    /// When the newest offer was made, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<f64>,
    /// Until when triggers keep quiet, Unix seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quiet: BTreeMap<String, f64>,
    /// The newest decisions, oldest first; one that repeats the one before it is not noted.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub decisions: VecDeque<Decision>,
    /// When a trigger could come to fire although the user does nothing more, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_at: Option<f64>,
}

/// An offer that was made and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenOffer {
    /// Its own name, unlike that of any other.
    pub id: Arc<str>,
    /// What was offered.
    pub offer: Offer,
    /// When, Unix seconds.
    pub made_at: f64,
}

impl OpenOffer {
    /// When it ends without an answer, Unix seconds.
    pub fn ends_at(&self) -> f64 {
        self.made_at + self.offer.interaction_timeout_s
    }
}

/// A suggestion that nobody was there to hear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matched {
    /// What was suggested.
    pub offer: Offer,
    /// When, Unix seconds.
    pub at: f64,
}

/// What a session decided, and when it began to decide so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Unix seconds.
    pub at: f64,
    /// What it was asked by.
    pub occasion: Occasion,
    /// The skip reason of contract 1.12, `matched`, or `offered`.
    pub verdict: Verdict,
    /// Which trigger had something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_id: Option<String>,
}

/// Why triggers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The user did something.
    Batch,
    /// The user has done nothing for long enough.
    Deadline,
    /// The page asks.
    Poll,
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// An offer was made.
    #[serde(rename = "offered")]
    Offered,
    /// A trigger has something to say, once the page asks.
    #[serde(rename = "matched")]
    Matched,
    /// Held back: the product does not want to speak first.
    #[serde(rename = "opt_out")]
    OptOut,
    /// Held back: the session is in the middle of something.
    #[serde(rename = "fsm:wrong_state")]
    WrongState,
    /// Held back: the session keeps quiet after something.
    #[serde(rename = "fsm:cooldown")]
    Cooldown,
    /// Held back: the newest offer was made a short while ago.
    #[serde(rename = "resilience:min_interval")]
    MinInterval,
    /// Nothing to say.
    #[serde(rename = "no_trigger")]
    NoTrigger,
    /// Held back: the product has made enough offers this minute.
    #[serde(rename = "quota:product_minute")]
    ProductMinute,
    /// Held back: the session has got enough offers this hour.
    #[serde(rename = "quota:session_hour")]
    SessionHour,
    /// Held back: the user has got enough offers today.
    #[serde(rename = "quota:user_day")]
    UserDay,
}

impl Verdict {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Matched => "matched",
            Self::OptOut => "opt_out",
            Self::WrongState => "fsm:wrong_state",
            Self::Cooldown => "fsm:cooldown",
            Self::MinInterval => "resilience:min_interval",
            Self::NoTrigger => "no_trigger",
            Self::ProductMinute => "quota:product_minute",
            Self::SessionHour => "quota:session_hour",
            Self::UserDay => "quota:user_day",
        }
    }

    /// Whether an offer was held back, or there was none.
    pub fn is_skip(self) -> bool {
        !matches!(self, Self::Offered | Self::Matched)
    }
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The user took it.
    Accepted,
    /// The user closed it.
    Dismissed,
    /// Nobody answered.
    TimedOut,
    /// The page has forgotten it.
    Withdrawn,
}

impl Ending {
    /// The name in the log and in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dismissed => "dismissed",
            Self::TimedOut => "timed_out",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Offers {
    /// The machine of the page's toast.
    pub(super) fn page_mut(&mut self, now: f64) -> &mut AgentFsm {
        self.page
            .get_or_insert_with(|| AgentFsm::new(Settings::default(), now).into())
    }

    /// Where the machine of the page's toast stands.
    pub fn page_state(&self) -> State {
        self.page
            .as_deref()
            .map_or(State::Thinking, AgentFsm::state)
    }

    /// Ends the page's offer, which nobody answered; or its chat or tour, of which nothing was heard for
    /// `idle_s`.
    pub(super) fn leave_page(&mut self, idle_s: f64, now: f64) {
        let Some(page) = &mut self.page else { return };
        let is_idle = now - page.entered_at() >= idle_s;
        match page.state() {
            State::ProactiveAssistance => {
                page.expire_offer(now);
            }
            State::ReactiveAssistance | State::GuidanceExecution if is_idle => {
                // Both lead back to thinking.
                let _ = page.transition(State::Thinking, now);
            }
            _ => {}
        }
    }

    /// What was suggested at most `match_s` ago, if its trigger still may.
    pub(super) fn matched_lately(
        &self,
        program: &Program,
        match_s: f64,
        now: f64,
    ) -> Option<Offer> {
        let Matched { offer, at } = self.matched.as_deref()?;
        let trigger = offer.trigger_id.as_str();
        let is_fresh = now - at <= match_s && !self.is_quiet(trigger, now);
        let is_known = || program.names.iter().any(|name| **name == *trigger);
        (is_fresh && is_known()).then(|| offer.clone())
    }

    /// Whether a trigger keeps quiet.
    pub(super) fn is_quiet(&self, trigger_id: &str, now: f64) -> bool {
        self.quiet.get(trigger_id).is_some_and(|until| now < *until)
    }

    /// Notes a decision, unless it repeats the newest; whether it is news.
    pub(super) fn note_decision(&mut self, decision: Decision) -> bool {
        let is_same = |known: &Decision| {
            (known.verdict, &known.trigger_id) == (decision.verdict, &decision.trigger_id)
        };
        if decision.verdict != Verdict::Offered && self.decisions.back().is_some_and(is_same) {
            return false;
        }
        self.decisions.push_back(decision);
        while self.decisions.len() > DECISIONS_MAX {
            self.decisions.pop_front();
        }
        true
    }
}
