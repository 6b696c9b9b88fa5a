//! Events as lines: for people, short or long, and for programs.

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::cli::moment::{date, time_of_day};
use crate::client::sse::Event;
use crate::client::{Action, ActionsPayload, Field, Payload, SummaryPayload};
use crate::terminal::{Style, Terminal, fit, printable, width, wrap};

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// One line for each action; on a terminal cut to its width
    Compact,
    /// Each batch with its identities, its actions below
    Verbose,
    /// One JSON object per line: the payload, with its id as event_id
    Json,
}

/// Turns events into lines.
pub(super) struct Shown {
    pub(super) format: Format,
    pub(super) out: Terminal,
}

/// What is shown of one event.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Whole lines for standard output; empty for nothing.
    pub(super) text: String,
    /// A sentence for a person who does not read along there.
    pub(super) remark: Option<String>,
}

/// A part of a line.
type Part = (Option<Style>, String);

impl Shown {
    /// The lines of an event. One that is no JSON is left out, and said to be.
    pub(super) fn event(&self, event: &Event) -> Lines {
        let Ok(payload) = serde_json::from_str::<Value>(&event.data) else {
            let id = printable(&event.id);
            return Lines {
                remark: Some(format!("an event that is no JSON was left out, at {id}")),
                ..Lines::default()
            };
        };
        let missed = gap(&payload);
        let text = match (self.format, &missed) {
            (Format::Json, _) => json(&event.id, payload),
            (_, Some(missed)) => self.paragraph(Some(Style::Warning), missed),
            (Format::Compact, None) => self.compact(&payload),
            (Format::Verbose, None) => self.verbose(&event.id, &payload),
        };
        Lines {
            text,
            remark: missed.filter(|_| self.format == Format::Json),
        }
    }

    fn compact(&self, payload: &Value) -> String {
        match Payload::decode(payload) {
            Ok(Some(Payload::Actions(batch))) => {
                let lines = batch.actions.iter();
                let lines = lines.map(|action| self.line(&self.action(&batch, action)));
                lines.collect()
            }
            Ok(Some(Payload::Summary(summary))) => {
                let mut parts = self.head(summary.forwarded_at.as_f64(), &summary.session_id);
                parts.push((Some(Style::Strong), "summary: ".to_owned()));
                parts.push((None, summary.to_string()));
                self.line(&parts)
            }
            Ok(None) | Err(_) => self.line(&unknown(payload)),
        }
    }

    fn verbose(&self, id: &str, payload: &Value) -> String {
        let text = match Payload::decode(payload) {
            Ok(Some(Payload::Actions(batch))) => self.batch(id, &batch),
            Ok(Some(Payload::Summary(summary))) => self.summary(id, &summary),
            Ok(None) | Err(_) => self.paragraph(None, &concat(&unknown(payload))),
        };
        text + "\n"
    }

    /// As the batch displays itself, with what else is known of it below its heading.
    fn batch(&self, id: &str, batch: &ActionsPayload) -> String {
        let shown = batch.to_string();
        let mut lines = shown.lines();
        let heading = lines.next().unwrap_or_default();
        let mut text = self.paragraph(Some(Style::Strong), heading);
        let when = batch.forwarded_at.as_f64().map(date);
        let about = [
            ("", when.unwrap_or_default()),
            ("user ", known(&batch.user_id)),
            ("", known(&batch.email)),
            ("conversation ", known(&batch.conversation_id)),
            ("event ", id.to_owned()),
        ];
        text += &self.about(&about);
        for line in lines {
            text += &self.paragraph(None, line);
        }
        text
    }

    fn summary(&self, id: &str, summary: &SummaryPayload) -> String {
        let session = match known(&summary.session_id) {
            unknown if unknown.is_empty() => "unknown".to_owned(),
            session => session,
        };
        let heading = format!(
            "Session {session} — summary of {} actions",
            summary.replaces
        );
        let when = summary.forwarded_at.as_f64().map(date);
        self.paragraph(Some(Style::Strong), &heading)
            + &self.about(&[("", when.unwrap_or_default()), ("event ", id.to_owned())])
            + &self.paragraph(None, &summary.to_string())
    }

    fn about(&self, parts: &[(&str, String)]) -> String {
        let parts = parts.iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<_> = parts
            .map(|(label, value)| format!("{label}{value}"))
            .collect();
        self.paragraph(Some(Style::Faint), &parts.join(" · "))
    }

    /// An action as it displays itself, behind its time and its session.
    fn action(&self, batch: &ActionsPayload, action: &Action) -> Vec<Part> {
        let mut parts = self.head(action.timestamp_start.as_f64(), &batch.session_id);
        let text = action.to_string();
        let url = format!(" — {}", action.canonical_url);
        match text.strip_suffix(&url) {
            Some(before) => {
                parts.push((None, before.to_owned()));
                parts.push((Some(Style::Faint), url));
            }
            None => parts.push((None, text)),
        }
        parts
    }

    fn head(&self, at_s: Option<f64>, session: &Field) -> Vec<Part> {
        let session = match known(session) {
            unknown if unknown.is_empty() => "-".to_owned(),
            session => session,
        };
        let session = match self.out.room() {
            Some(room) => fit(&session, room / SESSION_SHARE),
            None => session,
        };
        let time = at_s.map_or_else(|| "--:--:--".to_owned(), time_of_day);
        vec![
            (Some(Style::Faint), format!("{time}  ")),
            (Some(Style::Link), format!("{session}  ")),
        ]
    }

    /// One line of these parts, cut where the terminal ends.
    fn line(&self, parts: &[Part]) -> String {
        let whole = concat(parts);
        let kept = match self.out.room() {
            Some(room) => fit(&whole, room),
            None => whole,
        };
        let mut rest = kept.as_str();
        let mut line = String::new();
        for (style, text) in parts {
            let chars = printable(text).chars().count();
            let end = rest
                .char_indices()
                .nth(chars)
                .map_or(rest.len(), |(at, _)| at);
            let (own, after) = rest.split_at(end);
            line += &self.painted(*style, own);
            rest = after;
        }
        line + "\n"
    }

    /// Lines as wide as the terminal; whole in a pipe.
    fn paragraph(&self, style: Option<Style>, text: &str) -> String {
        let lines = match self.out.room() {
            Some(room) if width(text) > room => wrap(text, room),
            _ => vec![printable(text).into_owned()],
        };
        let lines = lines.iter();
        lines.map(|line| self.painted(style, line) + "\n").collect()
    }

    fn painted(&self, style: Option<Style>, text: &str) -> String {
        style.map_or_else(|| text.to_owned(), |style| self.out.paint(style, text))
    }
}

/// A session's name takes at most this part of a line.
const SESSION_SHARE: usize = 5;

fn concat(parts: &[Part]) -> String {
    parts.iter().map(|(_, text)| printable(text)).collect()
}

/// A field's text, if it is there.
fn known(field: &Field) -> String {
    match field.is_truthy() {
        true => field.to_string(),
        false => String::new(),
    }
}

/// A payload of a type that only later programs know.
fn unknown(payload: &Value) -> Vec<Part> {
    let kind = payload["type"].as_str().unwrap_or("?");
    vec![
        (Some(Style::Strong), format!("{kind}  ")),
        (None, payload.to_string()),
    ]
}

/// What the service no longer has, as a sentence.
fn gap(payload: &Value) -> Option<String> {
    if payload["type"] != "gap" {
        return None;
    }
    // An offset begins with Unix milliseconds.
    let time = |name: &str| {
        let ms = payload[name].as_str()?.split('-').next()?;
        let at_s = ms.parse::<f64>().ok()? / 1000.0;
        (at_s > 0.0).then(|| date(at_s))
    };
    let until = time("to").unwrap_or_else(|| "?".to_owned());
    Some(match time("from") {
        Some(from) => {
            format!("missed: what happened after {from} and up to {until} is no longer kept")
        }
        None => format!("missed: what happened up to {until} is no longer kept"),
    })
}

/// The payload on one line, with its id.
fn json(id: &str, payload: Value) -> String {
    let mut line = Map::new();
    line.insert("event_id".to_owned(), id.into());
    match payload {
        Value::Object(payload) => line.extend(payload),
        other => {
            line.insert("data".to_owned(), other);
        }
    }
    format!("{}\n", Value::Object(line))
}
