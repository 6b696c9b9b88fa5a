//! Amplitude HTTP event streaming, with the published template or without (contract 3.2).

use std::borrow::Cow;

use super::json::{Fields, Node, get};
use super::raw::{RawEvent, set};
use crate::domain::action::Provider;

/// What Amplitude's own names begin with.
const VENDOR_PREFIX: &str = "[Amplitude] ";

/// Reads one raw event; `None` unless it is an object.
pub(crate) fn read<'n>(body: &'n Node<'n>) -> Option<RawEvent<'n>> {
    let fields = body.as_object()?;
    let mut raw = RawEvent::new(Provider::Amplitude, body);
    for (key, value) in fields {
        match &**key {
            "event_type" => set(&mut raw.name, value),
            "uuid" | "insert_id" | "$insert_id" => set(&mut raw.unique_id, value),
            "user_id" => set(&mut raw.user, value),
            "device_id" => set(&mut raw.device, value),
            "session_id" => set(&mut raw.session, value),
            "time" => _ = raw.times[0].get_or_insert(value),
            "event_time" => _ = raw.times[1].get_or_insert(value),
            _ => {}
        }
    }
    // 0 and -1 mean that there is no session (contract 3.2).
    if raw
        .session
        .as_deref()
        .is_none_or(|id| matches!(id.trim(), "0" | "-1"))
    {
        raw.session = raw.device.clone();
    }
    if let Some(Node::Object(properties)) = get(fields, "event_properties") {
        read_properties(&mut raw, properties);
    }
    rename(&mut raw);
    // The template falls back to the page's title where an element has no text.
    if raw.page_title.is_some() && same(raw.vendor_texts[1].as_deref(), raw.page_title.as_deref()) {
        raw.vendor_texts[1] = None;
    }
    raw.add_email(get(fields, "event_properties"));
    let properties = get(fields, "user_properties");
    raw.add_email(properties);
    raw.add_said(properties, false);
    Some(raw)
}

fn read_properties<'n>(raw: &mut RawEvent<'n>, properties: &'n Fields<'n>) {
    for (key, value) in properties {
        if let Some(key) = key.strip_prefix('$') {
            if key == "elements_chain" {
                set(&mut raw.element_path, value);
            } else {
                raw.set_element(key, value);
            }
        }
    }
    for (key, value) in properties {
        match key.strip_prefix(VENDOR_PREFIX) {
            Some("Page URL") => set(&mut raw.url, value),
            Some("Page Title") => set(&mut raw.page_title, value),
            Some("Element Text") => set(&mut raw.vendor_texts[2], value),
            Some("Element Tag") => set(&mut raw.element_tag, value),
            Some("Element ID") => set(&mut raw.element_id, value),
            _ => {}
        }
    }
}

/// Gives the vendor's own names of what the template would have renamed the template's names.
fn rename(raw: &mut RawEvent<'_>) {
    let (name, interaction) = match raw
        .name
        .as_deref()
        .and_then(|name| name.trim().strip_prefix(VENDOR_PREFIX))
    {
        Some("Page Viewed") => ("$pageview", None),
        Some("Element Clicked") => ("$autocapture", Some("click")),
        Some("Element Changed") => ("$autocapture", Some("change")),
        _ => return,
    };
    raw.name = Some(Cow::Borrowed(name));
    raw.interaction = interaction.map(Cow::Borrowed);
}

fn same(a: Option<&str>, b: Option<&str>) -> bool {
    a.map(str::trim) == b.map(str::trim)
}
