//! Speaking first, whatever happens: sessions of two users share quotas, and everything that may happen to them
//! does, in any order, one by one or several in one decision, while clocks also go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_connector::domain::action::Provider;
use event_connector::domain::agent_state::Event;
use event_connector::domain::machine::Machine;
use event_connector::domain::proactive::Program;
use event_connector::domain::proactive::resilience::Limits;
use event_connector::domain::session::{
    Input, OfferPolicy, Policy, Reply, Reporter, Session, Verdict,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::ledger::{Ledger, Made, Periods};
use super::stage::{Stage, T0, action};

/// What products of these stories do not vary, seconds.
const PAUSE_S: f64 = 45.0;
const TOUR_TIMEOUT_S: f64 = 25.0;
const TOUR_COOLDOWN_S: f64 = 12.0;

/// How many sessions there are.
const SESSIONS: usize = 3;

/// One thing that happens to a session.
#[derive(Clone, Debug)]
enum Turn {
    /// The user does something; some of what they do says that they are lost.
    Act {
        is_lost: bool,
        user: u8,
    },
    Poll,
    Report(Event, Reporter),
    Link,
}

/// One step of a story.
#[derive(Clone, Debug)]
enum Step {
    /// Several things in one decision.
    Decide(usize, Vec<Turn>),
    /// Time passes, milliseconds.
    Rest(u32),
    /// The clock is set back, milliseconds.
    Back(u32),
    /// The product changes its mind: no offers, switched off, or switched on.
    Change(u8),
}

fn turns() -> impl Strategy<Value = Turn> {
    let event = prop::sample::select(Event::ALL.to_vec());
    prop_oneof![
        4 => (any::<bool>(), 0u8..4).prop_map(|(is_lost, user)| Turn::Act { is_lost, user }),
        5 => Just(Turn::Poll),
        3 => event.clone().prop_map(|event| Turn::Report(event, Reporter::Page)),
        1 => event.prop_map(|event| Turn::Report(event, Reporter::Chat)),
        1 => Just(Turn::Link),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = prop_oneof![
        3 => prop::collection::vec(turns(), 1..2),
        1 => prop::collection::vec(turns(), 2..5),
    ];
    let rest = prop_oneof![0u32..3_000, 0u32..30_000, 0u32..700_000];
    let step = prop_oneof![
        20 => (0..SESSIONS, some).prop_map(|(session, turns)| Step::Decide(session, turns)),
        10 => rest.prop_map(Step::Rest),
        1 => (0u32..200_000).prop_map(Step::Back),
        1 => (0u8..6).prop_map(Step::Change),
    ];
    prop::collection::vec(step, 1..80)
}

fn policies() -> impl Strategy<Value = Policy> {
    let quota = || prop::sample::select(vec![0u32, 0, 1, 2]);
    let resilience = (
        prop::sample::select(vec![0.0, 0.0, 5.0, 60.0]),
        quota(),
        quota(),
        quota(),
    );
    let periods = (
        prop::sample::select(vec![2.0, 20.0]),
        prop::sample::select(vec![0.0, 5.0, 60.0]),
        prop::sample::select(vec![3.0, 600.0]),
        prop::sample::select(vec![0.0, 60.0]),
    );
    (resilience, periods).prop_map(|(resilience, periods)| {
        let (min_interval_s, per_product_minute, per_session_hour, per_user_day) = resilience;
        let (interaction_timeout_s, cooldown_period_s, page_idle_s, match_s) = periods;
        Policy {
            interaction_timeout_s,
            cooldown_period_s,
            program: Some(program(true)),
            offers: OfferPolicy {
                page_idle_s,
                match_s,
                lookback_s: 40.0,
                actions_max: 12,
            },
            resilience: Limits {
                min_interval_s,
                per_product_minute,
                per_session_hour,
                per_user_day,
            },
            ..Policy::default()
        }
    })
}

/// Help for users who say that they are lost, with a tour, and for those who rest.
pub(super) fn program(is_enabled: bool) -> Arc<Program> {
    let entry = |id: &str, r#type: &str, params: Value, timeout_s: f64| {
        json!({
            "id": id, "name": id, "interaction_timeout_s": timeout_s, "cooldown_s": PAUSE_S,
            "proactive_criteria": {"id": id, "name": id, "type": r#type, "params": params},
            "messages": [
                {"id": "m1", "label": "Show me", "user_tour_exists": id == "lost", "user_tour_id": "flow_1"},
                {"id": "m2", "label": "No thanks"},
            ],
        })
    };
    let config = json!({
        "proactive_intercom": [
            entry("lost", "recent_action", json!({"title_contains": "help", "within_s": 30}), 10.0),
            entry("rests", "idle", json!({"min_s": 4.1}), 30.3),
        ],
        "tour_registry": [{
            "id": "t1", "user_tour_id": "flow_1",
            "interaction_timeout_s": TOUR_TIMEOUT_S, "cooldown_period_s": TOUR_COOLDOWN_S,
        }],
    });
    let config = config.as_object().expect("an object");
    let (program, flaws) = Program::read(is_enabled, config);
    assert_eq!(flaws, []);
    Arc::new(program)
}

/// Some sessions of one product, and what is known of each.
struct House {
    stages: Vec<Stage>,
    ledgers: Vec<Ledger>,
    policy: Policy,
    now: f64,
    acts: u32,
    /// How often each verdict and each outcome came.
    seen: BTreeMap<String, u32>,
}

impl House {
    fn new(policy: &Policy) -> Self {
        let stage = |number| Stage::of(&format!("s{number}"), policy.clone(), Default::default());
        Self {
            stages: (0..SESSIONS).map(stage).collect(),
            ledgers: (0..SESSIONS).map(|_| Ledger::new(T0)).collect(),
            policy: policy.clone(),
            now: T0,
            acts: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Plays a story to its end, and then lets more time pass than anything waits for.
    fn play(policy: &Policy, story: &[Step]) -> Self {
        let mut house = Self::new(policy);
        for step in story {
            house.step(step);
        }
        house.now += 1e7;
        for session in 0..SESSIONS {
            house.decide(session, &[]);
            assert_eq!(house.stages[session].session.deadline(), None);
            let open = house.ledgers[session].open();
            assert!(open.is_none(), "{open:?} never ends");
        }
        house.check_quotas();
        for made in house.ledgers.iter().flat_map(|ledger| &ledger.offers) {
            *house
                .seen
                .entry(made.outcome.clone().expect("an end"))
                .or_default() += 1;
        }
        house
    }

    fn step(&mut self, step: &Step) {
        let seconds = |ms: u32| f64::from(ms) / 1000.0;
        match step {
            Step::Rest(ms) => self.pass(seconds(*ms)),
            Step::Back(ms) => self.pass(-seconds(*ms)),
            Step::Change(to) => {
                self.policy.program = match to {
                    0 => None,
                    1 => Some(program(false)),
                    _ => Some(program(true)),
                };
                for stage in &mut self.stages {
                    stage.policy = self.policy.clone();
                }
            }
            Step::Decide(session, turns) => self.decide(*session, turns),
        }
    }

    /// Clocks are read in milliseconds.
    fn pass(&mut self, by_s: f64) {
        self.now = ((self.now + by_s) * 1000.0).round() / 1000.0;
    }

    fn decide(&mut self, session: usize, turns: &[Turn]) {
        let index = match self.stages.iter().position(|stage| !stage.index.is_empty()) {
            Some(holder) => std::mem::take(&mut self.stages[holder].index),
            None => Default::default(),
        };
        let stage = &mut self.stages[session];
        stage.index = index;
        let mut inputs = Vec::new();
        for turn in turns {
            inputs.push(match turn {
                Turn::Act { is_lost, user } => {
                    self.acts += 1;
                    let what = if *is_lost { "Get help" } else { "Save" };
                    let action = action(&format!("{what} {}", self.acts), self.now);
                    if *user < 2 {
                        stage.is(&format!("u{user}"), None);
                    }
                    stage.activity(Provider::Posthog, &[action])
                }
                Turn::Poll => Input::Poll,
                Turn::Report(event, reporter) => Input::Reported(*event, *reporter),
                Turn::Link => Stage::wish("c1"),
            });
        }
        let replies = stage.decide(self.now, &inputs);
        for reply in &replies {
            if let Reply::Polled(polled) = reply {
                *self
                    .seen
                    .entry(polled.verdict.as_str().to_owned())
                    .or_default() += 1;
            }
        }
        let came = (self.now, &*inputs, &*replies);
        let rules = (&self.policy, periods(&self.policy));
        self.ledgers[session].read(&stage.entries, came, rules);
    }

    /// No quota is exceeded, whichever sessions the offers were made in.
    fn check_quotas(&self) {
        let limits = &self.policy.resilience;
        let mut counts = BTreeMap::<(String, i64), u32>::new();
        let mut count = |whose: String, max: u32, window_s: f64, made: &Made| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "numbers of minutes are small"
            )]
            let window = (made.at / window_s).floor() as i64;
            let count = counts.entry((whose, window)).or_default();
            *count += 1;
            assert!(max == 0 || *count <= max, "{made:?} is one too many");
        };
        for (session, ledger) in self.ledgers.iter().enumerate() {
            for made in &ledger.offers {
                count("product".to_owned(), limits.per_product_minute, 60.0, made);
                count(format!("s{session}"), limits.per_session_hour, 3600.0, made);
                if let Some(user) = &made.user {
                    count(user.clone(), limits.per_user_day, 86_400.0, made);
                }
            }
        }
    }
}

fn periods(policy: &Policy) -> Periods {
    Periods {
        timeout_s: policy.interaction_timeout_s.min(TOUR_TIMEOUT_S),
        cooldown_s: policy.cooldown_period_s.min(TOUR_COOLDOWN_S),
        pause_s: PAUSE_S,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn offers_keep_their_laws(policy in policies(), story in steps()) {
        House::play(&policy, &story);
    }
}

#[test]
fn stories_come_to_every_verdict_and_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..400 {
        let story = (policies(), steps()).new_tree(&mut runner);
        let (policy, story) = story.expect("a story").current();
        for (what, often) in House::play(&policy, &story).seen {
            *seen.entry(what).or_default() += often;
        }
    }
    let verdicts = [
        Verdict::Offered,
        Verdict::OptOut,
        Verdict::WrongState,
        Verdict::Cooldown,
        Verdict::MinInterval,
        Verdict::NoTrigger,
        Verdict::ProductMinute,
        Verdict::SessionHour,
        Verdict::UserDay,
    ];
    let outcomes = ["accepted", "dismissed", "timed_out", "withdrawn"];
    for what in verdicts.map(Verdict::as_str).iter().chain(&outcomes) {
        let often = seen.get(*what).copied().unwrap_or_default();
        assert!(often >= 10, "{what} came {often} times: {seen:?}");
    }
}

#[test]
fn a_user_who_becomes_known_in_the_decision_that_offers_is_counted() {
    let policy = Policy {
        program: Some(program(true)),
        resilience: Limits {
            per_user_day: 1,
            ..Limits::default()
        },
        ..Policy::default()
    };
    let turns = [
        Turn::Act {
            is_lost: true,
            user: 1,
        },
        Turn::Poll,
    ];
    let mut house = House::new(&policy);
    house.decide(0, &turns);
    house.decide(1, &turns);
    let made: Vec<_> = house.ledgers.iter().map(|l| l.offers.len()).collect();
    assert_eq!(made, [1, 0, 0]);
}

#[test]
fn a_session_from_before_there_were_offers_is_read_and_gets_one() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("Save", T0)]);
    let old: Value = serde_json::from_slice(&stage.stored.state).expect("a state is JSON");
    assert_eq!(old.get("offers"), None);
    stage.session = Session::decode(&stage.stored.state, &[]).expect("a state");
    stage.policy.program = Some(program(true));
    stage.act(T0 + 1.0, &[action("Get help", T0 + 1.0)]);
    let Reply::Polled(polled) = stage.handle(T0 + 2.0, Input::Poll) else {
        panic!("a poll is answered");
    };
    assert_eq!(polled.verdict, Verdict::Offered);
}
