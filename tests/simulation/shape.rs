//! What a seed decides before anything happens: who takes part, how tight the limits are, and what
//! may go wrong. Every run leaves some faults out, because a run with all of them hides much.

use std::sync::Arc;
use std::time::Duration;

use event_connector::domain::id::{ConversationId, ProductId, SessionId, UserId};
use event_connector::domain::proactive::{Program, resilience};
use event_connector::domain::retry::Schedule;
use event_connector::domain::session::{IndexMode, OfferPolicy, Policy};
use event_connector::session::Limits;
use event_connector::store::Retention;
use event_connector::{delivery, feed};
use serde_json::{Value, json};

use super::dice::Dice;
use super::offer_laws::Rules;

/// One run's cast and limits.
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) instances: usize,
    pub(crate) products: Vec<Tenant>,
    pub(crate) steps: u64,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) feed: feed::Limits,
    pub(crate) outbox: delivery::Options,
    /// How many calls the platform takes of one account in one rate window.
    pub(crate) window_calls: u32,
    pub(crate) retention: Retention,
    pub(crate) sweep: Duration,
    pub(crate) pending_ms: u64,
    pub(crate) faults: Faults,
    /// No action may be lost to the window before a link.
    pub(crate) keeps_all: bool,
    /// How long each trigger keeps quiet after its offer, seconds.
    pub(crate) pause_s: f64,
}

/// A product and the people in it.
pub(crate) struct Tenant {
    pub(crate) id: ProductId,
    /// Whether it has a chatbot that takes notes.
    pub(crate) has_notes: bool,
    /// Which account of the platform it uses; some share one.
    pub(crate) account: u64,
    pub(crate) people: Vec<Person>,
    pub(crate) conversations: Vec<ConversationId>,
}

/// A user with the sessions they will have.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) sessions: Vec<SessionId>,
}

/// What may go wrong in this run; shares are out of a thousand.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) crashes: bool,
    pub(crate) pauses: bool,
    pub(crate) vendor: bool,
    pub(crate) gone: bool,
    /// The platform refuses some notes for good.
    pub(crate) never: bool,
    /// Operators have deliveries sent again.
    pub(crate) replays: bool,
    pub(crate) conflicts: u64,
    pub(crate) lost: u64,
    pub(crate) refused: u64,
    pub(crate) bad_reads: u64,
    /// The longest way to the store or back.
    pub(crate) slow_ms: u64,
    /// The furthest any wall clock is from the truth.
    pub(crate) skew_ms: u64,
}

impl Shape {
    pub(crate) fn draw(seed: u64) -> Self {
        let dice = Dice::new(seed, 1);
        let keeps_all = dice.permille(700);
        let faults = Faults::draw(&dice);
        let pause_s = *Dice::new(seed, 8).pick(&PAUSES_S);
        Self {
            seed,
            instances: usize::from(dice.coin()) + 2,
            products: tenants(&dice),
            steps: dice.among(30..=90),
            policy: offering(&Dice::new(seed, 6), pause_s, policy(&dice, keeps_all)),
            limits: limits(&dice),
            feed: feed_limits(&dice),
            outbox: outbox(&dice),
            window_calls: *dice.pick(&[3, 10, 1000, 1000]),
            retention: Retention {
                log_ms: *dice.pick(&[60_000, 300_000, A_DAY_MS, A_DAY_MS]),
                log_bytes_max: u64::MAX,
                state_ms: A_DAY_MS,
                outbox_ms: A_DAY_MS,
            },
            sweep: Duration::from_millis(dice.among(500..=5000)),
            pending_ms: 120_000,
            faults,
            keeps_all,
            pause_s,
        }
    }

    /// What offers are held to. Where clocks do not agree on what a minute is nothing is counted.
    pub(crate) fn rules(&self) -> Rules {
        let policy = &self.policy;
        let limits = policy.resilience;
        let uncounted = resilience::Limits {
            min_interval_s: limits.min_interval_s,
            ..resilience::Limits::default()
        };
        Rules {
            timeout_s: policy.interaction_timeout_s,
            cooldown_s: policy.cooldown_period_s,
            pauses_s: TRIGGERS.map(|id| (id.to_owned(), self.pause_s)).into(),
            limits: if self.is_wild() { uncounted } else { limits },
            apart_s: Duration::from_millis(2 * self.faults.skew_ms).as_secs_f64(),
        }
    }

    /// Whether wall clocks are further apart than a lease and its vendor can bear.
    pub(crate) fn is_wild(&self) -> bool {
        self.faults.skew_ms > TAME_MS
    }

    pub(crate) fn tenant(&self, product: &ProductId) -> Option<&Tenant> {
        self.products.iter().find(|tenant| tenant.id == *product)
    }

    pub(crate) fn policy_of(&self, product: &ProductId) -> Policy {
        let has_notes = self.tenant(product).is_some_and(|tenant| tenant.has_notes);
        Policy {
            platform: has_notes.then_some("intercom"),
            ..self.policy.clone()
        }
    }
}

impl Tenant {
    /// Whose session it is.
    pub(crate) fn owner(&self, session: &str) -> Option<&Person> {
        let has = |person: &&Person| person.sessions.iter().any(|own| own.as_str() == session);
        self.people.iter().find(has)
    }
}

impl Faults {
    fn draw(dice: &Dice) -> Self {
        let share = |most: u64| {
            if dice.permille(450) {
                dice.among(1..=most)
            } else {
                0
            }
        };
        Self {
            conflicts: share(100),
            lost: share(100),
            refused: share(100),
            bad_reads: share(60),
            slow_ms: *dice.pick(&[3, 3, 30, 400, 4000]),
            crashes: dice.permille(600),
            pauses: dice.permille(400),
            vendor: dice.permille(600),
            gone: dice.permille(350),
            never: dice.permille(200),
            replays: dice.permille(400),
            skew_ms: *dice.pick(&[0, 300, 5000, 9000, 600_000]),
        }
    }
}

fn tenants(dice: &Dice) -> Vec<Tenant> {
    let count = dice.among(1..=3);
    let tenants = (0..count).map(|number| {
        let name = format!("p{number}");
        let people = (0..dice.among(1..=3)).map(|person| Person {
            user: format!("{name}u{person}").into(),
            email: format!("U{person}@{name}.example"),
            sessions: (0..dice.among(1..=2))
                .map(|session| format!("{name}u{person}s{session}").into())
                .collect(),
        });
        Tenant {
            people: people.collect(),
            conversations: (0..dice.among(1..=4))
                .map(|conversation| format!("{name}c{conversation}").into())
                .collect(),
            // The last of three is read through the feed only.
            has_notes: number < 2,
            account: if dice.coin() { 0 } else { number },
            id: name.into(),
        }
    });
    tenants.collect()
}

fn policy(dice: &Dice, keeps_all: bool) -> Policy {
    Policy {
        platform: None,
        pre_link_window_s: if keeps_all { 86_400.0 } else { 20.0 },
        window_actions_max: if keeps_all { 1000 } else { 6 },
        post_link_debounce_s: *dice.pick(&[0.15, 1.0, 3.0]),
        note_bytes_max: *dice.pick(&[200, 10_000, 10_000]),
        bin_seconds: *dice.pick(&[0.0, 3.0]),
        link_carry_s: *dice.pick(&[30.0, 86_400.0]),
        index_mode: *dice.pick(&[IndexMode::Session, IndexMode::Batch]),
        ..Policy::default()
    }
}

/// In some runs there is something to offer. Drawn from a stream of its own, so that the others are what they would be
/// without it.
fn offering(dice: &Dice, pause_s: f64, policy: Policy) -> Policy {
    if !dice.permille(350) {
        return policy;
    }
    let quota = || *dice.pick(&[0, 0, 1, 2]);
    Policy {
        program: Some(Arc::new(program(pause_s))),
        resilience: resilience::Limits {
            min_interval_s: *dice.pick(&[0.0, 0.0, 5.0, 60.0]),
            per_product_minute: quota(),
            per_session_hour: quota(),
            per_user_day: quota(),
        },
        interaction_timeout_s: *dice.pick(&[2.0, 20.0]),
        cooldown_period_s: *dice.pick(&[0.0, 5.0, 60.0]),
        offers: OfferPolicy {
            page_idle_s: 30.0,
            ..OfferPolicy::default()
        },
        ..policy
    }
}

/// Whoever has done something lately is offered help, and whoever rests.
fn program(pause_s: f64) -> Program {
    let entry = |id: &str, r#type: &str, params: Value| {
        json!({
            "id": id, "name": id, "cooldown_s": pause_s,
            "proactive_criteria": {"id": id, "name": id, "type": r#type, "params": params},
            "messages": [{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No"}],
        })
    };
    let [asks, rests] = TRIGGERS;
    let entries = json!({"proactive_intercom": [
        entry(asks, "recent_action", json!({"title_contains": "help", "within_s": 30})),
        entry(rests, "idle", json!({"min_s": 7})),
    ]});
    let (program, _) = Program::read(true, entries.as_object().expect("an object"));
    program
}

fn limits(dice: &Dice) -> Limits {
    Limits {
        live_max: *dice.pick(&[1, 2, 4, 1000]),
        mailbox_max: *dice.pick(&[2, 8, 256]),
        batch_max: *dice.pick(&[1, 3, 64]),
        idle: Duration::from_millis(dice.among(0..=10_000)),
    }
}

fn feed_limits(dice: &Dice) -> feed::Limits {
    feed::Limits {
        ring_entries: *dice.pick(&[1, 3, 1000]),
        page_entries: *dice.pick(&[1, 2, 5, 500]),
        coalesce_entries: *dice.pick(&[1, 2, 64]),
        subscribers_max: 10,
        product_label: false,
        poll: Duration::from_millis(dice.among(500..=5000)),
    }
}

fn outbox(dice: &Dice) -> delivery::Options {
    delivery::Options {
        workers: *dice.pick(&[1, 2, 16]),
        lease_ms: LEASE_MS,
        request_timeout_ms: TIMEOUT_MS,
        poll_ms: dice.among(500..=5000),
        schedule: Schedule {
            retries_max: *dice.pick(&[2, 20, 20, 20]),
            base_ms: 1000,
            cap_ms: 20_000,
        },
        give_up_after_ms: None,
        account: delivery::admission::Limits {
            account_workers: *dice.pick(&[1, 2, 8]),
            breaker_failures: *dice.pick(&[1, 2, 5]),
            breaker_pause_ms: 2000,
            breaker_pause_cap_ms: 30_000,
            refused_probe_ms: *dice.pick(&[20_000, 200_000]),
            rate_pause_ms: 1000,
            rate_pause_cap_ms: 60_000,
        },
    }
}

/// How long a delivery belongs to an attempt.
pub(crate) const LEASE_MS: u64 = 40_000;

/// How long one call to the platform takes at most.
pub(crate) const TIMEOUT_MS: u64 = 10_000;

/// Two clocks, each so far from the truth in its own direction, still leave a lease longer than a call.
const TAME_MS: u64 = (LEASE_MS - TIMEOUT_MS) / 3;

/// Who has something to say: whoever has done something lately is offered help, and whoever rests.
const TRIGGERS: [&str; 2] = ["asks", "rests"];

/// How long triggers keep quiet: hardly, or for longer than everything else does.
const PAUSES_S: [f64; 2] = [1.0, 45.0];

const A_DAY_MS: u64 = 86_400_000;
