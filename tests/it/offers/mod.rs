//! Offers over real HTTP: pages ask, pages report, operators look.

mod gates;
mod labels;
mod leaves;
mod public;
mod recalled;
mod walk;
mod wrong;

use event_connector::clock::{Clock, Hand};
use serde_json::{Value, json};

use crate::support::{Service, Setup, json_of};

/// When the tests begin, Unix seconds: noon, so that no day ends within them.
pub(crate) const NOON_S: f64 = 1_800_014_400.0;

/// A product whose users get help once they say that they are lost.
pub(crate) fn offering(config: Value) -> Value {
    let mut whole = json!({
        "proactive_intercom": [{
            "id": "lost", "name": "Lost users",
            "proactive_criteria": {
                "id": "c1", "name": "says so", "type": "recent_action",
                "params": {"title_contains": "help", "within_s": 60},
            },
            "messages": [
                {"id": "m1", "label": "Show me", "user_tour_exists": true, "user_tour_id": "flow_1"},
                {"id": "m2", "label": "No thanks"},
            ],
        }],
        "tour_registry": [{"id": "t1", "user_tour_id": "flow_1", "interaction_timeout_s": 40, "cooldown_period_s": 90}],
    });
    for (key, value) in config.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    whole
}

/// A service with that product, on a clock that is moved by hand.
async fn start(config: Value, env: &[(&str, &str)]) -> (Service, Hand) {
    start_at(NOON_S, config, env).await
}

/// The same, with the product as it is, at another time.
pub(crate) async fn start_on(now_s: f64, env: &[(&str, &str)]) -> (Service, Hand) {
    start_at(now_s, json!({}), env).await
}

async fn start_at(now_s: f64, config: Value, env: &[(&str, &str)]) -> (Service, Hand) {
    let (clock, hand) = Clock::manual(now_s);
    let setup = Setup {
        integration_type: "event_stream",
        integration: offering(config),
        clock,
        ..Setup::default()
    };
    let setup = env
        .iter()
        .fold(setup, |setup, (name, value)| setup.and(name, value));
    let mut service = Service::with(setup).await;
    // Minutes pass between two calls, and connections do not last as long.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0);
    service.client = client.build().expect("a client");
    (service, hand)
}

/// The page asks.
pub(crate) async fn poll(service: &Service, session: &str) -> Value {
    let answer = service.get(&format!("/context/acme/{session}")).await;
    assert_eq!(answer.status(), 200);
    json_of(answer).await
}

/// The page reports.
pub(crate) async fn report(service: &Service, conversation: &str, event: &str) -> Value {
    let path = format!("/agent_state/acme/{conversation}");
    let answer = service.post(&path, &json!({"event": event})).await;
    assert_eq!(answer.status(), 200);
    json_of(answer).await
}

/// Why there was nothing to show.
pub(crate) fn reason(polled: &Value) -> &str {
    assert_eq!(polled["proactive_trigger"], Value::Null, "{polled}");
    polled["proactive_skip_reason"].as_str().expect("a reason")
}

/// The user says that they are lost, for the `nth` time: events that are alike to the letter are one.
pub(crate) async fn ask_for_help(service: &Service, session: &str, user: &str, nth: usize) {
    let label = format!("Get help {nth}");
    service.click(session, user, &label).await;
}
