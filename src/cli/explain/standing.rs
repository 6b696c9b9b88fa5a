//! Where a session stands, by the time at which it was asked.

use serde_json::Value;

use super::words::{count, occasion, quota, reason, state};
use crate::cli::fields::{Labelled, labelled, text};
use crate::cli::moment::{date, day, time_of_day};
use crate::terminal::{Style, Terminal};

/// The column in which the values stand.
const INDENT: usize = 15;

/// Whose session it is.
pub(super) fn who(out: Terminal, explained: &Value) -> String {
    let of = |name: &str| text(explained, name);
    let when = |name: &str| explained[name].as_f64().map_or_else(String::new, date);
    let fields = [
        ("session", of("session_id"), Some(Style::Strong)),
        ("product", of("product_id"), None),
        ("user", of("user_id"), None),
        ("e-mail", of("email"), None),
        ("last active", when("active_at"), None),
        ("as of", when("as_of"), None),
    ];
    labelled(out, INDENT, fields)
}

/// What holds, what waits, and what keeps the session from the next offer.
pub(super) fn standing(out: Terminal, explained: &Value) -> String {
    let now = Now::of(explained);
    let mut fields: Vec<Labelled> = vec![
        ("conversation", conversation(explained), None),
        ("notes", notes(explained), None),
        ("session is", session(&now, explained), None),
        ("page is", page(&now, explained), None),
    ];
    fields.extend(offers(&now, &explained["offers"]));
    fields.extend([
        ("next step", next_step(&now, &explained["deadlines"]), None),
        ("last error", last_error(explained), Some(Style::Bad)),
    ]);
    labelled(out, INDENT, fields)
}

/// The time at which the service, or the store, was asked. Older services do not tell it.
struct Now(f64);

impl Now {
    fn of(explained: &Value) -> Self {
        Self(explained["as_of"].as_f64().unwrap_or(f64::MAX))
    }

    /// A time that is still to come, as one reads it.
    fn until(&self, at: &Value) -> Option<String> {
        let at = at.as_f64().filter(|at| *at > self.0)?;
        Some(format!("until {}", self.time(at)))
    }

    /// On another day with its date.
    fn time(&self, at: f64) -> String {
        if day(at) == day(self.0) {
            time_of_day(at)
        } else {
            date(at)
        }
    }
}

fn conversation(explained: &Value) -> String {
    let link = &explained["link"];
    let waiting = link["waiting_actions"].as_u64().unwrap_or_default();
    let waiting = count(waiting, "action");
    match text(link, "conversation_id") {
        none if none.is_empty() => format!("none; {waiting} in the window"),
        conversation => format!("{conversation}; {waiting} pending"),
    }
}

fn notes(explained: &Value) -> String {
    let length = |name: &str| explained["notes"][name].as_array().map_or(0, Vec::len);
    let (open, there) = (length("open"), length("part_ids"));
    let trimmed = explained["trimmed_actions"].as_u64().unwrap_or_default();
    let mut parts = vec![format!("{open} on their way"), format!("{there} there")];
    if trimmed > 0 {
        parts.push(format!("{} trimmed", count(trimmed, "action")));
    }
    parts.join("; ")
}

/// The session's own machine, which is left by a timeout only.
fn session(now: &Now, explained: &Value) -> String {
    let machine = &explained["state"];
    let thinking = &machine["thinking"];
    let mut parts = vec![state(&text(machine, "current_state"))];
    parts.extend(now.until(&explained["deadlines"]["state_timeout"]));
    if thinking["cooldown_active"] == true {
        let own = thinking["active_cooldown_period_s"].as_f64();
        let period_s = own.or_else(|| machine["cooldown_period_s"].as_f64());
        let began = thinking["cooldown_started_at"].as_f64();
        let ends_at = began
            .zip(period_s)
            .map(|(began, period_s)| began + period_s);
        let until = now.until(&Value::from(ends_at));
        parts.extend(until.map(|until| format!("keeps quiet {until}")));
    }
    let tour = text(machine, "active_tour_id");
    if !tour.is_empty() {
        parts.push(format!("tour {tour}"));
    }
    parts.join(", ")
}

/// The machine of the page's toast.
fn page(now: &Now, explained: &Value) -> String {
    let machine = &explained["offers"]["page"];
    if machine.is_null() {
        return state("thinking");
    }
    let name = text(machine, "state");
    let mut parts = vec![state(&name)];
    match name.as_str() {
        "proactive_assistance" => parts.extend(now.until(&explained["deadlines"]["offer_timeout"])),
        "conservative_assistance" if machine["conservative_cooldown_until"] == "Infinity" => {
            parts.push("for good".to_owned());
        }
        "conservative_assistance" => {
            parts.extend(now.until(&machine["conservative_cooldown_until"]));
        }
        _ => {}
    }
    let flow = text(machine, "active_guidance_flow_id");
    if !flow.is_empty() {
        parts.push(format!("tour {flow}"));
    }
    parts.join(", ")
}

fn offers(now: &Now, offers: &Value) -> Vec<Labelled> {
    let off = "off: the product describes none, or switches them off (proactive_enabled)";
    let wanted = if offers["enabled"] == true { "on" } else { off };
    let time = |at: &Value| at.as_f64().map_or_else(String::new, |at| now.time(at));
    let open = &offers["open"];
    let matched = &offers["matched"];
    let trigger = |of: &Value| text(&of["offer"], "trigger_id");
    let standing = match trigger(open) {
        none if none.is_empty() => none,
        trigger => format!("{trigger}, since {}", time(&open["made_at"])),
    };
    let suggested = match trigger(matched) {
        none if none.is_empty() => none,
        trigger => format!("{trigger}, since {}", time(&matched["at"])),
    };
    let next = now.until(&offers["next_not_before"]);
    let next = next.map(|until| format!("none {until} (proactive.min_interval_s)"));
    vec![
        ("offers", wanted.to_owned(), None),
        ("decided", decided(now, offers), None),
        ("open offer", standing, Some(Style::Result)),
        ("suggested", suggested, None),
        ("last offer", time(&offers["last_made_at"]), None),
        ("next offer", next.unwrap_or_default(), None),
        ("quiet", quiet(now, &offers["cooldowns"]), None),
        ("quotas", quotas(now, &offers["quotas"]), None),
    ]
}

/// What the newest decision came to, which may have been made again many times since.
fn decided(now: &Now, offers: &Value) -> String {
    let newest = offers["decisions"].as_array().and_then(|all| all.last());
    let Some(newest) = newest else {
        return String::new();
    };
    let since = newest["at"]
        .as_f64()
        .map_or_else(String::new, |at| now.time(at));
    let trigger = text(newest, "trigger_id");
    let words = match text(newest, "verdict").as_str() {
        "offered" => format!("{trigger} is offered"),
        "matched" => format!("{trigger} is to be offered once the page asks"),
        skip => format!("no: {}", reason(skip)),
    };
    format!(
        "{words}, since {since}, {}",
        occasion(&text(newest, "occasion"))
    )
}

/// Triggers that say nothing for now.
fn quiet(now: &Now, cooldowns: &Value) -> String {
    let cooldowns = cooldowns.as_object().into_iter().flatten();
    let running =
        cooldowns.filter_map(|(trigger, at)| Some(format!("{trigger} {}", now.until(at)?)));
    running.collect::<Vec<_>>().join("; ")
}

fn quotas(now: &Now, quotas: &Value) -> String {
    let each = quotas.as_array().into_iter().flatten().map(|one| {
        let (used, max) = (text(one, "used"), text(one, "max"));
        let whose = text(one, "reason");
        let until = now.until(&one["ends_at"]).unwrap_or_default();
        format!("{used} of {max} {}, {until}", quota(&whose))
    });
    each.collect::<Vec<_>>().join("; ")
}

/// The next thing that happens by itself.
fn next_step(now: &Now, deadlines: &Value) -> String {
    let steps = [
        ("note_flush", "what is pending becomes a note"),
        ("offer_timeout", "the offer ends without an answer"),
        ("state_timeout", "the session thinks again"),
        ("triggers", "triggers look again"),
    ];
    let next = &deadlines["next"];
    let step = steps.iter().find(|(name, _)| deadlines[*name] == *next);
    match (next.as_f64(), step) {
        (Some(at), Some((_, words))) => format!("{words}, at {}", now.time(at)),
        _ => String::new(),
    }
}

fn last_error(explained: &Value) -> String {
    let error = &explained["last_error"];
    match error["at"].as_f64() {
        Some(at) => format!("{} ({})", text(error, "text"), date(at)),
        None => String::new(),
    }
}
