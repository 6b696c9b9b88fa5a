//! Log lines: where they go and what they look like.
//!
//! Text for people at a terminal, one JSON object per line for machines. Every line written while a
//! request is handled carries its `request_id`, `endpoint` and `client`; identifiers are fields as well as
//! part of the sentence. Bodies, secrets and payloads are never logged.
//!
//! On a terminal a line is the time of day, the level and the sentence in columns, broken between words,
//! and behind it those fields whose value the sentence does not name. Text that goes elsewhere keeps
//! the date and every field.
//!
//! Whose request it is travels in a task-local ([`within`]) and is put into words only when a line is
//! written, because most requests write none.

mod line;

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use self::line::Line;
use crate::config::{Log, LogFormat};
use crate::terminal::{Style, Terminal, printable, width, wrap};

/// Whose request is handled.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The identifier of the request.
    pub request_id: Arc<str>,
    /// The path that was asked for.
    pub endpoint: String,
    /// Where it came from.
    pub client: IpAddr,
}

tokio::task_local! {
    static CALLER: Caller;
}

/// Handles a request: lines that `work` writes name its caller.
pub fn within<F: Future>(caller: Caller, work: F) -> impl Future<Output = F::Output> {
    CALLER.scope(caller, work)
}

/// Looks at the caller, if a request is handled here.
fn caller(look: impl FnOnce(&Caller)) {
    // There is none outside a request.
    let _ = CALLER.try_with(look);
}

/// Installs the subscriber of this process, which writes to standard error. A second call changes
/// nothing.
pub fn install(log: &Log, terminal: Terminal) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layout = match log.format {
        LogFormat::Json => Layout::Json,
        LogFormat::Auto if !terminal.is_terminal() => Layout::Json,
        LogFormat::Text if !terminal.is_terminal() => Layout::Text,
        LogFormat::Auto | LogFormat::Text => Layout::Columns(terminal),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(layout);
    if tracing::subscriber::set_global_default(lines.finish()).is_err() {
        tracing::debug!("logging was set up already");
    }
}

/// What lines look like.
enum Layout {
    /// For people, at a terminal.
    Columns(Terminal),
    /// For people, elsewhere.
    Text,
    /// For machines.
    Json,
}

impl<S, N> FormatEvent<S, N> for Layout
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = Line::of(event);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        match self {
            Self::Columns(terminal) => writeln!(writer, "{}", columns(*terminal, *level, &line)),
            Self::Text => {
                let said = format!("{}{}", line.message, line.pairs(|_| true));
                let (time, said) = (timestamp(), printable(&said));
                writeln!(writer, "{time} {level:>5} {target}: {said}")
            }
            Self::Json => writeln!(writer, "{}", object(*level, target, line)),
        }
    }
}

/// `2026-11-21T14:33:56.123456Z`.
fn timestamp() -> String {
    let mut time = String::new();
    // A string takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// One object, without any nesting.
fn object(level: Level, target: &str, line: Line) -> Value {
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), timestamp().into());
    object.insert("level".to_owned(), level.as_str().into());
    object.insert("message".to_owned(), line.message.into());
    let fields = line.fields.into_iter();
    object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    object.insert("target".to_owned(), target.into());
    object.into()
}

/// Columns in front of the sentence.
const MARGIN: usize = "14:33:56.123 level ".len();

/// A value shorter than this may stand in a sentence by chance.
const NAMED_BYTES_MIN: usize = 4;

fn columns(terminal: Terminal, level: Level, line: &Line) -> String {
    let (style, level) = match level {
        Level::ERROR => (Style::Bad, "error"),
        Level::WARN => (Style::Warning, "warn"),
        Level::INFO => (Style::Good, "info"),
        Level::DEBUG => (Style::Faint, "debug"),
        Level::TRACE => (Style::Faint, "trace"),
    };
    let time = timestamp();
    let time = terminal.paint(Style::Faint, time.get(11..23).unwrap_or(&time));
    let level = terminal.paint(style, &format!("{level:<5}"));
    let lines = laid_out(line, terminal, terminal.columns().saturating_sub(MARGIN));
    let indent = format!("\n{:MARGIN$}", "");
    format!("{time} {level} {}", lines.join(&indent))
}

/// The sentence and behind it the fields that it does not name, in lines of at most `room` columns.
fn laid_out(line: &Line, terminal: Terminal, room: usize) -> Vec<String> {
    let is_named = |value: &str| value.len() >= NAMED_BYTES_MIN && line.message.contains(value);
    let fields = line.pairs(|value| !is_named(value));
    let faint = |text: &str| terminal.paint(Style::Faint, text);
    let mut lines = wrap(&line.message, room);
    let last = lines.last().map_or(0, |line| width(line));
    match lines.last_mut() {
        _ if fields.is_empty() => {}
        Some(line) if last + width(&fields) < room => {
            *line = format!("{line} {}", faint(&printable(fields.trim_start())));
        }
        _ => {
            let more = wrap(fields.trim_start(), room).into_iter();
            lines.extend(more.map(|line| faint(&line)));
        }
    }
    lines
}
