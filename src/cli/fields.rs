//! What a service has answered, field by field, for people. Fields that it does not know are left out.

use serde_json::Value;

use crate::terminal::{Style, Terminal, printable, wrap};

/// A labelled value; nothing is shown of an empty one.
pub(super) type Labelled = (&'static str, String, Option<Style>);

/// Values under each other, beside their labels, from the column `indent` on.
pub(super) fn labelled(
    out: Terminal,
    indent: usize,
    fields: impl IntoIterator<Item = Labelled>,
) -> String {
    let mut lines = String::new();
    let fields = fields.into_iter();
    for (label, value, style) in fields.filter(|(_, value, _)| !value.is_empty()) {
        lines += &out.paint(Style::Faint, &format!("{label:<indent$}"));
        lines += &painted(out, style, &value, indent).join(&format!("\n{:indent$}", ""));
        lines.push('\n');
    }
    lines
}

/// `value` in lines that fit beside a margin.
pub(super) fn painted(
    out: Terminal,
    style: Option<Style>,
    value: &str,
    margin: usize,
) -> Vec<String> {
    let lines = match out.room() {
        Some(room) => wrap(value, room.saturating_sub(margin).max(10)),
        None => vec![printable(value).into_owned()],
    };
    let paint = |line: String| match style {
        Some(style) => out.paint(style, &line),
        None => line,
    };
    lines.into_iter().map(paint).collect()
}

/// A field as one line of text; empty where there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    printable(&text_as_it_is(value, name)).into_owned()
}

/// The same with its line breaks, and whatever else it holds.
pub(super) fn text_as_it_is(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
