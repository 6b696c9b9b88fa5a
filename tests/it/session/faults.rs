//! Sessions on a store that lies and fails: whatever happens in between, an action that was answered
//! is on the feed exactly once and in order, because its repetition is recognised.

use std::sync::Arc;
use std::time::Duration;

use event_connector::chance::Chance;
use event_connector::clock::Clock;
use event_connector::domain::action::{ActionType, ActionsPayload, Activity, NewAction, Provider};
use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::log::Offset;
use event_connector::domain::machine::Machine;
use event_connector::domain::session::index::{LinkRequest, Trust};
use event_connector::domain::session::{Input, Link, Policy, Reply, Session};
use event_connector::metrics::Metrics;
use event_connector::session::{Limits, Registry, Surroundings};
use event_connector::store::memory::{Fault, Memory};
use event_connector::store::{Entry, Error, Store};
use event_connector::tasks::Tasks;
use proptest::prelude::*;

/// How often a provider repeats what was refused.
const TRIES: usize = 20;

#[derive(Clone, Debug)]
enum Step {
    /// The n-th action, through one of two instances.
    Act(bool),
    /// A conversation, through one of two instances.
    Link(bool),
    Conflict,
    LostReply,
    LostRequest,
    Refusal,
    BadRead,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(Step::Act),
        1 => any::<bool>().prop_map(Step::Link),
        1 => Just(Step::Conflict),
        1 => Just(Step::LostReply),
        1 => Just(Step::LostRequest),
        1 => Just(Step::Refusal),
        1 => Just(Step::BadRead),
    ];
    proptest::collection::vec(step, 1..40)
}

fn instance(store: &Arc<Memory>, seed: u64) -> Registry<Session> {
    let (clock, _) = Clock::manual(1_779_095_640.0);
    let around = Surroundings {
        store: store.clone(),
        clock,
        chance: Chance::seeded(seed),
        tasks: Tasks::new(),
        metrics: Metrics::new(),
        product_label: true,
        policy: Box::new(|_| Arc::new(Policy::default())),
        committed: Box::new(|_, _| {}),
    };
    let limits = Limits {
        live_max: 10,
        mailbox_max: 10,
        batch_max: 10,
        idle: Duration::from_secs(3600),
    };
    Registry::new(around, limits)
}

fn activity(number: usize) -> Input {
    let action = NewAction {
        duplicate_key: number as u64 + 1,
        r#type: ActionType::Click,
        title: String::new(),
        description: format!("<{number}>"),
        at: Some(1_779_095_640.0),
        raw_url: String::new(),
        canonical_url: String::new(),
        user_id: None,
        email: None,
    };
    Input::Activity(Arc::new(Activity {
        actions: vec![action],
        ..Activity::new(Provider::Posthog, number as u64 + 1)
    }))
}

fn link() -> Input {
    Input::Link(LinkRequest {
        conversation: "c1".into(),
        trust: Trust::Platform,
        message: false,
        notification_key: None,
    })
}

fn key() -> Key {
    Key::session(&ProductId::from("acme"), &SessionId::from("s1"))
}

/// Asks until it is answered, as providers and platforms do.
async fn insist(sessions: &Registry<Session>, input: Input) -> Reply {
    for _ in 0..TRIES {
        if let Ok(reply) = sessions.ask(&key(), input.clone(), "test".into()).await {
            return reply;
        }
    }
    panic!("never answered");
}

async fn play(steps: &[Step]) -> (usize, Vec<String>, Vec<String>) {
    let store = Arc::new(Memory::new());
    let instances = [instance(&store, 1), instance(&store, 2)];
    let mut acted = 0;
    for step in steps {
        let fault = match step {
            Step::Act(side) => {
                insist(&instances[usize::from(*side)], activity(acted)).await;
                acted += 1;
                continue;
            }
            Step::Link(side) => {
                insist(&instances[usize::from(*side)], link()).await;
                continue;
            }
            Step::Conflict => Fault::Conflict,
            Step::LostReply => Fault::LostReply,
            Step::LostRequest => Fault::LostRequest,
            Step::Refusal => Fault::NotWritten(Error::Full),
            Step::BadRead => Fault::Read(Error::Overloaded),
        };
        store.inject(fault);
    }
    // Faults that nothing has met yet must not hide what was written.
    for _ in 0..steps.len() {
        let _ = store.load(&key()).await;
    }
    let product = ProductId::from("acme");
    let page = store.feed(&product, Offset::default(), 1000).await;
    let told = told(&page.expect("readable").entries);
    (acted, told, held(&store).await)
}

/// The actions of feed entries, in order.
fn told(entries: &[Entry]) -> Vec<String> {
    let payloads = entries.iter().map(|entry| {
        let payload: ActionsPayload<'_> = serde_json::from_str(&entry.body).expect("a payload");
        payload.actions
    });
    let actions = payloads.flatten();
    actions
        .map(|action| action.description.into_owned())
        .collect()
}

/// What waits for a note or is in one, in order: nothing has been delivered in these stories.
async fn held(store: &Memory) -> Vec<String> {
    let stored = store.load(&key()).await.expect("readable");
    let Some(stored) = stored else {
        return Vec::new();
    };
    let session = Session::decode(&stored.state, &stored.settled).expect("readable");
    let notes = session.open_notes.into_iter();
    let mut lines: Vec<_> = notes.flat_map(|note| note.lines).collect();
    lines.extend(match session.link {
        Link::Unlinked { window } => window.into_items(),
        Link::Linked { pending, .. } => pending,
    });
    lines.into_iter().map(|line| line.description).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_answered_is_told_once_in_order_and_held_for_a_note(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (acted, told, held) = runtime.expect("a runtime").block_on(play(&steps));
        let expected: Vec<_> = (0..acted).map(|number| format!("<{number}>")).collect();
        prop_assert_eq!(&told, &expected);
        prop_assert_eq!(&held, &expected);
    }
}
