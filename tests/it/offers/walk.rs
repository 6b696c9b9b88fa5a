//! From an offer to the end of its tour, as a page and an operator see it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ask_for_help, poll, reason, report, start};
use crate::support::{Service, eventually};

const TOAST: &str = "proactive:s1";

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_made_once_taken_and_ends_with_its_tour_across_a_restart() {
    let (service, hand) = start(json!({}), &[]).await;
    assert_eq!(reason(&poll(&service, "s1").await), "no_trigger");
    service.click("s1", "u1", "Save").await;
    let nothing = poll(&service, "s1").await;
    assert_eq!(
        (reason(&nothing), &nothing["state"]),
        ("no_trigger", &json!("thinking"))
    );

    ask_for_help(&service, "s1", "u1", 1).await;
    let polled = poll(&service, "s1").await;
    let trigger = &polled["proactive_trigger"];
    assert_eq!(trigger["trigger_id"], "lost");
    assert_eq!(
        trigger["reply_option_labels"],
        json!(["Show me", "No thanks"])
    );
    assert_eq!(trigger["user_tour_id"], "flow_1");
    assert_eq!(polled["proactive_skip_reason"], Value::Null);
    assert_eq!(polled["state"], "proactive_assistance");
    assert_eq!(polled["conversation_id"], TOAST);
    assert_eq!(
        states(&service).await,
        ["proactive_assistance", "proactive_assistance"]
    );
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:wrong_state");

    let service = service.restart().await;
    hand.advance(Duration::from_secs(5));
    let taken = report(&service, TOAST, "proactive_accepted_tour").await;
    let wanted = json!({
        "status": "ok", "previous": "proactive_assistance", "state": "guidance_execution",
    });
    assert_eq!(taken, wanted);
    let again = report(&service, TOAST, "proactive_accepted_tour").await;
    assert_eq!(again, json!({"reason": "invalid_transition"}));
    let shown = service.show("s1").await;
    assert_eq!(shown["offers"]["open"], Value::Null);
    assert_eq!(shown["state"]["active_tour_id"], "flow_1");
    assert_eq!(shown["state"]["interaction_timeout_s"], 40.0);
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:wrong_state");

    let service = service.restart().await;
    let over = report(&service, TOAST, "tour_completed").await;
    assert_eq!(over["state"], "thinking");
    // The session's own machine is left by a timeout only.
    assert_eq!(states(&service).await, ["proactive_assistance", "thinking"]);
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:wrong_state");
    hand.advance(Duration::from_secs(21));
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:cooldown");
    hand.advance(Duration::from_secs(91));
    assert_eq!(
        reason(&poll(&service, "s1").await),
        "resilience:min_interval"
    );
    hand.advance(Duration::from_secs(200));
    ask_for_help(&service, "s1", "u1", 2).await;
    let polled = poll(&service, "s1").await;
    assert_eq!(
        polled["proactive_trigger"]["trigger_id"], "lost",
        "{polled}"
    );

    assert_eq!(endings(&service).await, ["accepted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_nobody_answers_times_out_by_itself() {
    let (service, hand) = start(json!({}), &[]).await;
    ask_for_help(&service, "s1", "u1", 3).await;
    assert!(poll(&service, "s1").await["proactive_trigger"].is_object());
    hand.advance(Duration::from_secs(10));
    eventually("the offer ends", || async {
        let ended = endings(&service).await;
        if ended == ["timed_out"] {
            Ok(())
        } else {
            Err(ended)
        }
    })
    .await;
    let late = report(&service, TOAST, "proactive_accepted_chat").await;
    assert_eq!(late, json!({"reason": "invalid_transition"}));
    assert_eq!(endings(&service).await, ["timed_out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declined_is_not_offered_for_longer_each_time() {
    let (service, hand) = start(json!({}), &[("CONNECTOR__PROACTIVE__MIN_INTERVAL_S", "0")]).await;
    // The session's own machine comes to rest beside the page's.
    for (nth, quiet_s) in [(1, 600), (3, 900)] {
        ask_for_help(&service, "s1", "u1", nth).await;
        assert!(poll(&service, "s1").await["proactive_trigger"].is_object());
        let declined = report(&service, TOAST, "proactive_dismissed").await;
        assert_eq!(declined["state"], "conservative_assistance");
        hand.advance(Duration::from_secs(30));
        eventually("the session thinks", || async {
            let [own, _] = states(&service).await;
            if own == "thinking" { Ok(()) } else { Err(own) }
        })
        .await;
        hand.advance(Duration::from_secs(quiet_s - 31));
        ask_for_help(&service, "s1", "u1", nth + 1).await;
        assert_eq!(reason(&poll(&service, "s1").await), "fsm:cooldown");
        hand.advance(Duration::from_secs(1));
    }
    assert_eq!(endings(&service).await, ["dismissed", "dismissed"]);
    let reset = report(&service, TOAST, "reset").await;
    assert_eq!(reset["state"], "thinking");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_on_the_page_holds_offers_back_until_it_ends_or_is_left_alone() {
    let (service, hand) = start(json!({}), &[]).await;
    ask_for_help(&service, "s1", "u1", 4).await;
    assert_eq!(
        report(&service, TOAST, "user_sent").await["state"],
        "reactive_assistance"
    );
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:wrong_state");
    let answered = report(&service, TOAST, "bot_response_completed").await;
    assert_eq!(answered["state"], "thinking");
    assert_eq!(
        report(&service, TOAST, "user_sent").await["state"],
        "reactive_assistance"
    );
    hand.advance(Duration::from_secs(600));
    ask_for_help(&service, "s1", "u1", 5).await;
    let polled = poll(&service, "s1").await;
    assert!(polled["proactive_trigger"].is_object(), "{polled}");
}

/// Where the session's machine and that of its page stand.
async fn states(service: &Service) -> [String; 2] {
    let shown = service.show("s1").await;
    let own = shown["state"]["current_state"].as_str();
    let page = shown["offers"]["page"]["state"].as_str();
    [own, page].map(|state| state.expect("a state").to_owned())
}

/// How offers ended, the first first.
async fn endings(service: &Service) -> Vec<String> {
    let shown = service.show("s1").await;
    let log = shown["log"].as_array().expect("a list").iter();
    let ended = log.filter(|entry| entry["type"] == "offer_ended");
    let outcomes = ended.map(|entry| entry["body"]["outcome"].as_str());
    outcomes
        .map(|outcome| outcome.expect("an outcome").to_owned())
        .collect()
}
