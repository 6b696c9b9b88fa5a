//! What the person at the terminal sees.

use std::io::{IsTerminal, Write};

/// Prints stops of the walk, in colour where colours are seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    coloured: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            coloured: std::io::stdout().is_terminal(),
        }
    }

    /// A heading, with an empty line before it.
    pub(super) fn heading(self, text: &str) {
        self.line("");
        self.line(&self.paint("1", text));
    }

    /// One stop: its name, then what happened.
    pub(super) fn stop(self, name: &str, text: &str) {
        let colour = match name {
            "received" => "36",
            "action" => "32",
            "linked" | "waiting" => "35",
            "note" => "33",
            _ => "2",
        };
        let name = self.paint(colour, &format!("{name:<9}"));
        self.line(&format!("  {name} {text}"));
    }

    /// A text of several lines, set off from the rest.
    pub(super) fn quote(self, text: &str) {
        for line in text.lines() {
            self.line(&format!("            {} {line}", self.paint("2", "│")));
        }
    }

    /// A plain line. A reader that has seen enough closes the pipe, which ends nothing here.
    pub(super) fn line(self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
