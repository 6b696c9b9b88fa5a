//! The states, the moves between them, and their timers.

use serde_json::Value;

use super::state::{EmptySessionId, Gate, InvalidTransition, State};
use super::timers::{Cooldown, OFF, Proactive, Reactive};
use super::tours::TourRegistry;
use crate::domain::link::LinkEvent;

/// How long a conversation may rest unless somebody says otherwise, seconds.
pub const INTERACTION_TIMEOUT_S: f64 = 20.0;

/// How long to keep quiet after a conversation unless somebody says otherwise, seconds.
pub const COOLDOWN_PERIOD_S: f64 = 60.0;

/// One session's machine.
///
/// Fields that a published snapshot may carry as `null` are optional. An unknown last interaction
/// counts as "now" from the first tick on, an unknown period as its default, an unknown flag as
/// off.
#[derive(Clone, Debug, PartialEq)]
pub struct Fsm {
    pub(super) session_id: Option<String>,
    pub(super) metadata: Value,
    pub(super) state: State,
    pub(super) last_interaction_at: Option<f64>,
    pub(super) interaction_timeout_s: Option<f64>,
    pub(super) cooldown_period_s: Option<f64>,
    pub(super) visual_guidance_active: Option<bool>,
    pub(super) active_tour_id: Option<String>,
    pub(super) conversation_linked: Option<bool>,
    pub(super) conversation_id: Option<String>,
    pub(super) cooldown: Cooldown,
    pub(super) proactive: Proactive,
    pub(super) reactive: Reactive,
}

impl Fsm {
    /// A thinking machine for a session that has just been seen.
    pub fn new(
        session_id: &str,
        interaction_timeout_s: f64,
        cooldown_period_s: f64,
        now: f64,
    ) -> Result<Self, EmptySessionId> {
        if session_id.is_empty() {
            return Err(EmptySessionId);
        }
        Ok(Self::open(
            session_id,
            interaction_timeout_s,
            cooldown_period_s,
            now,
        ))
    }

    /// Like [`Fsm::new`], for keys that are known to have an identifier.
    pub fn open(
        session_id: &str,
        interaction_timeout_s: f64,
        cooldown_period_s: f64,
        now: f64,
    ) -> Self {
        Self {
            session_id: Some(session_id.to_owned()),
            metadata: no_metadata(),
            state: State::Thinking,
            last_interaction_at: Some(now),
            interaction_timeout_s: Some(interaction_timeout_s),
            cooldown_period_s: Some(cooldown_period_s),
            visual_guidance_active: OFF,
            active_tour_id: None,
            conversation_linked: OFF,
            conversation_id: None,
            cooldown: Cooldown::default(),
            proactive: Proactive::new(Some(now)),
            reactive: Reactive::new(Some(now)),
        }
    }

    /// Where the machine stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The tour that the user is taken through, by its vendor's identifier.
    pub fn active_tour(&self) -> Option<&str> {
        self.active_tour_id.as_deref()
    }

    /// The session; `None` or empty only when a snapshot said so.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Replaces the session, and answers the one before.
    pub(crate) fn replace_session_id(&mut self, session_id: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.session_id, session_id)
    }

    /// How long a conversation may rest, seconds.
    pub fn interaction_timeout_s(&self) -> f64 {
        self.interaction_timeout_s.unwrap_or(INTERACTION_TIMEOUT_S)
    }

    /// How long to keep quiet after a conversation, seconds.
    pub fn cooldown_period_s(&self) -> f64 {
        self.cooldown_period_s.unwrap_or(COOLDOWN_PERIOD_S)
    }

    /// Replaces both periods, seconds. A cooldown that a timeout has started keeps its own.
    pub fn set_periods(&mut self, interaction_timeout_s: f64, cooldown_period_s: f64) {
        self.interaction_timeout_s = Some(interaction_timeout_s);
        self.cooldown_period_s = Some(cooldown_period_s);
    }

    /// Lets time pass: ends an elapsed cooldown, or a conversation that has rested too long. A
    /// running tour that `tours` knows brings its own periods.
    pub fn tick(&mut self, now: f64, tours: Option<&TourRegistry>) {
        let last = *self.last_interaction_at.get_or_insert(now);
        if self.state == State::Thinking {
            self.age_cooldown(now);
            return;
        }
        let tour = self.active_tour_id.as_deref();
        let periods = tour.and_then(|id| Some(tours?.get_by_user_tour_id(id)?.periods));
        let timeout_s = periods.and_then(|tour| tour.interaction_timeout_s);
        let timeout_s = timeout_s.unwrap_or_else(|| self.interaction_timeout_s());
        let cooldown_s = periods.and_then(|tour| tour.cooldown_period_s);
        let cooldown_s = cooldown_s.unwrap_or_else(|| self.cooldown_period_s());
        if now - last > timeout_s {
            self.think(now, cooldown_s);
            return;
        }
        match self.state {
            State::Thinking => {}
            State::ProactiveAssistance => {
                self.proactive.idle_s = Some(now - *self.proactive.anchor_at.get_or_insert(now));
            }
            State::ReactiveAssistance => {
                self.reactive.idle_s = Some(now - *self.reactive.anchor_at.get_or_insert(now));
            }
        }
    }

    /// The earliest instant at which a tick without a registry would time out, Unix seconds;
    /// `None` while thinking, or when the timeout is endless.
    pub fn deadline(&self) -> Option<f64> {
        if self.state == State::Thinking {
            return None;
        }
        // An unknown last interaction is due at once: the tick then gives it a time.
        let Some(last) = self.last_interaction_at else {
            return Some(0.0);
        };
        let timeout_s = self.interaction_timeout_s();
        let mut at = last + timeout_s;
        if !at.is_finite() {
            return None;
        }
        let mut step = at.next_up() - at;
        while at - last <= timeout_s {
            at += step;
            step *= 2.0;
        }
        Some(at)
    }

    /// An offer goes out. `Ok(false)` while the machine still keeps quiet.
    pub fn transition_to_proactive(&mut self, now: f64) -> Result<bool, InvalidTransition> {
        self.require_thinking("offer help")?;
        self.age_cooldown(now);
        if self.is_cooling() {
            return Ok(false);
        }
        self.state = State::ProactiveAssistance;
        self.last_interaction_at = Some(now);
        self.proactive = Proactive::new(Some(now));
        Ok(true)
    }

    /// The user asks for help, which no cooldown may keep them from.
    pub fn transition_to_reactive(&mut self, now: f64) -> Result<(), InvalidTransition> {
        self.require_thinking("answer a request for help")?;
        self.cooldown = Cooldown::default();
        self.state = State::ReactiveAssistance;
        self.last_interaction_at = Some(now);
        self.reactive = Reactive::new(Some(now));
        Ok(())
    }

    /// Whether an offer may be delivered. An elapsed cooldown still counts until the next tick.
    pub fn can_deliver_proactive(&self) -> Gate {
        match self.state {
            State::ProactiveAssistance => Gate::Proactive,
            State::ReactiveAssistance => Gate::Reactive,
            State::Thinking if self.is_cooling() => Gate::Cooling,
            State::Thinking => Gate::Open,
        }
    }

    /// The user has written a chat message.
    pub fn record_message(&mut self, now: f64) {
        self.touch(now);
    }

    /// The user has clicked one of the offered options.
    pub fn record_option_click(&mut self, now: f64) {
        self.last_interaction_at = Some(now);
        if self.state == State::ProactiveAssistance {
            self.proactive.clicked = Some(true);
            self.touch(now);
        }
    }

    /// The user has reacted to a message.
    pub fn record_reaction(&mut self, now: f64) {
        self.touch(now);
    }

    /// The user has taken a step of a tour, even if they never opened the chat.
    pub fn record_tour_step(&mut self, now: f64) {
        self.touch(now);
    }

    /// The user has done something that says nothing about the conversation: the timeout starts
    /// anew, the state's own timer does not.
    pub fn record_interaction(&mut self, now: f64) {
        self.last_interaction_at = Some(now);
    }

    /// Says that a tour has begun, which counts as an interaction, or ended, which does not.
    pub fn set_visual_guidance(
        &mut self,
        active: bool,
        tour_id: Option<&str>,
        now: f64,
    ) -> Result<(), InvalidTransition> {
        if self.state == State::Thinking {
            let attempt = "guide the user";
            return Err(InvalidTransition {
                from: self.state,
                attempt,
            });
        }
        self.visual_guidance_active = Some(active);
        self.active_tour_id = tour_id.filter(|_| active).map(str::to_owned);
        if active {
            self.last_interaction_at = Some(now);
        }
        Ok(())
    }

    /// Keeps quiet from now on, for the session's period unless one is given, seconds.
    pub fn start_cooldown(&mut self, now: f64, period_s: Option<f64>) {
        self.cooldown = Cooldown {
            active: Some(true),
            started_at: Some(now),
            period_s,
        };
    }

    /// Ends the cooldown.
    pub fn clear_cooldown(&mut self) {
        self.cooldown = Cooldown::default();
    }

    /// A conversation has been tied to the session. A reply in a known conversation does not
    /// replace the one the session already has.
    pub fn on_conversation_linked(&mut self, conversation_id: &str, event: LinkEvent) {
        if event == LinkEvent::New || self.conversation_linked != Some(true) {
            self.conversation_linked = Some(true);
            self.conversation_id = Some(conversation_id.to_owned());
        }
    }

    /// The conversation no longer exists.
    pub fn on_conversation_gone(&mut self) {
        self.conversation_linked = Some(false);
        self.conversation_id = None;
    }

    /// The conversation that can be written to: linked, and with an identifier.
    pub fn resolved(&self) -> Option<&str> {
        self.conversation_id
            .as_deref()
            .filter(|id| self.conversation_linked == Some(true) && !id.is_empty())
    }

    /// Whether an offer has been left alone for `timeout_s` (inclusive), so that its thread may be
    /// taken back (contract 5.10).
    pub fn is_offer_idle(&self, now: f64, timeout_s: f64) -> bool {
        self.state == State::ProactiveAssistance
            && now - self.last_interaction_at.unwrap_or(now) >= timeout_s
    }

    /// The thread of an idle offer is gone, so the offer is over, even at the exact boundary at
    /// which a tick would not yet end it. Returns whether there was one.
    pub fn expire_offer(&mut self, now: f64) -> bool {
        let standing = self.state == State::ProactiveAssistance;
        if standing {
            self.think(now, self.cooldown_period_s());
        }
        standing
    }

    fn think(&mut self, now: f64, cooldown_s: f64) {
        self.state = State::Thinking;
        self.visual_guidance_active = OFF;
        self.active_tour_id = None;
        self.start_cooldown(now, Some(cooldown_s));
    }

    fn touch(&mut self, now: f64) {
        self.last_interaction_at = Some(now);
        match self.state {
            State::Thinking => {}
            State::ProactiveAssistance => {
                self.proactive.idle_s = Some(0.0);
                self.proactive.anchor_at = Some(now);
            }
            State::ReactiveAssistance => self.reactive = Reactive::new(Some(now)),
        }
    }

    fn is_cooling(&self) -> bool {
        self.cooldown.active == Some(true)
    }

    fn age_cooldown(&mut self, now: f64) {
        let period_s = self
            .cooldown
            .period_s
            .unwrap_or_else(|| self.cooldown_period_s());
        if self.is_cooling() && now - self.cooldown.started_at.unwrap_or(0.0) >= period_s {
            self.cooldown = Cooldown::default();
        }
    }

    fn require_thinking(&self, attempt: &'static str) -> Result<(), InvalidTransition> {
        if self.state == State::Thinking {
            return Ok(());
        }
        Err(InvalidTransition {
            from: self.state,
            attempt,
        })
    }
}

/// What a session has whose metadata nobody has set.
pub(super) fn no_metadata() -> Value {
    Value::Object(serde_json::Map::new())
}
