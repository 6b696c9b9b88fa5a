//! What pages report, and what follows from it (contract 1.13).

use super::machine::AgentFsm;
use super::state::{InvalidTransition, State};

/// What a page reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The user has written a message.
    UserSent,
    /// The answer to it is complete.
    BotResponseCompleted,
    /// The user has closed the offer.
    ProactiveDismissed,
    /// The user wants to talk about it.
    ProactiveAcceptedChat,
    /// The user wants the tour.
    ProactiveAcceptedTour,
    /// The tour has come to its end.
    TourCompleted,
    /// The user has left the tour midway.
    TourAbandoned,
    /// The chat begins anew.
    Reset,
}

/// What an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where the machine stood; thinking if an elapsed cooldown is all that it stood in.
    pub previous: State,
    /// Where it stands.
    pub state: State,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::UserSent,
        Self::BotResponseCompleted,
        Self::ProactiveDismissed,
        Self::ProactiveAcceptedChat,
        Self::ProactiveAcceptedTour,
        Self::TourCompleted,
        Self::TourAbandoned,
        Self::Reset,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserSent => "user_sent",
            Self::BotResponseCompleted => "bot_response_completed",
            Self::ProactiveDismissed => "proactive_dismissed",
            Self::ProactiveAcceptedChat => "proactive_accepted_chat",
            Self::ProactiveAcceptedTour => "proactive_accepted_tour",
            Self::TourCompleted => "tour_completed",
            Self::TourAbandoned => "tour_abandoned",
            Self::Reset => "reset",
        }
    }

    /// The inverse of [`Event::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }

    /// The only state in which the event means something; `None` for a reset, which always does.
    fn origin(self) -> Option<State> {
        match self {
            Self::UserSent => Some(State::Thinking),
            Self::BotResponseCompleted => Some(State::ReactiveAssistance),
            Self::ProactiveDismissed
            | Self::ProactiveAcceptedChat
            | Self::ProactiveAcceptedTour => Some(State::ProactiveAssistance),
            Self::TourCompleted | Self::TourAbandoned => Some(State::GuidanceExecution),
            Self::Reset => None,
        }
    }
}

impl AgentFsm {
    /// Takes an event in. `flow_id` is the tour that an accepted offer starts, if it starts one.
    ///
    /// Pages repeat what they report. The table has no event that leads to the state it may be reported in, so
    /// a repetition is an [`InvalidTransition`], and counts for nothing. Whoever was left alone for long enough
    /// is thinking again. A reset is the same as forgetting the machine, which whoever stores it may do instead.
    pub fn apply(
        &mut self,
        event: Event,
        now: f64,
        flow_id: Option<&str>,
    ) -> Result<Moved, InvalidTransition> {
        let previous = self.standing(now);
        if event.origin().is_some_and(|from| from != previous) {
            return Err(InvalidTransition {
                from: previous,
                attempt: event.as_str(),
            });
        }
        match event {
            Event::UserSent | Event::ProactiveAcceptedChat => {
                self.transition(State::ReactiveAssistance, now)?;
            }
            Event::BotResponseCompleted => self.transition(State::Thinking, now)?,
            Event::ProactiveDismissed => self.transition(State::ConservativeAssistance, now)?,
            Event::ProactiveAcceptedTour => {
                self.guide(flow_id, Some(Vec::new()), now)?;
                // It is led through the tour that was offered, whether or not that is a task.
                self.flow_id = flow_id.map(str::to_owned);
            }
            Event::TourCompleted => {
                let flow_id = self.flow_id.clone().unwrap_or_default();
                self.complete_task(&flow_id, now);
            }
            Event::TourAbandoned => {
                let flow_id = self.flow_id.clone().unwrap_or_default();
                self.abandon_task(&flow_id);
                self.disengage(now)?;
            }
            Event::Reset => *self = Self::new(self.settings, now),
        }
        let state = self.state;
        Ok(Moved { previous, state })
    }
}
