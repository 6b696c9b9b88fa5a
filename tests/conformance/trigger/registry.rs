//! `trigger_registry`: evaluation order, other times for offers, predicates, and what triggers look at.

use event_connector::domain::proactive::trigger::{Entity, Registry, Timings, Trigger, parse};
use event_connector::domain::proactive::{Actions, Context, Offer, Properties, Scalar, Seen};
use serde_json::{Map, Value, json};

use super::{Answer, actions, dwell, loose, or_error, ping_pong, scope, section, seen, shown};
use crate::case::guarded;

pub(super) fn answer(input: &Value) -> Value {
    or_error(match input["fn"].as_str() {
        Some("context_from_actions") => from_actions(input),
        Some("context_from_payloads") => from_payloads(input),
        _ => evaluate(input),
    })
}

fn evaluate(input: &Value) -> Answer {
    let context = &input["context"];
    let triggers = input["triggers"].as_array().into_iter().flatten();
    let triggers = triggers.map(|wanted| trigger(wanted, context));
    let registry = Registry::new(triggers.collect::<Result<_, _>>()?);
    let properties = Properties::new();
    let nothing = Actions::default();
    let now = input["wall"].as_f64().unwrap_or_default();
    let empty = Context::new(now, &nothing, None, &properties);
    let first = registry.evaluate(&empty, |_| false, |_, _| {});
    if input["fn"] == "evaluate_first_only" {
        return Ok(json!({ "first": shown(first) }));
    }
    let registered: Vec<&str> = registry.triggers().map(Trigger::id).collect();
    let offers = registry.triggers();
    let offers = offers.filter_map(|trigger| guarded(|| trigger.evaluate(&empty)).ok()?);
    let all: Vec<Offer> = offers.collect();
    let ids = |is_wanted: bool| -> Vec<&str> {
        let is_instant = |offer: &&Offer| {
            offer.metadata.get("triggering_type") == Some(&json!("instant_trigger"))
        };
        let offers = all.iter().filter(|offer| is_instant(offer) == is_wanted);
        offers.map(|offer| offer.trigger_id.as_str()).collect()
    };
    Ok(json!({
        "registered": registered,
        "first": shown(first),
        "all": all,
        "instant": ids(true),
        "gated": ids(false),
    }))
}

/// A trigger as a case describes it.
fn trigger(wanted: &Value, context: &Value) -> Result<Box<dyn Trigger>, &'static str> {
    let (options, extra) = (&wanted["options"], &context["context_extra"]);
    let recent = actions(&context["recent_actions"])?;
    let pages = |trigger| ping_pong::pages(&context["canonical_urls"], trigger);
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let inner: Box<dyn Trigger> = match kind {
        "scoped_ping_pong" | "canonical_url_ping_pong" => {
            let inner = if kind == "scoped_ping_pong" {
                ping_pong::scoped(options, false)?
            } else {
                ping_pong::trigger(options, false)
            };
            let actions = pages(&inner)?;
            View::boxed(Box::new(inner), actions, extra)
        }
        "user_page_dwell" => View::boxed(Box::new(dwell::trigger(extra, options)?), recent, extra),
        "section_playbook_match" => Box::new(section::playbook_of(extra)),
        _ if wanted["predicate"]["op"] == "raise" => Box::new(Raising),
        _ => {
            let inner = predicate(wanted, context)?;
            let looks_at_urls = wanted["predicate"]["op"] == "any_url_contains";
            let actions = if looks_at_urls {
                pages(&ping_pong::trigger(&Value::Null, false))?
            } else {
                recent
            };
            View::boxed(inner, actions, extra)
        }
    };
    let Some(entity) = wanted.get("entity") else {
        return Ok(inner);
    };
    let inner = wrapped(inner, &entity["timings"], &entity["triggering_type"]);
    Ok(match entity.get("nested") {
        Some(timings) => wrapped(inner, timings, &entity["nested_type"]),
        None => inner,
    })
}

fn wrapped(inner: Box<dyn Trigger>, timings: &Value, kind: &Value) -> Box<dyn Trigger> {
    let mut own = Timings::default();
    for (key, place) in [
        ("interaction_timeout_s", &mut own.interaction_timeout_s),
        ("cooldown_s", &mut own.cooldown_s),
    ] {
        *place = timings[key].as_f64().unwrap_or(*place);
    }
    let kind = kind.as_str().map(str::to_owned);
    Box::new(Entity::new(inner, own, kind))
}

/// A predicate, read as from a product's configuration. What only a host in code could ask is answered here.
fn predicate(wanted: &Value, context: &Value) -> Result<Box<dyn Trigger>, &'static str> {
    let predicate = &wanted["predicate"];
    let text = |key: &str| context[key].as_str().unwrap_or_default();
    let value = predicate["value"].as_str().unwrap_or_default();
    let answered = match predicate["op"].as_str() {
        Some("action_count_gte") => {
            Some(context["action_count"].as_u64() >= predicate["n"].as_u64())
        }
        Some("session_id_eq") => Some(text("session_id") == value),
        Some("summary_contains") => Some(text("latest_summary_text").contains(value)),
        _ => None,
    };
    let predicate = match answered {
        Some(true) => json!({"op": "always"}),
        Some(false) => json!({"op": "never"}),
        None => predicate.clone(),
    };
    let metadata = match wanted["metadata_from_context"].as_array() {
        Some(keys) => keys
            .iter()
            .filter_map(Value::as_str)
            .map(|key| (key.to_owned(), context[key].clone()))
            .collect(),
        None => wanted["metadata"].clone(),
    };
    let config = json!({"proactive_triggers": {"predicates": [{
        "trigger_id": wanted["trigger_id"],
        "body": wanted.get("body").unwrap_or(&json!("b")),
        "reply_option_labels": wanted["reply_option_labels"],
        "metadata": metadata,
        "predicate": predicate,
    }]}});
    let config = config.as_object().cloned().unwrap_or_default();
    let (triggers, flaws) = parse(&config);
    let read = triggers.and_then(|mut triggers| triggers.pop());
    read.filter(|_| flaws.is_empty()).ok_or("KeyError")
}

/// A trigger that looks at its own part of a context: in the published form pages, actions and extra fields need not
/// belong together.
#[derive(Debug)]
struct View {
    inner: Box<dyn Trigger>,
    actions: Actions,
    properties: Properties,
}

impl View {
    fn boxed(
        inner: Box<dyn Trigger>,
        actions: Vec<Seen<'static>>,
        extra: &Value,
    ) -> Box<dyn Trigger> {
        let extra = extra.as_object().into_iter().flatten();
        let properties = extra.filter_map(|(key, value)| {
            let scalar = Scalar::Text(value.as_str()?.into());
            Some((key.as_str().into(), scalar))
        });
        Box::new(Self {
            inner,
            actions: actions.into_iter().collect(),
            properties: properties.collect(),
        })
    }
}

impl Trigger for View {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn evaluate(&self, context: &Context<'_>) -> Option<Offer> {
        self.inner.evaluate(&Context::new(
            context.now,
            &self.actions,
            None,
            &self.properties,
        ))
    }
}

/// A trigger of a host that does not work.
#[derive(Debug)]
struct Raising;

impl Trigger for Raising {
    fn id(&self) -> &str {
        "raising"
    }

    fn evaluate(&self, _: &Context<'_>) -> Option<Offer> {
        panic!("as the case wants it");
    }
}

fn from_actions(input: &Value) -> Answer {
    checked(&input["options"])?;
    let list = input["actions"].as_array();
    let list: Vec<&Value> = list.into_iter().flatten().collect();
    Ok(context(&list, &input["options"]))
}

/// Batches as they went over the feed. All of a batch is as old as its hand-off.
fn from_payloads(input: &Value) -> Answer {
    let options = &input["options"];
    let lookback_s = bound(options, "lookback_seconds", 120.0)?;
    let actions_max = bound(options, "max_actions", 50.0)?;
    if lookback_s <= 0.0 || actions_max < 1.0 {
        return Err("ValueError");
    }
    checked(options)?;
    let now = options.get("now").unwrap_or(&input["wall"]);
    let batches = input["payloads"].as_array().into_iter().flatten();
    let listed = batches.flat_map(|batch| {
        let at = batch["forwarded_at"].as_f64().unwrap_or_default();
        let actions = batch["actions"].as_array().into_iter().flatten();
        actions.map(move |action| (at, action))
    });
    let listed: Vec<(f64, &Value)> = listed.collect();
    let numbered = listed.iter().enumerate().map(|(place, (at, _))| Seen {
        title: place.to_string().into(),
        ..seen("", *at, *at)
    });
    let mut kept: Actions = numbered.collect();
    let oldest = loose::float(now)? - lookback_s;
    kept.trim(oldest, whole(actions_max));
    // With us the newest counts however old it is, which the published form does not know.
    let young = kept.iter().filter(|seen| seen.start >= oldest);
    let places = young.filter_map(|seen| seen.title.parse::<usize>().ok());
    let kept: Vec<&Value> = places.map(|place| listed[place].1).collect();
    Ok(context(&kept, options))
}

/// A bound with its default; `null` is none.
fn bound(options: &Value, key: &str, default: f64) -> Result<f64, &'static str> {
    match options.get(key) {
        None => Ok(default),
        Some(Value::Null) => Ok(f64::INFINITY),
        Some(bound) => loose::float(bound),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of what is above the range ends at its border"
)]
fn whole(bound: f64) -> usize {
    bound as usize
}

fn checked(options: &Value) -> Result<(), &'static str> {
    if options["scope_policy"] == "lenient" {
        return Ok(());
    }
    let requires_conversation = options["require_conversation"] == true;
    let scope = scope::scope(options)?;
    scope.check(requires_conversation).map_err(|_| "ValueError")
}

/// The published form of a context.
fn context(actions: &[&Value], options: &Value) -> Value {
    let listed = |key: &str, absent: Value| -> Vec<Value> {
        let values = actions.iter().map(|action| action.get(key));
        let values = values.map(|value| value.unwrap_or(&absent).clone());
        values.collect()
    };
    let urls = listed("canonical_url", json!("")).into_iter();
    let urls = urls.map(|url| if url == "" { Value::Null } else { url });
    let or = |key: &str, default: Value| {
        let given = options.get(key).filter(|value| !value.is_null());
        given.cloned().unwrap_or(default)
    };
    json!({"context": {
        "canonical_urls": urls.collect::<Vec<_>>(),
        "recent_titles": listed("title", json!("")),
        "recent_indexes": listed("index", json!(0)),
        "session_id": or("session_id", json!("")),
        "conversation_id": or("conversation_id", json!("")),
        "product_id": or("product_id", json!("")),
        "action_count": or("action_count", json!(0)),
        "latest_summary_text": or("latest_summary_text", json!("")),
        "prior_session_summaries": or("prior_session_summaries", json!([])),
        "context_extra": or("context_extra", Value::Object(Map::new())),
    }})
}
