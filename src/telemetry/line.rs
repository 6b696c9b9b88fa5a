//! One log line, before anybody decides what it looks like.

use std::fmt::{Debug, Write};

use serde_json::Value;
use tracing::Event;
use tracing::field::{Field, Visit};

/// An event's sentence, and its fields by name in the order they were given.
#[derive(Default)]
pub(super) struct Line {
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// What the event says, and behind it whose request it was said in.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        super::caller(|caller| {
            let own = [
                ("request_id", caller.request_id.as_ref().into()),
                ("endpoint", caller.endpoint.as_str().into()),
                ("client", caller.client.to_string().into()),
            ];
            line.fields.extend(own);
        });
        line
    }

    /// ` name=value` for each field that `chosen` takes. Values of several words are quoted.
    pub(super) fn pairs(&self, chosen: impl Fn(&str) -> bool) -> String {
        let mut pairs = String::new();
        for (name, value) in &self.fields {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            if !chosen(&text) {
                continue;
            }
            let is_one_word = !text.is_empty() && !text.contains([' ', '"', '=']);
            let written = if is_one_word {
                write!(pairs, " {name}={text}")
            } else {
                write!(pairs, " {name}={text:?}")
            };
            written.expect("a string takes everything");
        }
        pairs
    }

    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message.push_str(&text),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        self.push(field, chain.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push(field, format!("{value:?}").into());
    }
}
