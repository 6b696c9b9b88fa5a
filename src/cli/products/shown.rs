//! Products, keys and what was issued as a person sees them.

use serde_json::Value;

use crate::cli::fields::{labelled, painted, text};
use crate::cli::moment::{date, short_date};
use crate::cli::table::{Cell, Column, Keep, Table};
use crate::terminal::{Style, Terminal, printable};

/// The columns of a listing of products.
pub(super) const LISTED: [Column; 7] = [
    column("PRODUCT", Keep::Whole),
    column("STATE", Keep::LeaveOut(1)),
    column("TYPE", Keep::LeaveOut(2)),
    column("PROJECT", Keep::LeaveOut(4)),
    column("REGISTERED (UTC)", Keep::LeaveOut(5)),
    column("CONTACT", Keep::LeaveOut(3)),
    column("NAME", Keep::LeaveOut(6)),
];

/// The columns of a listing of keys.
pub(super) const KEYS: [Column; 7] = [
    column("KEY", Keep::Whole),
    column("OPENS", Keep::LeaveOut(2)),
    column("BEGINS", Keep::LeaveOut(1)),
    column("ISSUED (UTC)", Keep::LeaveOut(5)),
    column("ENDS (UTC)", Keep::LeaveOut(4)),
    column("LAST USED (UTC)", Keep::LeaveOut(3)),
    column("NAME", Keep::LeaveOut(6)),
];

const fn column(title: &'static str, keep: Keep) -> Column {
    Column { title, keep }
}

/// The column in which values stand.
const INDENT: usize = 14;

/// One row of a listing of products.
pub(super) fn product_row(product: &Value) -> Vec<Cell> {
    let plain = |name: &str| Cell::plain(text(product, name));
    let (state, style) = state(product);
    vec![
        plain("product_id"),
        Cell::styled(style, state),
        plain("integration_type"),
        Cell::plain(project(product)),
        Cell::plain(moment(product, "created_at", short_date)),
        plain("contact_email"),
        plain("name"),
    ]
}

/// One row of a listing of keys.
pub(super) fn key_row(key: &Value) -> Vec<Cell> {
    let plain = |name: &str| Cell::plain(text(key, name));
    let when = |name: &str, never: &str| match moment(key, name, short_date) {
        none if none.is_empty() => never.to_owned(),
        when => when,
    };
    vec![
        plain("key_id"),
        plain("scope"),
        Cell::plain(format!("{}…", text(key, "prefix"))),
        Cell::plain(when("created_at", "")),
        Cell::plain(when("expires_at", "never")),
        Cell::plain(when("last_used_at", "never")),
        plain("name"),
    ]
}

/// Everything about one product.
pub(super) fn whole(out: Terminal, product: &Value) -> String {
    let (state, style) = state(product);
    let plain = |label, name: &str| (label, text(product, name), None);
    let when = |label, name: &str| (label, moment(product, name, date), None);
    let mut lines = labelled(
        out,
        INDENT,
        [
            plain("product", "product_id"),
            plain("name", "name"),
            ("state", state, Some(style)),
            plain("type", "integration_type"),
            ("project", project(product), None),
            plain("contact", "contact_email"),
            when("registered", "created_at"),
            when("changed", "updated_at"),
            when("removed", "deleted_at"),
        ],
    );
    let config = product["integration_config"].as_object();
    if let Some(config) = config.filter(|config| !config.is_empty()) {
        lines += &format!("\n{}\n", out.paint(Style::Strong, "integration_config"));
        for (name, value) in config {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let line = format!("{name} = {value}");
            for line in painted(out, None, &line, 2) {
                lines += &format!("  {line}\n");
            }
        }
    }
    let remarks = [
        ("notices", "notice", Style::Faint),
        ("risks", "risk", Style::Warning),
    ];
    for (name, label, style) in remarks {
        let texts = product[name].as_array().into_iter().flatten();
        let texts = texts.filter_map(Value::as_str);
        let fields = texts.map(|remark| (label, remark.to_owned(), Some(style)));
        let block = labelled(out, INDENT, fields);
        if !block.is_empty() {
            lines += &format!("\n{block}");
        }
    }
    let keys = product["keys"].as_array().map(Vec::as_slice);
    let rows: Vec<_> = keys.unwrap_or_default().iter().map(key_row).collect();
    if !rows.is_empty() {
        lines += &format!("\n{}\n", out.paint(Style::Strong, "keys"));
        lines += &Table::new(out, &KEYS).page(&rows);
    }
    lines
}

/// What was issued for a product that has just been registered.
pub(super) fn issued(out: Terminal, answer: &Value) -> String {
    let id = text(answer, "product_id");
    let is_first = !text(&answer["credentials"], "owner_token").is_empty();
    let (done, overlap) = if is_first {
        ("is registered", "")
    } else {
        (
            "is registered anew",
            "\nWhat was issued before is accepted for registration.overlap_s; its owner token stays.",
        )
    };
    let title = out.paint(Style::Good, &format!("{id} {done}"));
    let webhook_url = text(&answer["setup"], "chatbot_webhook_url");
    let webhook = if webhook_url.is_empty() {
        webhook_url
    } else {
        let title = "enter this in Intercom, under Webhooks of its app";
        let title = out.paint(Style::Strong, title);
        format!("\n{title}\n  {webhook_url}\n")
    };
    format!(
        "{title}\n{}{webhook}\n{}{overlap}\n",
        credentials(out, answer),
        once(out)
    )
}

/// What was issued in the place of others.
pub(super) fn issued_anew(out: Terminal, answer: &Value) -> String {
    let id = text(answer, "product_id");
    let title = out.paint(Style::Good, &format!("issued anew for {id}"));
    let overlap = "\nWhat it replaces is accepted until the overlap is over.";
    format!(
        "{title}\n{}\n{}{overlap}\n",
        credentials(out, answer),
        once(out)
    )
}

/// That there is no second time.
fn once(out: Terminal) -> String {
    let once = "Secrets are shown this once; what is lost is issued anew by event-connector products rotate.";
    out.paint(Style::Warning, once)
}

/// Every secret with where it goes. None of it is broken into lines, so that it can be copied.
fn credentials(out: Terminal, answer: &Value) -> String {
    let (secrets, setup) = (&answer["credentials"], &answer["setup"]);
    let bearer = |name: &str| match text(secrets, name) {
        none if none.is_empty() => none,
        secret => format!("Authorization: Bearer {secret}"),
    };
    let ingest_url = match answer["provider"].as_str() {
        Some("amplitude") => text(answer, "amplitude_ingest_url"),
        _ => text(setup, "ingest_url"),
    };
    let stream_url = text(setup, "stream_url");
    let parts = [
        ("the source posts to", ingest_url, bearer("ingest_secret")),
        (
            "the feed is read from",
            stream_url.clone(),
            bearer("stream_key"),
        ),
        ("agents read with", stream_url, bearer("mcp_key")),
        (
            "keep this to register it anew (owner token)",
            String::new(),
            text(secrets, "owner_token"),
        ),
    ];
    let mut lines = String::new();
    for (title, url, secret) in parts.into_iter().filter(|(.., secret)| !secret.is_empty()) {
        lines += &format!("\n{}\n", out.paint(Style::Strong, title));
        let url = Some(url).filter(|url| !url.is_empty());
        let secret = out.paint(Style::Result, &secret);
        lines.extend(url.map(|url| format!("  {url}\n")));
        lines += &format!("  {secret}\n");
    }
    lines
}

/// An invitation, for a person.
pub(super) fn invited(out: Terminal, answer: &Value) -> String {
    let url = out.paint(Style::Result, &text(answer, "url"));
    let until = moment(answer, "expires_at", date);
    format!(
        "{url}\n\nWhoever has this address registers one product with it, until {until}: as the base URL of the SDK, \
         or with POST to it and /products behind it.\n"
    )
}

/// A key, for a person.
pub(super) fn issued_key(out: Terminal, answer: &Value) -> String {
    let key = out.paint(Style::Result, &text(answer, "key"));
    let fields = labelled(
        out,
        INDENT,
        [
            ("key", text(answer, "key_id"), None),
            ("of", text(answer, "product_id"), None),
            ("opens", text(answer, "scope"), None),
            ("for", text(answer, "name"), None),
            ("until", moment(answer, "expires_at", date), None),
        ],
    );
    let once = out.paint(Style::Warning, "It is shown this once.");
    format!("{key}\n\n{fields}\n{once}\n")
}

/// Whether a product is in force, and by whom.
fn state(product: &Value) -> (String, Style) {
    match (text(product, "error"), text(product, "source").as_str()) {
        (error, _) if !error.is_empty() => (format!("not in force: {error}"), Style::Bad),
        _ if !product["deleted_at"].is_null() => ("removed".to_owned(), Style::Faint),
        (_, "list") => ("in the list".to_owned(), Style::Good),
        (_, source) => (source.to_owned(), Style::Good),
    }
}

/// The analytics vendor and its project, as far as they are known.
fn project(product: &Value) -> String {
    let parts = [
        text(product, "provider"),
        text(product, "provider_project_id"),
    ];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    printable(&parts.collect::<Vec<_>>().join(" ")).into_owned()
}

fn moment(value: &Value, name: &str, shown: fn(f64) -> String) -> String {
    value[name].as_f64().map_or_else(String::new, shown)
}
