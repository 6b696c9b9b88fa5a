//! What pages and chats report of offers (contract 1.13, 5.3).
//!
//! A page's toast has the five-state machine, because its events are the only exit that a page can signal. A chat
//! conversation has the session's own machine, whose only exit is a timeout.

use serde_json::json;

use super::input::Reply;
use super::offers::Ending;
use super::policy::Policy;
use super::state::Session;
use crate::domain::agent_state::{Event, InvalidTransition, Moved, State};
use crate::domain::log::EntryType;
use crate::domain::machine::Moment;

/// Who reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The page, of its toast.
    Page,
    /// The page, of a conversation in a chat.
    Chat,
}

impl Session {
    pub(super) fn take_event(
        &mut self,
        event: Event,
        reporter: Reporter,
        moment: &mut Moment<'_, Policy>,
    ) -> Reply {
        match reporter {
            Reporter::Page => self.take_page_event(event, moment),
            Reporter::Chat => self.take_chat_event(event, moment),
        }
    }

    fn take_page_event(&mut self, event: Event, moment: &mut Moment<'_, Policy>) -> Reply {
        let now = moment.now;
        let offers = self.offers_mut();
        let open = offers.open.as_ref();
        let tour = open.and_then(|open| open.offer.user_tour_id.clone());
        let before = offers.page_state();
        if event == Event::Reset {
            offers.page = None;
            self.end_offer(Ending::Withdrawn, moment);
            return self.moved(before.as_str(), State::Thinking.as_str(), moment);
        }
        match offers.page_mut(now).apply(event, now, tour.as_deref()) {
            Ok(Moved { previous, state }) => {
                match event {
                    Event::ProactiveDismissed => self.end_offer(Ending::Dismissed, moment),
                    Event::ProactiveAcceptedChat | Event::ProactiveAcceptedTour => {
                        self.end_offer(Ending::Accepted, moment);
                    }
                    _ => {}
                }
                self.follow(event, tour.as_deref(), moment);
                self.moved(previous.as_str(), state.as_str(), moment)
            }
            Err(InvalidTransition { .. }) => {
                self.tell_refusal(event, before, moment);
                Reply::InvalidTransition
            }
        }
    }

    /// Once for each state: anybody can report, and what anybody can write is bounded by what the page does.
    fn tell_refusal(&mut self, event: Event, state: State, moment: &mut Moment<'_, Policy>) {
        let offers = self.offers_mut();
        if offers.refused_in.replace(state) == Some(state) {
            return;
        }
        let body = json!({"event": event.as_str(), "state": state.as_str()});
        moment.log(
            EntryType::TransitionRefused,
            "page",
            self.user_text(),
            &body,
        );
    }

    /// The session's own machine sees that the user is there.
    fn follow(&mut self, event: Event, tour: Option<&str>, moment: &mut Moment<'_, Policy>) {
        self.with_fsm("page", moment, |fsm, now| match event {
            Event::UserSent => fsm.record_message(now),
            Event::ProactiveAcceptedChat => fsm.record_option_click(now),
            Event::ProactiveAcceptedTour => {
                fsm.record_option_click(now);
                // The machine may have timed out meanwhile; the page's own still knows of the tour.
                let _ = fsm.set_visual_guidance(true, tour, now);
            }
            Event::TourCompleted | Event::TourAbandoned => {
                let _ = fsm.set_visual_guidance(false, None, now);
                fsm.record_interaction(now);
            }
            Event::BotResponseCompleted => fsm.record_interaction(now),
            Event::ProactiveDismissed | Event::Reset => {}
        });
    }

    fn take_chat_event(&mut self, event: Event, moment: &mut Moment<'_, Policy>) -> Reply {
        let before = self.fsm.state();
        match event {
            Event::UserSent => self.with_fsm("page", moment, |fsm, now| {
                if fsm.transition_to_reactive(now).is_err() {
                    fsm.record_message(now);
                }
            }),
            event => self.follow(event, None, moment),
        }
        Reply::Moved {
            previous: before.as_str(),
            state: self.fsm.state().as_str(),
        }
    }

    fn moved(
        &mut self,
        previous: &'static str,
        state: &'static str,
        moment: &mut Moment<'_, Policy>,
    ) -> Reply {
        self.offers_mut().refused_in = None;
        if previous != state {
            let body = json!({"machine": "page", "from": previous, "to": state});
            moment.log(EntryType::StateChanged, "page", self.user_text(), &body);
        }
        Reply::Moved { previous, state }
    }
}
