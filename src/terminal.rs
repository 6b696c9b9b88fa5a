//! What a person's terminal can show: colour, width, and text laid out in it.
//!
//! The cast: a [`Terminal`] is one output stream as it was found; [`Style`] is what a piece of text is
//! meant as; [`Advised`] is an error that also says what to do next.
//!
//! Guaranteed: colour is written only where it is wanted (`NO_COLOR`, `CLICOLOR_FORCE` and
//! `CLICOLOR`, as <https://no-color.org> and <https://bixense.com/clicolors> describe them); text from
//! outside cannot move the cursor, because control characters are replaced before it is laid out.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

use textwrap::core::display_width;
use textwrap::{Options, WordSplitter};

/// Columns where nobody can tell how many there are.
const COLUMNS: usize = 100;

/// Narrower than this nothing can be laid out; the terminal then breaks lines by itself.
const COLUMNS_MIN: usize = 20;

/// One output stream, as it was found at the start.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    stream: Stream,
    is_terminal: bool,
    is_dumb: bool,
    is_coloured: bool,
    told_columns: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Stream {
    Out,
    Err,
}

/// What a piece of text is meant as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Strong,
    /// What matters less than its surroundings.
    Faint,
    /// What came in.
    Input,
    /// What is well, or went out well.
    Good,
    /// What ties two things together.
    Link,
    /// What a person reads in the end.
    Result,
    /// What needs attention.
    Warning,
    /// What went wrong.
    Bad,
}

impl Terminal {
    /// Standard output, under the variables of the process.
    pub fn stdout(environment: &[(String, String)]) -> Self {
        Self::new(Stream::Out, std::io::stdout().is_terminal(), environment)
    }

    /// Standard error, under the variables of the process.
    pub fn stderr(environment: &[(String, String)]) -> Self {
        Self::new(Stream::Err, std::io::stderr().is_terminal(), environment)
    }

    fn new(stream: Stream, is_terminal: bool, environment: &[(String, String)]) -> Self {
        let columns = variable(environment, "COLUMNS").and_then(|text| text.parse().ok());
        let is_dumb = variable(environment, "TERM") == Some("dumb");
        Self {
            stream,
            is_terminal,
            is_dumb,
            is_coloured: wants_colour(is_terminal, environment),
            told_columns: columns,
        }
    }

    /// Whether a person is likely to read along.
    pub fn is_terminal(self) -> bool {
        self.is_terminal
    }

    /// Whether what was written can be written over: a terminal that understands control sequences.
    pub fn is_live(self) -> bool {
        self.is_terminal && !self.is_dumb
    }

    /// How many columns there are at this moment: the terminal's own, else `COLUMNS`, else 100.
    pub fn columns(self) -> usize {
        self.room().unwrap_or(COLUMNS)
    }

    /// How many columns a line may take: the terminal's own, else `COLUMNS`; `None` in a pipe, whose reader
    /// wants lines whole.
    pub fn room(self) -> Option<usize> {
        let size = match self.stream {
            Stream::Out => terminal_size::terminal_size_of(std::io::stdout()),
            Stream::Err => terminal_size::terminal_size_of(std::io::stderr()),
        };
        let own = size.map(|(width, _)| usize::from(width.0));
        let columns = own.or(self.told_columns);
        columns.map(|columns| columns.max(COLUMNS_MIN))
    }

    /// `text` in the colour of `style`, or as it is where colour is not wanted.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.is_coloured && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
        } else {
            text.to_owned()
        }
    }
}

impl Style {
    /// The parameter of "select graphic rendition". Only the eight basic colours: every theme has
    /// made them readable on its own background.
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Input => "36",
            Self::Good => "32",
            Self::Link => "35",
            Self::Result => "1;32",
            Self::Warning => "33",
            Self::Bad => "1;31",
        }
    }
}

/// Whether to write colour to a stream, as the variables of the process ask. `NO_COLOR` wins over
/// everything, then `CLICOLOR_FORCE`; without either, colour is for terminals.
pub fn wants_colour(is_terminal: bool, environment: &[(String, String)]) -> bool {
    let is_on = |name| variable(environment, name).is_some_and(|value| value != "0");
    if variable(environment, "NO_COLOR").is_some() {
        return false;
    }
    if is_on("CLICOLOR_FORCE") {
        return true;
    }
    let is_refused = variable(environment, "CLICOLOR") == Some("0")
        || variable(environment, "TERM") == Some("dumb");
    is_terminal && !is_refused
}

/// A variable that is set and not empty.
fn variable<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let set = environment.iter().find(|(own, _)| own == name);
    set.map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// How many columns `text` takes.
pub fn width(text: &str) -> usize {
    display_width(text)
}

/// `text` broken between words into lines of at most `columns`; a word that is longer is broken
/// itself. Control characters are replaced.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let options = Options::new(columns.max(1)).word_splitter(WordSplitter::NoHyphenation);
    let text = printable(text);
    let lines = textwrap::wrap(&text, options).into_iter();
    lines.map(Cow::into_owned).collect()
}

/// `text` in one line of at most `columns`, with `…` where it was cut. Control characters are
/// replaced.
pub fn fit(text: &str, columns: usize) -> String {
    let text = printable(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let mut kept = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += width(c.encode_utf8(&mut [0; 4]));
        if taken >= columns {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// Text without characters that would move the cursor or change colours.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// An error and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
pub struct Advised {
    error: anyhow::Error,
    /// The next step, as an imperative sentence without a full stop.
    pub next: String,
}

impl Advised {
    /// `error`, with the step that is to follow it.
    pub fn new(error: impl Into<anyhow::Error>, next: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            next: next.into(),
        }
    }
}

/// A length of time as one says it: `7 ms`, `2.4 s`.
pub fn spoken(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// A size as one says it: `912 B`, `3.4 MB`.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
pub fn spoken_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB"].into_iter().peekable();
    while let Some(unit) = units.next() {
        if value < 1000.0 && unit == "B" {
            return format!("{bytes} B");
        }
        if value < 999.95 || units.peek().is_none() {
            return format!("{value:.1} {unit}");
        }
        value /= 1000.0;
    }
    format!("{bytes} B")
}
