//! What triggers look at is recalled from the log. The stage reads each state that is written as whoever loads it
//! does, and compares it with the session that wrote it.

use event_connector::domain::action::{NewAction, Provider};
use event_connector::domain::proactive::Seen;
use event_connector::domain::session::{Input, Policy};
use proptest::prelude::*;

use super::stage::{Stage, T0, action};

fn speaking() -> Stage {
    let mut stage = Stage::with(Policy {
        program: Some(super::speaking::program(true)),
        ..Policy::default()
    });
    stage.recalls = 5;
    stage
}

fn on(page: &str, name: &str, at: f64) -> NewAction {
    NewAction {
        canonical_url: page.to_owned(),
        ..action(name, at)
    }
}

fn seen(stage: &Stage) -> Vec<Seen<'_>> {
    Stage::seen(&stage.session)
}

#[test]
fn what_triggers_look_at_is_in_the_log_and_not_in_the_state() {
    let mut stage = speaking();
    let pages = ["", "https://app.example/a", "https://app.example/b"];
    for number in 0..90_u32 {
        let now = T0 + f64::from(number);
        let page = pages[number as usize / 4 % pages.len()];
        // The first of the two ends when the second begins.
        let batch = [
            on(page, &format!("\"{number}\" önce"), now - 0.25),
            on(page, &format!("{number} more"), now),
        ];
        stage.act(now, &batch);
    }
    let seen = seen(&stage);
    assert_eq!(seen.len(), stage.policy.offers.actions_max);
    let spans = seen.iter().filter(|seen| seen.end - seen.start == 0.25);
    assert_eq!(spans.count(), seen.len() / 2);
    let state = String::from_utf8_lossy(&stage.stored.state);
    assert!(
        !state.contains("Click") && !state.contains("app.example"),
        "{state}"
    );
}

#[test]
fn the_newest_action_is_found_behind_whatever_happened_since() {
    let mut stage = speaking();
    stage.act(T0, &[on("https://app.example/a", "Open", T0)]);
    // Each poll is decided otherwise than the one before, which the log tells.
    for number in 0..40_u32 {
        stage.handle(T0 + 200.0 * f64::from(number), Input::Poll);
    }
    let seen = seen(&stage);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].canonical_url, "https://app.example/a");
}

#[test]
fn an_action_from_a_clock_that_is_ahead_happened_when_it_arrived() {
    let mut stage = speaking();
    stage.act(T0, &[on("", "Tomorrow", T0 + 86_400.0)]);
    stage.act(T0 + 100.0, &[on("", "Today", T0 + 100.0)]);
    assert_eq!(seen(&stage)[0].start, T0);
    stage.handle(T0 + 121.0, Input::Poll);
    assert_eq!(seen(&stage).len(), 1);
}

/// One step of a user: how long after the one before, how long ago by the user's clock, where, told by whom, and
/// whether the page asks.
type Step = (u16, i16, u8, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The stage compares.
    #[test]
    fn whatever_happens_a_loaded_session_is_the_one_that_was_written(
        steps in prop::collection::vec(any::<Step>(), 1..60)
    ) {
        let mut stage = speaking();
        let mut now = T0;
        for (number, (later, ago, page, is_late, asks)) in steps.into_iter().enumerate() {
            now += f64::from(later % 60);
            if asks {
                stage.handle(now, Input::Poll);
                continue;
            }
            let at = now - f64::from(ago % 180);
            let page = ["", "https://app.example/a", "https://app.example/b"][usize::from(page % 3)];
            let batch = [
                on(page, &format!("{number}"), at),
                NewAction { at: (ago % 5 != 0).then_some(at + 0.5), ..on(page, &format!("{number} too"), at) },
            ];
            let provider = if is_late { Provider::Fullstory } else { Provider::Amplitude };
            let input = stage.activity(provider, &batch);
            stage.handle(now, input);
        }
    }
}
