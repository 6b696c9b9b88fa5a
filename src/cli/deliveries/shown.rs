//! Deliveries as a person sees them.

use std::time::Duration;

use serde_json::Value;

use crate::cli::fields::{labelled, painted, text, text_as_it_is};
use crate::cli::moment::{date, short_date};
use crate::cli::table::{Cell, Column, Keep, Table};
use crate::terminal::{Style, Terminal, printable, spoken};

/// The columns of a listing.
pub(super) const LISTED: [Column; 8] = [
    column("ID", Keep::Whole),
    column("STATUS", Keep::Whole),
    column("QUEUED (UTC)", Keep::LeaveOut(2)),
    column("CALLS", Keep::LeaveOut(4)),
    column("PRODUCT", Keep::LeaveOut(3)),
    column("CONVERSATION", Keep::LeaveOut(5)),
    column("SESSION", Keep::LeaveOut(6)),
    column("LAST ANSWER", Keep::LeaveOut(1)),
];

/// The columns of a delivery's calls.
const CALLS: [Column; 6] = [
    column("#", Keep::Whole),
    column("CALL", Keep::LeaveOut(2)),
    column("BEGAN (UTC)", Keep::LeaveOut(3)),
    column("TOOK", Keep::LeaveOut(4)),
    column("ANSWER", Keep::LeaveOut(1)),
    column("OUTCOME", Keep::Whole),
];

const fn column(title: &'static str, keep: Keep) -> Column {
    Column { title, keep }
}

/// The column in which the values of a delivery stand.
const INDENT: usize = 14;

/// One row of a listing.
pub(super) fn listed(delivery: &Value) -> Vec<Cell> {
    let plain = |name: &str| Cell::plain(text(delivery, name));
    vec![
        plain("id"),
        status(delivery),
        Cell::plain(
            delivery["created_at"]
                .as_f64()
                .map_or_else(String::new, short_date),
        ),
        plain("attempts"),
        plain("product_id"),
        plain("conversation_id"),
        plain("session_id"),
        Cell::plain(last_answer(delivery)),
    ]
}

/// Everything about one delivery.
pub(super) fn whole(out: Terminal, delivery: &Value) -> String {
    let when = |name: &str| delivery[name].as_f64().map_or_else(String::new, date);
    let goes_to = match (
        text(delivery, "platform"),
        text(delivery, "conversation_id"),
    ) {
        (platform, conversation) if platform.is_empty() => conversation,
        (platform, conversation) => format!("conversation {conversation} in {platform}"),
    };
    let status = status(delivery);
    let fields = [
        ("delivery", text(delivery, "id"), None),
        ("status", status.text, status.style),
        ("product", text(delivery, "product_id"), None),
        ("session", text(delivery, "session_id"), None),
        ("goes to", goes_to, None),
        ("queued", when("created_at"), None),
        ("next call", when("next_attempt_at"), None),
        ("finished", when("finished_at"), None),
        ("last answer", text(delivery, "http_status"), None),
        ("last error", text(delivery, "error"), None),
        ("part", text(delivery, "part_id"), None),
        ("replay of", text(delivery, "replay_of"), None),
        ("takes back", text(delivery, "redacts"), None),
    ];
    let mut lines = labelled(out, INDENT, fields);
    let note = text_as_it_is(delivery, "text");
    if !note.is_empty() {
        lines += &format!("\n{}\n", out.paint(Style::Strong, "text"));
        for line in note.lines().flat_map(|line| painted(out, None, line, 4)) {
            let bar = out.paint(Style::Faint, "│");
            lines += format!("  {bar} {line}").trim_end();
            lines.push('\n');
        }
    }
    lines + &calls(out, delivery)
}

/// What a replay has led to.
pub(super) fn replayed(id: &str, delivery: &Value, is_asleep: bool) -> String {
    let sent_as = text(delivery, "id");
    let which = match sent_as.as_str() {
        same if same == id => same.to_owned(),
        copy => format!("{} as {copy}", printable(id)),
    };
    let when = match (is_asleep, text(delivery, "status").as_str()) {
        (true, _) => "is sent again once a service runs",
        (false, "leased") => "is under way",
        (false, _) => "is sent again",
    };
    format!("{which} {when}")
}

/// What taking a note back has led to.
pub(super) fn redacted(id: &str, delivery: &Value) -> String {
    let redacted_as = text(delivery, "id");
    format!("{} is taken back by {redacted_as}", printable(id))
}

fn calls(out: Terminal, delivery: &Value) -> String {
    let history = delivery["history"].as_array();
    let history = history.map(Vec::as_slice).unwrap_or_default();
    if history.is_empty() {
        return String::new();
    }
    let took = |call: &Value| {
        let took = call["duration_ms"].as_u64();
        took.map_or_else(String::new, |ms| spoken(Duration::from_millis(ms)))
    };
    let rows: Vec<_> = history
        .iter()
        .map(|call| {
            let began = call["started_at"].as_f64();
            let outcome = text(call, "outcome");
            let style = match outcome.as_str() {
                "delivered" => Style::Good,
                "rejected" | "gone" | "unauthorized" | "misconfigured" => Style::Bad,
                _ => Style::Warning,
            };
            vec![
                Cell::plain(text(call, "number")),
                Cell::plain(text(call, "call")),
                Cell::plain(began.map_or_else(String::new, short_date)),
                Cell::plain(took(call)),
                Cell::plain(text(call, "http_status")),
                Cell::styled(style, outcome),
            ]
        })
        .collect();
    let table = Table::new(out, &CALLS).page(&rows);
    let mut table = table.lines();
    let mut lines = format!("\n{}\n", out.paint(Style::Strong, "calls"));
    lines += table.next().unwrap_or_default();
    for (line, call) in table.zip(history) {
        lines += &format!("\n{line}");
        for why in ["reason", "excerpt"].map(|name| text(call, name)) {
            let why = painted(out, Some(Style::Faint), &why, WHY_INDENT);
            for line in why.iter().filter(|line| !line.is_empty()) {
                lines += &format!("\n{:WHY_INDENT$}{line}", "");
            }
        }
    }
    lines + "\n"
}

/// The column in which it stands why a call ended as it did.
const WHY_INDENT: usize = 3;

fn status(delivery: &Value) -> Cell {
    let status = text(delivery, "status");
    let style = match status.as_str() {
        "delivered" => Style::Good,
        "dead" => Style::Bad,
        "withdrawn" => Style::Faint,
        _ => Style::Warning,
    };
    Cell::styled(style, status)
}

/// What was said last: our words on what went wrong; the status alone once it has arrived all the same.
fn last_answer(delivery: &Value) -> String {
    let error = text(delivery, "error");
    if error.is_empty() || delivery["status"] == "delivered" {
        return text(delivery, "http_status");
    }
    error
}
