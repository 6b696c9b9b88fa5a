//! How long a user has been on a page, however much was done there.

use std::sync::Arc;

use event_connector::domain::action::NewAction;
use event_connector::domain::proactive::Program;
use event_connector::domain::session::{Policy, Verdict};
use serde_json::json;

use super::stage::{Stage, T0, action};

/// A product that offers help to whoever has been on a page for ten minutes.
fn patient() -> Policy {
    let config = json!({"proactive_intercom": [{
        "id": "stays", "name": "Stays",
        "proactive_criteria": {"id": "d", "name": "D", "type": "dwell", "params": {"min_s": 600}},
        "messages": [{"id": "m", "label": "Show me"}],
    }]});
    let config = config.as_object().expect("an object");
    let (program, flaws) = Program::read(true, config);
    assert_eq!(flaws, []);
    Policy {
        program: Some(Arc::new(program)),
        ..Policy::default()
    }
}

fn click(stage: &mut Stage, page: &str, at_s: u32) {
    let now = T0 + f64::from(at_s);
    let action = NewAction {
        canonical_url: page.to_owned(),
        ..action(&format!("step {at_s}"), now)
    };
    stage.act(now, &[action]);
}

fn verdict(stage: &Stage) -> Option<Verdict> {
    let offers = stage.session.offers.as_ref()?;
    offers.decisions.back().map(|decision| decision.verdict)
}

#[test]
fn whoever_works_on_a_page_for_long_is_known_to_be_there() {
    let (form, other) = ("https://app.example/form", "https://app.example/home");
    let mut stage = Stage::with(patient());
    click(&mut stage, other, 0);
    // More than triggers look at, over longer than they look back.
    for at_s in (10..=605).step_by(5) {
        click(&mut stage, form, at_s);
        // What happens off any page does not leave it.
        click(&mut stage, "", at_s + 1);
    }
    let offers = stage.session.offers.as_ref().expect("offers are wanted");
    assert_eq!(offers.evaluate_at, Some(T0 + 610.0));
    assert_eq!(verdict(&stage), Some(Verdict::NoTrigger));
    click(&mut stage, form, 610);
    assert_eq!(verdict(&stage), Some(Verdict::Matched));
}

#[test]
fn whoever_leaves_a_page_begins_anew() {
    let (form, other) = ("https://app.example/form", "https://app.example/home");
    let mut stage = Stage::with(patient());
    click(&mut stage, form, 0);
    click(&mut stage, other, 590);
    click(&mut stage, form, 595);
    click(&mut stage, form, 700);
    let offers = stage.session.offers.as_ref().expect("offers are wanted");
    assert_eq!(offers.evaluate_at, Some(T0 + 1195.0));
    assert_eq!(verdict(&stage), Some(Verdict::NoTrigger));
}
