//! What a session has said first, as its log and its replies tell, and the laws of it.

use event_connector::domain::agent_state::{Event, State};
use event_connector::domain::log::{EntryType, NewEntry};
use event_connector::domain::session::{Input, Policy, Reply, Reporter};
use serde_json::Value;

/// An offer, as the log tells of it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub id: String,
    pub trigger: String,
    pub at: f64,
    pub user: Option<String>,
    pub outcome: Option<String>,
    /// How many decisions there were before.
    decision: usize,
}

/// What offers are held to besides the policy, seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periods {
    /// The shortest time that the session's machine stays where it is not thinking.
    pub timeout_s: f64,
    /// The shortest time that it keeps quiet afterwards.
    pub cooldown_s: f64,
    /// How long each trigger keeps quiet after its offer.
    pub pause_s: f64,
}

/// The story of one session.
pub(super) struct Ledger {
    pub offers: Vec<Made>,
    /// How many entries of the log were read.
    read: usize,
    /// Where the session's machine stands, and since when.
    own: String,
    own_since: f64,
    /// When it last came back to thinking.
    own_left: Option<(f64, usize)>,
    /// It has gone to speak, and what is said is still to come.
    speaks: bool,
    /// Where the page's machine stands, and since when.
    page: State,
    page_since: f64,
    page_decision: usize,
    /// When anything was decided: what was over once stays over when the clock is set back.
    decided: Vec<f64>,
    dismissals: u32,
    quiet_s: f64,
}

impl Ledger {
    pub(super) fn new(now: f64) -> Self {
        Self {
            offers: Vec::new(),
            read: 0,
            own: "thinking".to_owned(),
            own_since: now,
            own_left: None,
            speaks: false,
            page: State::Thinking,
            page_since: now,
            page_decision: 0,
            decided: Vec::new(),
            dismissals: 0,
            quiet_s: 0.0,
        }
    }

    /// Reads on: what timers did first, then each input with what came of it.
    pub(super) fn read(
        &mut self,
        log: &[NewEntry],
        (now, inputs, replies): (f64, &[Input], &[Reply]),
        (policy, periods): (&Policy, Periods),
    ) {
        let fresh = &log[self.read..];
        self.read = log.len();
        self.decided.push(now);
        let of = |who: String| fresh.iter().filter(move |e| *e.correlation_id == *who);
        for entry in of("timer".to_owned()) {
            let made = self.note(entry, policy, periods);
            assert_eq!(made, None, "a timer speaks to nobody");
        }
        for (place, (input, reply)) in inputs.iter().zip(replies).enumerate() {
            let mut made = None;
            for entry in of(place.to_string()) {
                made = self.note(entry, policy, periods).or(made);
            }
            let told = match reply {
                Reply::Polled(polled) => polled.open.as_ref().map(|open| open.id.to_string()),
                _ => None,
            };
            assert_eq!(
                told, made,
                "who is answered an offer is told what is in the log"
            );
            if let Input::Reported(..) = input {
                // Where the clock was set back, what is reported was done before the machine came where it is.
                self.own_since = self.own_since.min(now);
            }
            if let (Input::Reported(event, Reporter::Page), Reply::Moved { state, .. }) =
                (input, reply)
            {
                self.note_page(*event, State::parse(state).expect("a state"), now);
            }
        }
        assert!(!self.speaks, "it speaks, and says nothing");
        let open = self
            .open()
            .filter(|_| self.page != State::ProactiveAssistance);
        assert!(open.is_none(), "{open:?} outlives its page");
    }

    /// What was never answered when all time has passed.
    pub(super) fn open(&self) -> Option<&Made> {
        self.offers.iter().find(|made| made.outcome.is_none())
    }

    fn note(&mut self, entry: &NewEntry, policy: &Policy, periods: Periods) -> Option<String> {
        let body: Value = serde_json::from_str(&entry.body).expect("a body is JSON");
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match entry.r#type {
            EntryType::StateChanged if body["machine"].is_null() => {
                self.note_own(&text("from"), &text("to"), entry.at, periods);
            }
            EntryType::Decided if body["verdict"] == "offered" => {
                let made = Made {
                    id: text("offer_id"),
                    trigger: text("trigger_id"),
                    at: entry.at,
                    user: entry.user_id.as_deref().map(str::to_owned),
                    outcome: None,
                    decision: self.decided.len() - 1,
                };
                let id = made.id.clone();
                self.note_offer(made, policy, periods);
                return Some(id);
            }
            EntryType::OfferEnded => self.note_end(&text("offer_id"), text("outcome")),
            _ => {}
        }
        None
    }

    fn note_own(&mut self, from: &str, to: &str, at: f64, periods: Periods) {
        assert_eq!(from, self.own, "the machine leaves where it stands");
        match (from, to) {
            ("thinking", "proactive_assistance") => self.speaks = true,
            ("thinking", "reactive_assistance") => {}
            ("proactive_assistance" | "reactive_assistance", "thinking") => {
                let stayed_s = at - self.own_since;
                assert!(
                    stayed_s > periods.timeout_s,
                    "{from} is left after {stayed_s} s"
                );
                self.own_left = Some((at, self.decided.len() - 1));
            }
            _ => panic!("{from} becomes {to}"),
        }
        to.clone_into(&mut self.own);
        self.own_since = at;
    }

    fn note_offer(&mut self, made: Made, policy: &Policy, periods: Periods) {
        let at = made.at;
        assert!(
            std::mem::take(&mut self.speaks) && self.own_since == at,
            "{made:?} in {}",
            self.own
        );
        let newest = self.offers.last().map(|made| made.at);
        let interval_s = policy.resilience.min_interval_s;
        assert!(
            newest.is_none_or(|newest| at - newest >= interval_s),
            "{made:?} comes less than {interval_s} s after {newest:?}"
        );
        let after = |(earlier, decision): (f64, usize), wait_s: f64| {
            let mut since = self.decided[decision..].iter();
            assert!(
                since.any(|now| now - earlier >= wait_s),
                "{made:?} comes less than {wait_s} s after {earlier:?}"
            );
        };
        if let Some(left) = self.own_left {
            after(left, periods.cooldown_s);
        }
        match self.page {
            State::Thinking => {}
            State::ConservativeAssistance => {
                after((self.page_since, self.page_decision), self.quiet_s);
            }
            State::ReactiveAssistance | State::GuidanceExecution => {
                let idle_s = policy.offers.page_idle_s;
                after((self.page_since, self.page_decision), idle_s);
            }
            State::ProactiveAssistance => panic!("{made:?} while another stands"),
        }
        assert!(self.open().is_none(), "{made:?} while {:?}", self.open());
        let same = |earlier: &&Made| earlier.trigger == made.trigger;
        if let Some(earlier) = self.offers.iter().rev().find(same) {
            after((earlier.at, earlier.decision), periods.pause_s);
        }
        let is_new = self.offers.iter().all(|earlier| earlier.id != made.id);
        assert!(is_new, "{made:?} has the name of an earlier one");
        self.page = State::ProactiveAssistance;
        self.page_since = at;
        self.offers.push(made);
    }

    fn note_end(&mut self, id: &str, outcome: String) {
        let outcomes = ["accepted", "dismissed", "timed_out", "withdrawn"];
        assert!(outcomes.contains(&&*outcome), "{outcome}");
        let made = self.offers.iter_mut().find(|made| made.id == id);
        let made = made.expect("only what was offered ends");
        assert_eq!(made.outcome, None, "{id} is {outcome} as well");
        if outcome == "timed_out" {
            self.page = State::Thinking;
        }
        made.outcome = Some(outcome);
    }

    fn note_page(&mut self, event: Event, state: State, now: f64) {
        if event == Event::Reset {
            self.dismissals = 0;
        }
        if state == State::ConservativeAssistance {
            self.dismissals += 1;
            self.quiet_s = match self.dismissals {
                1 => 600.0,
                2 => 900.0,
                _ => f64::INFINITY,
            };
        }
        self.page = state;
        self.page_since = now;
        self.page_decision = self.decided.len() - 1;
    }
}
