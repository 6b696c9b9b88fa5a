//! A table for people: as wide as the terminal, without the columns for which there is no room.

use crate::terminal::{Style, Terminal, fit, width};

/// Between two columns.
const GAP: usize = 2;

/// The most that a column takes which may be left out; what is longer is cut.
const COLUMN_MAX: usize = 24;

/// The least that the last column takes.
const LAST_MIN: usize = 12;

/// One column. The last one of a table takes what is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) keep: Keep,
}

/// What becomes of a column where there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It stays, and nothing of it is cut.
    Whole,
    /// It is left out, the highest number first.
    LeaveOut(u8),
}

/// What stands in one place.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Option<Style>,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, style: None }
    }

    pub(super) fn styled(style: Style, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style: Some(style),
        }
    }
}

/// A table that is printed page by page. The first page decides about the columns.
#[derive(Debug)]
pub(super) struct Table<'a> {
    out: Terminal,
    columns: &'a [Column],
    /// The width of each column; `None` for those left out.
    widths: Option<Vec<Option<usize>>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(out: Terminal, columns: &'a [Column]) -> Self {
        Self {
            out,
            columns,
            widths: None,
        }
    }

    /// The lines of the next rows, under the titles at first. No rows give nothing.
    pub(super) fn page(&mut self, rows: &[Vec<Cell>]) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let mut lines = String::new();
        if self.widths.is_none() {
            self.widths = Some(self.lay_out(rows));
            let titles = self.columns.iter();
            let titles: Vec<_> = titles
                .map(|column| Cell::styled(Style::Faint, column.title))
                .collect();
            lines += &self.line(&titles);
        }
        for row in rows {
            lines += &self.line(row);
        }
        lines
    }

    fn lay_out(&self, rows: &[Vec<Cell>]) -> Vec<Option<usize>> {
        let widest = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            let cells = cells.map(|cell| width(&cell.text)).max();
            cells.unwrap_or(0).max(width(self.columns[at].title))
        };
        let mut widths: Vec<_> = (0..self.columns.len()).map(widest).map(Some).collect();
        let Some(room) = self.out.room() else {
            return widths;
        };
        let last = widths.len().saturating_sub(1);
        for (at, width) in widths.iter_mut().enumerate() {
            let most = match self.columns[at].keep {
                Keep::Whole => usize::MAX,
                Keep::LeaveOut(_) if at == last => LAST_MIN,
                Keep::LeaveOut(_) => COLUMN_MAX,
            };
            *width = width.map(|width| width.min(most));
        }
        let taken = |widths: &[Option<usize>]| {
            let own = widths.iter().flatten().map(|width| width + GAP);
            own.sum::<usize>().saturating_sub(GAP)
        };
        while taken(&widths) > room {
            let out = (0..widths.len()).filter(|at| widths[*at].is_some());
            let out = out.max_by_key(|at| match self.columns[*at].keep {
                Keep::Whole => 0,
                Keep::LeaveOut(rank) => rank,
            });
            match out {
                Some(at) if self.columns[at].keep != Keep::Whole => widths[at] = None,
                // The terminal breaks the lines by itself.
                _ => break,
            }
        }
        let left = room.saturating_sub(taken(&widths));
        if let Some(Some(width)) = widths.last_mut() {
            *width += left;
        }
        widths
    }

    fn line(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        let mut padding = 0;
        let widths = self.widths.iter().flatten();
        let places = cells.iter().zip(self.columns).zip(widths);
        for ((cell, column), room) in places.filter_map(|(place, room)| Some((place, (*room)?))) {
            let is_cut = column.keep != Keep::Whole && self.out.room().is_some();
            let text = fit(&cell.text, if is_cut { room } else { usize::MAX });
            let painted = cell.style.map(|style| self.out.paint(style, &text));
            line += &" ".repeat(padding);
            line += painted.as_deref().unwrap_or(&text);
            padding = room.saturating_sub(width(&text)) + GAP;
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }
}
