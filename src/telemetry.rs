//! Log lines: where they go and what they look like.
//!
//! Text for people at a terminal, one JSON object per line for machines. Every line inside a request
//! carries its `request_id`; identifiers are fields as well as part of the sentence. Bodies, secrets
//! and payloads are never logged.
//!
//! On a terminal a line is the time of day, the level and the sentence in columns, broken between words,
//! and behind it those fields whose value the sentence does not name. Text that goes elsewhere keeps
//! the date and every field.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Log, LogFormat};
use crate::terminal::{Style, Terminal, printable, width, wrap};

/// Installs the subscriber of this process, which writes to standard error. A second call changes
/// nothing.
pub fn install(log: &Log, terminal: Terminal) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let as_json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal.is_terminal(),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let installed = if as_json {
        let lines = lines.json().flatten_event(true).with_current_span(true);
        tracing::subscriber::set_global_default(lines.with_span_list(false).finish())
    } else if terminal.is_terminal() {
        let lines = lines.event_format(Columns(terminal));
        tracing::subscriber::set_global_default(lines.finish())
    } else {
        tracing::subscriber::set_global_default(lines.finish())
    };
    if installed.is_err() {
        tracing::debug!("logging was set up already");
    }
}

/// Lines for a terminal.
struct Columns(Terminal);

impl<S, N> FormatEvent<S, N> for Columns
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                let _ = write!(line.around, " {fields}");
            }
        }
        let Self(terminal) = *self;
        let (style, level) = match *event.metadata().level() {
            Level::ERROR => (Style::Bad, "error"),
            Level::WARN => (Style::Warning, "warn"),
            Level::INFO => (Style::Good, "info"),
            Level::DEBUG => (Style::Faint, "debug"),
            Level::TRACE => (Style::Faint, "trace"),
        };
        let time = terminal.paint(Style::Faint, &time_of_day());
        let level = terminal.paint(style, &format!("{level:<5}"));
        let lines = line.laid_out(terminal, terminal.columns().saturating_sub(MARGIN));
        let indent = format!("\n{:MARGIN$}", "");
        writeln!(writer, "{time} {level} {}", lines.join(&indent))
    }
}

/// Columns in front of the sentence.
const MARGIN: usize = "14:33:56.123 level ".len();

/// A value shorter than this may stand in a sentence by chance.
const NAMED_BYTES_MIN: usize = 4;

/// `14:33:56.123`, UTC, from the full timestamp that other lines carry.
fn time_of_day() -> String {
    let mut whole = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut whole));
    whole.get(11..23).unwrap_or(&whole).to_owned()
}

/// An event's sentence, and its fields by name.
#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<(&'static str, String)>,
    /// The fields of the spans around it, as text.
    around: String,
}

impl Line {
    /// The sentence and behind it the fields, in lines of at most `room` columns.
    fn laid_out(&self, terminal: Terminal, room: usize) -> Vec<String> {
        let mut fields = String::new();
        for (name, value) in &self.fields {
            let is_named = value.len() >= NAMED_BYTES_MIN && self.message.contains(value.as_str());
            if !is_named {
                let _ = write!(fields, " {name}={value}");
            }
        }
        fields.push_str(&self.around);
        let faint = |text: &str| terminal.paint(Style::Faint, text);
        let mut lines = wrap(&self.message, room);
        let last = lines.last().map_or(0, |line| width(line));
        match lines.last_mut() {
            _ if fields.is_empty() => {}
            Some(line) if last + width(&fields) < room => {
                *line = format!("{line} {}", faint(&printable(&fields)));
            }
            _ => {
                let more = wrap(fields.trim_start(), room).into_iter();
                lines.extend(more.map(|line| faint(&line)));
            }
        }
        lines
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_one_word = !value.is_empty() && !value.contains([' ', '"', '=']);
        if field.name() == "message" {
            self.message.push_str(value);
        } else if is_one_word {
            self.fields.push((field.name(), value.to_owned()));
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(chain, ": {cause}");
            source = cause.source();
        }
        self.record_str(field, &chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.message.push_str(&value);
        } else {
            self.fields.push((field.name(), value));
        }
    }
}
