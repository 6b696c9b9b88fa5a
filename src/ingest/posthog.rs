//! PostHog in all its shapes: hog destination, native webhook, capture (contract 3.1).

use super::json::{Fields, Node, get};
use super::raw::{RawEvent, chain_text, set, text};
use crate::domain::action::Provider;

/// Reads one raw event; `None` unless it is an object.
pub(crate) fn read<'n>(body: &'n Node<'n>) -> Option<RawEvent<'n>> {
    let outer = body.as_object()?;
    let mut raw = RawEvent::new(Provider::Posthog, body);
    let inner = match get(outer, "event") {
        // The native webhook wraps the event; its older builds call the name `name`.
        Some(Node::Object(inner)) => {
            raw.name = get(inner, "event")
                .and_then(text)
                .or_else(|| get(inner, "name").and_then(text));
            inner
        }
        name => {
            raw.name = name.and_then(text);
            outer
        }
    };
    for (key, value) in inner {
        set_field(&mut raw, key.strip_prefix('$').unwrap_or(key), value);
    }
    let properties = get(inner, "properties").and_then(Node::as_object);
    if let Some(properties) = properties {
        read_properties(&mut raw, properties);
    }
    read_person(&mut raw, outer, inner, properties);
    Some(raw)
}

/// Lifts `properties.$key` to the top (contract 3.5). Keys without the dollar sign are the
/// product's own and mean nothing to us, except those that PostHog itself reads.
fn read_properties<'n>(raw: &mut RawEvent<'n>, properties: &'n Fields<'n>) {
    for (key, value) in properties {
        match &**key {
            "$user_id" => set(&mut raw.identified_user, value),
            "distinct_id" => set(&mut raw.user, value),
            "title" => set(&mut raw.page_title, value),
            key => {
                if let Some(key) = key.strip_prefix('$') {
                    set_field(raw, key, value);
                }
            }
        }
    }
}

fn set_field<'n>(raw: &mut RawEvent<'n>, key: &str, value: &'n Node<'n>) {
    match key {
        "timestamp" => _ = raw.times[0].get_or_insert(value),
        "time" => _ = raw.times[1].get_or_insert(value),
        "uuid" => set(&mut raw.unique_id, value),
        "session_id" => set(&mut raw.session, value),
        "distinct_id" => set(&mut raw.user, value),
        "screen_name" => set(&mut raw.screen, value),
        "elements_chain" if raw.chain.is_none() => raw.chain = chain_text(value),
        _ => _ = raw.set_element(key, value),
    }
}

/// Collects what is said of the user: e-mail addresses in the order of contract 3.6.7, and properties.
fn read_person<'n>(
    raw: &mut RawEvent<'n>,
    outer: &'n Fields<'n>,
    inner: &'n Fields<'n>,
    properties: Option<&'n Fields<'n>>,
) {
    let own = [Some(inner), properties];
    raw.emails.extend(
        own.iter()
            .flatten()
            .filter_map(|fields| super::raw::email_of(fields)),
    );
    for fields in [outer, inner] {
        if let Some(person) = get(fields, "person").and_then(Node::as_object) {
            let properties = get(person, "properties");
            raw.add_email(properties);
            raw.add_said(properties, false);
        }
        if std::ptr::eq(outer, inner) {
            break;
        }
    }
    for fields in own.into_iter().flatten() {
        raw.add_said(get(fields, "$set_once"), true);
        let properties = get(fields, "$set");
        raw.add_email(properties);
        raw.add_said(properties, false);
    }
}
