//! `triggers_ping_pong`: the predicates and the two triggers.

use event_connector::domain::proactive::trigger::{PingPong, Trigger};
use event_connector::domain::proactive::{Actions, Context, Properties, Seen};
use serde_json::{Value, json};

use super::{Answer, loose, or_error, seen, shown};

pub(super) fn answer(input: &Value) -> Value {
    or_error(answered(input))
}

fn answered(input: &Value) -> Answer {
    let options = &input["options"];
    let is_old = input["sdk"] == "0.7.3";
    let function = input["fn"].as_str().unwrap_or_default();
    let trigger = match function {
        "url_hesitation" => hesitation(options),
        "ping_pong_projects_either_leg" => PingPong {
            leg_must_contain: either_leg(options)?,
            ..cycles(options)
        },
        "canonical_trigger" => trigger(options, is_old),
        "scoped_trigger" => scoped(options, is_old)?,
        _ => cycles(options),
    };
    let actions: Actions = pages(&input["urls"], &trigger)?.into_iter().collect();
    let properties = Properties::new();
    let context = Context::new(0.0, &actions, None, &properties);
    if !function.ends_with("_trigger") {
        return Ok(json!({ "fires": trigger.fires(&context) }));
    }
    let mut offer = trigger.evaluate(&context);
    if let Some(offer) = offer.as_mut().filter(|_| is_old) {
        // The previous generation knows cycles only, and does not say what it has found.
        offer.metadata.remove("matched");
        offer.metadata.remove("hesitation_min_distinct");
    }
    Ok(json!({ "result": shown(offer) }))
}

/// One action per page. A missing page is none; whatever else is no text becomes text, unless a scope would have to be
/// looked for in it.
pub(super) fn pages(urls: &Value, trigger: &PingPong) -> Result<Vec<Seen<'static>>, &'static str> {
    let is_scoped = trigger
        .url_must_contain
        .as_ref()
        .is_some_and(|scope| !scope.is_empty());
    let urls = urls.as_array().into_iter().flatten();
    let urls = urls.filter(|url| !url.is_null());
    urls.map(|url| {
        if is_scoped {
            loose::soft(url)?;
        }
        Ok(seen(&loose::text(url), 0.0, 0.0))
    })
    .collect()
}

/// The trigger with its published options.
pub(super) fn trigger(options: &Value, is_old: bool) -> PingPong {
    let default = PingPong::default();
    PingPong {
        min_cycles: count(&options["min_cycles"], 1),
        broaden_with_hesitation: !is_old && options["broaden_with_hesitation"] != false,
        hesitation_min_distinct: count(
            &options["hesitation_min_distinct"],
            default.hesitation_min_distinct,
        ),
        ..default
    }
}

/// The trigger of one part of a product.
pub(super) fn scoped(options: &Value, is_old: bool) -> Result<PingPong, &'static str> {
    Ok(PingPong {
        url_must_contain: Some(loose::word(&options["url_must_contain"])?.to_owned()),
        ..trigger(options, is_old)
    })
}

fn cycles(options: &Value) -> PingPong {
    PingPong {
        broaden_with_hesitation: false,
        ..trigger(options, false)
    }
}

fn hesitation(options: &Value) -> PingPong {
    PingPong {
        min_cycles: usize::MAX,
        hesitation_min_distinct: count(&options["min_distinct"], 3),
        hesitation_min_repeats: count(&options["min_repeats"], 1),
        ..PingPong::default()
    }
}

fn either_leg(options: &Value) -> Result<String, &'static str> {
    match options.get("projects_substring") {
        Some(part) => Ok(loose::word(part)?.to_owned()),
        None => Ok("projects".to_owned()),
    }
}

/// The smallest whole number that a count must reach to reach the given one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of what is below the range ends at its border"
)]
fn count(value: &Value, default: usize) -> usize {
    match loose::float(value) {
        Ok(number) if number.is_nan() => usize::MAX,
        Ok(number) => number.ceil() as usize,
        Err(_) => default,
    }
}
