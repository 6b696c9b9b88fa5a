//! What happened, as lines: from the log, and from the decisions that are no news to it.

use serde_json::Value;

use super::words::{authority, count, ending, occasion, reason, state};
use crate::cli::fields::{painted, text};
use crate::cli::moment::{day, time_of_day};
use crate::client::{Action, Payload};
use crate::terminal::{Style, Terminal, width};

/// Where texts begin: behind the time and the tag.
const INDENT: usize = 19;

/// Before an aside.
const SEPARATOR: &str = " · ";

/// An action that came in so long after it was done is late.
const LATE_S: f64 = 5.0;

/// One thing that happened.
struct Line {
    at: f64,
    style: Style,
    tag: &'static str,
    text: String,
    aside: String,
}

/// The story, oldest first, of a session of whose log `asked` entries were asked for.
pub(super) fn story(out: Terminal, explained: &Value, asked: usize) -> String {
    let mut told = String::new();
    if let Some(remark) = left_out(explained, asked) {
        told += &paragraph(out, &remark);
    }
    let mut today = String::new();
    for line in lines(explained) {
        let day = day(line.at);
        if day != today {
            told += &paragraph(out, &day);
            today = day;
        }
        told += &shown(out, &line);
    }
    told
}

fn paragraph(out: Terminal, text: &str) -> String {
    painted(out, Some(Style::Faint), text, 0).join("\n") + "\n"
}

/// What is missing at the beginning.
fn left_out(explained: &Value, asked: usize) -> Option<String> {
    let log = explained["log"].as_array()?;
    let before = log.last()?["sequence"].as_u64()?.checked_sub(1)?;
    match before {
        0 => None,
        _ if log.len() < asked => Some(format!(
            "what happened before is no longer kept (retention.log_s), up to entry {before} of its log"
        )),
        _ => Some(format!(
            "what happened before is left out, up to entry {before} of its log; --entries shows more"
        )),
    }
}

fn lines(explained: &Value) -> Vec<Line> {
    let log = explained["log"].as_array().map(Vec::as_slice);
    let log = log.unwrap_or_default();
    let mut lines: Vec<Line> = log.iter().rev().flat_map(of_entry).collect();
    let is_whole = log.last().is_none_or(|first| first["sequence"] == 1);
    let begin = lines.first().map(|first| first.at).filter(|_| !is_whole);
    let decisions = explained["offers"]["decisions"].as_array();
    let silent = decisions.into_iter().flatten().filter_map(of_silence);
    for line in silent.filter(|line| begin.is_none_or(|begin| line.at >= begin)) {
        let before = lines.iter().rposition(|other| other.at <= line.at);
        lines.insert(before.map_or(0, |at| at + 1), line);
    }
    lines
}

/// A decision that there is nothing to say, which the log does not have.
fn of_silence(decision: &Value) -> Option<Line> {
    (decision["verdict"] == "no_trigger").then(|| Line {
        at: decision["at"].as_f64().unwrap_or_default(),
        style: Style::Faint,
        tag: "silent",
        text: format!("nothing is offered: {}", reason("no_trigger")),
        aside: occasion(&text(decision, "occasion")).to_owned(),
    })
}

fn of_entry(entry: &Value) -> Vec<Line> {
    let at = entry["at"].as_f64().unwrap_or_default();
    let body = &entry["body"];
    let kind = text(entry, "type");
    let source = text(entry, "source");
    if kind == "actions" {
        return of_actions(at, body);
    }
    let (style, tag, text, aside) = match kind.as_str() {
        "linked" | "link_refused" | "unlinked" => of_link(&kind, &source, body),
        "note_queued" | "note_delivered" | "note_failed" => of_note(&kind, body),
        "decided" => of_decision(body),
        _ => of_other(&kind, &source, body),
    };
    vec![Line {
        at,
        style,
        tag,
        text,
        aside,
    }]
}

/// What a line says: how, of which kind, what, and an aside.
type Said = (Style, &'static str, String, String);

fn of_link(kind: &str, source: &str, body: &Value) -> Said {
    let conversation = text(body, "conversation_id");
    let aside = authority(source).to_owned();
    match kind {
        "linked" => {
            let words = format!("it is linked to conversation {conversation}");
            (Style::Link, "chat", words, aside)
        }
        "link_refused" => {
            let words = format!(
                "it is not linked to conversation {conversation}, which shows another user's session"
            );
            (Style::Warning, "refused", words, aside)
        }
        _ => {
            let reason = text(body, "reason");
            let words = format!("conversation {conversation} is gone: {reason}");
            let aside = format!("{} back in the window", actions(body));
            (Style::Bad, "chat", words, aside)
        }
    }
}

fn of_note(kind: &str, body: &Value) -> Said {
    let delivery = format!("delivery {}", text(body, "delivery_id"));
    match kind {
        "note_queued" => {
            let words = format!("a note of {} is on its way", actions(body));
            (Style::Input, "note", words, delivery)
        }
        "note_delivered" => {
            let words = "it is in the conversation".to_owned();
            (Style::Result, "note", words, delivery)
        }
        _ => {
            let words = format!("it is given up: {}", text(body, "reason"));
            (Style::Bad, "note", words, delivery)
        }
    }
}

fn of_other(kind: &str, source: &str, body: &Value) -> Said {
    let of = |name: &str| text(body, name);
    match kind {
        "state_changed" => {
            let machine = match of("machine").as_str() {
                "page" => "page",
                _ => "session",
            };
            let (from, to) = (state(&of("from")), state(&of("to")));
            let words = format!("the {machine} goes from {from} to {to}");
            (Style::Faint, "state", words, format!("by {source}"))
        }
        "offer_ended" => {
            let words = format!("{}: {}", of("trigger_id"), ending(&of("outcome")));
            let style = match of("outcome").as_str() {
                "accepted" => Style::Good,
                _ => Style::Warning,
            };
            (style, "offer", words, String::new())
        }
        "transition_refused" => {
            let words = format!("the page reports {}, which does not fit", of("event"));
            let aside = format!("the page is {}", state(&of("state")));
            (Style::Warning, "refused", words, aside)
        }
        "window_trimmed" => {
            let words = format!("{} too old for the window", actions(body));
            (Style::Warning, "trimmed", words, String::new())
        }
        later => {
            let words = format!("{later} {body}");
            (Style::Strong, "other", words, format!("by {source}"))
        }
    }
}

fn actions(body: &Value) -> String {
    count(body["actions"].as_u64().unwrap_or_default(), "action")
}

fn of_actions(at: f64, body: &Value) -> Vec<Line> {
    let Ok(Some(Payload::Actions(batch))) = Payload::decode(body) else {
        return Vec::new();
    };
    let actions = batch.actions.iter().map(|action| Line {
        at,
        style: Style::Good,
        tag: "action",
        text: action.description.to_string(),
        aside: about(at, action),
    });
    actions.collect()
}

/// Where it was done, and when, if it is late.
fn about(at: f64, action: &Action) -> String {
    let done_at = action.timestamp_start.as_f64();
    let late = done_at.filter(|done_at| *done_at > 0.0 && at - done_at > LATE_S);
    let parts = [
        Some(action.canonical_url.to_string()),
        late.map(|done_at| format!("done at {}", time_of_day(done_at))),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(SEPARATOR)
}

/// What was considered, and why not.
fn of_decision(body: &Value) -> Said {
    let trigger = text(body, "trigger_id");
    let verdict = text(body, "verdict");
    let asked = occasion(&text(body, "occasion")).to_owned();
    let matched = body["metadata"]["matched"].as_array();
    let matched: Vec<_> = matched
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let because = match matched.as_slice() {
        [] => asked.clone(),
        matched => format!("matched {}, {asked}", matched.join(", ")),
    };
    match verdict.as_str() {
        "offered" => (
            Style::Result,
            "offer",
            format!("{trigger} is offered"),
            because,
        ),
        "matched" => {
            let words = format!("{trigger} has something to say, once the page asks");
            (Style::Input, "trigger", words, because)
        }
        skip => {
            let what = match trigger.as_str() {
                "" => "nothing is offered".to_owned(),
                trigger => format!("{trigger} is held back"),
            };
            let words = format!("{what}: {}", reason(skip));
            (Style::Warning, "held", words, format!("{skip}, {asked}"))
        }
    }
}

fn shown(out: Terminal, line: &Line) -> String {
    let Line { at, style, tag, .. } = line;
    let mut texts = painted(out, None, &line.text, INDENT);
    let aside = painted(out, Some(Style::Faint), &line.aside, INDENT);
    let room = out
        .room()
        .map_or(usize::MAX, |room| room.saturating_sub(INDENT));
    match texts.last_mut() {
        _ if line.aside.is_empty() => {}
        Some(last) if width(last) + width(SEPARATOR) + width(&line.aside) <= room => {
            *last += &out.paint(Style::Faint, SEPARATOR);
            *last += &aside.concat();
        }
        _ => texts.extend(aside),
    }
    let time = out.paint(Style::Faint, &time_of_day(*at));
    let tag = out.paint(*style, &format!("{tag:<7}"));
    format!(
        "{time}  {tag}  {}\n",
        texts.join(&format!("\n{:INDENT$}", ""))
    )
}
