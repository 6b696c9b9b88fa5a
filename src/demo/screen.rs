//! What the person at the terminal sees: lines that stay, and one line below them that is drawn anew.
//!
//! In a pipe there is no such line, and nothing but the text itself is written.

use std::io::Write;

use crate::terminal::{Style, Terminal, fit, width, wrap};

/// Lines are not longer than this, however wide the terminal is: longer ones are hard to read.
const COLUMNS_MAX: usize = 100;

/// Where texts begin: behind the tag, with two spaces on either side of it.
const INDENT: usize = 11;

/// Before an aside.
const SEPARATOR: &str = " · ";

/// Goes to the first column and clears the line.
const CLEAR: &str = "\r\u{1b}[2K";

/// Prints the walk. Whatever happens, the status line is gone when the screen is.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal,
    status: String,
    is_gone: bool,
}

impl Screen {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            status: String::new(),
            is_gone: false,
        }
    }

    /// Whether the reader has closed the pipe.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// A heading, with an empty line before and a faint sentence after it.
    pub(super) fn heading(&mut self, style: Style, number: &str, title: &str, intro: &str) {
        let gap = if number.is_empty() { "" } else { "  " };
        let margin = width(number) + width(gap);
        let faint = |text: &str| self.terminal.paint(Style::Faint, text);
        let mut block = String::from("\n");
        for (at, line) in wrap(title, self.room(margin)).iter().enumerate() {
            let before = if at == 0 { number } else { "" };
            let before = faint(&format!("{before:margin$}"));
            block += &format!("{before}{}\n", self.terminal.paint(style, line));
        }
        for line in wrap(intro, self.room(margin)) {
            if !line.is_empty() {
                block += &format!("{:margin$}{}\n", "", faint(&line));
            }
        }
        self.write(&block);
    }

    /// One thing that happened: what kind of thing, what, and an aside, which gets a line of its own
    /// where it does not fit behind.
    pub(super) fn happened(&mut self, style: Style, tag: &str, text: &str, aside: &str) {
        let room = self.room(INDENT);
        let faint = |text: &str| self.terminal.paint(Style::Faint, text);
        let mut lines = wrap(text, room);
        let last = lines.last().map_or(0, |line| width(line));
        match lines.last_mut() {
            _ if aside.is_empty() => {}
            Some(line) if last + width(SEPARATOR) + width(aside) <= room => {
                line.push_str(&faint(&format!("{SEPARATOR}{aside}")));
            }
            _ => lines.extend(wrap(aside, room).iter().map(|line| faint(line))),
        }
        let tag = self.terminal.paint(style, &format!("  {tag:<7}  "));
        self.write(&format!(
            "{tag}{}\n",
            lines.join(&format!("\n{:INDENT$}", ""))
        ));
    }

    /// Bytes as they came in, as far as one line goes.
    pub(super) fn raw(&mut self, tag: &str, text: &str) {
        let tag = self.terminal.paint(Style::Input, &format!("  {tag:<7}  "));
        let text = fit(text, self.room(INDENT));
        let text = self.terminal.paint(Style::Faint, &text);
        self.write(&format!("{tag}{text}\n"));
    }

    /// A text of several lines, set off from the rest.
    pub(super) fn quote(&mut self, text: &str) {
        let mut block = String::new();
        for line in text
            .lines()
            .flat_map(|line| wrap(line, self.room(INDENT + 2)))
        {
            let bar = self.terminal.paint(Style::Faint, "│");
            block += format!("{:INDENT$}{bar} {line}", "").trim_end();
            block.push('\n');
        }
        self.write(&block);
    }

    /// An empty line.
    pub(super) fn blank(&mut self) {
        self.write("\n");
    }

    /// A sentence on its own.
    pub(super) fn sentence(&mut self, style: Style, text: &str) {
        let lines = wrap(text, self.room(0)).into_iter();
        let lines = lines.map(|line| self.terminal.paint(style, &line) + "\n");
        self.write(&lines.collect::<String>());
    }

    /// A line to be copied: never broken, because then it could not be pasted.
    pub(super) fn verbatim(&mut self, style: Option<Style>, text: &str) {
        let text = style.map_or_else(|| text.to_owned(), |style| self.terminal.paint(style, text));
        self.write(&format!("{text}\n"));
    }

    /// Draws the status line, of as many segments as fit; in a pipe there is none.
    pub(super) fn status(&mut self, segments: &[String]) {
        if !self.terminal.is_live() {
            return;
        }
        let columns = self.terminal.columns().min(COLUMNS_MAX) - 1;
        let mut line = String::new();
        for segment in segments {
            let longer = format!("{line}  {segment}");
            if width(&longer) > columns {
                break;
            }
            line = longer;
        }
        let line = self.terminal.paint(Style::Faint, &line);
        if line != self.status {
            self.status = line;
            self.write("");
        }
    }

    /// Columns beside a margin.
    fn room(&self, margin: usize) -> usize {
        let columns = self.terminal.columns().min(COLUMNS_MAX);
        columns.saturating_sub(margin).max(10)
    }

    /// Writes whole lines above the status line, all at once so that nothing flickers.
    fn write(&mut self, block: &str) {
        let text = if self.terminal.is_live() {
            format!("{CLEAR}{block}{}\r", self.status)
        } else {
            block.to_owned()
        };
        let mut out = std::io::stdout();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.is_gone |= written.is_err();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.status.clear();
        self.write("");
    }
}
