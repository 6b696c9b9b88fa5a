//! One raw event of any provider, its fields flattened to one set of names (contract 3.5). The
//! adapters fill it and everything after them reads nothing else.

use std::borrow::Cow;

use super::chain::CHAIN_BYTES_MAX;
use super::json::{Fields, Node, get};
use super::text::{STRING_CHARS_MAX, cut_bytes, cut_chars};
use crate::domain::action::Provider;

/// A text field; `None` when it is absent, blank, or of a type that has no text form.
pub(crate) type Text<'n> = Option<Cow<'n, str>>;

/// An object of user properties.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'n> {
    /// The properties.
    pub(crate) fields: &'n Fields<'n>,
    /// Whether they count only where nothing has been said before.
    pub(crate) once: bool,
}

/// A raw event.
#[derive(Debug)]
pub(crate) struct RawEvent<'n> {
    /// Who sent it.
    pub(crate) provider: Provider,
    /// The whole of it as sent, for telling redeliveries.
    pub(crate) body: &'n Node<'n>,
    /// The provider's name for what happened, e.g. `$autocapture`.
    pub(crate) name: Text<'n>,
    /// What was done to an element, e.g. `click`.
    pub(crate) interaction: Text<'n>,
    /// Unique per raw event, stable over redeliveries.
    pub(crate) unique_id: Text<'n>,
    /// When it happened, best candidate first.
    pub(crate) times: [Option<&'n Node<'n>>; 2],
    /// The browsing session.
    pub(crate) session: Text<'n>,
    /// The device, where the provider numbers devices.
    pub(crate) device: Text<'n>,
    /// The identified user, where the provider tells that apart from the distinct id.
    pub(crate) identified_user: Text<'n>,
    /// The user, possibly anonymous.
    pub(crate) user: Text<'n>,
    /// Candidates for the e-mail address, best first; not yet checked.
    pub(crate) emails: Vec<&'n str>,
    /// What is said of the user; not yet checked.
    pub(crate) said: Vec<Said<'n>>,
    /// The page.
    pub(crate) url: Text<'n>,
    /// The page's title.
    pub(crate) page_title: Text<'n>,
    /// The screen of a native app, which has no URL.
    pub(crate) screen: Text<'n>,
    /// The element and its ancestors in PostHog's notation.
    pub(crate) chain: Text<'n>,
    /// The element's CSS path, which says nothing we can name.
    pub(crate) element_path: Text<'n>,
    /// The element's tag where there is no chain.
    pub(crate) element_tag: Text<'n>,
    /// The element's `id`, possibly an ancestor's.
    pub(crate) element_id: Text<'n>,
    /// The element's `name`, possibly an ancestor's.
    pub(crate) element_name: Text<'n>,
    /// The element's text as the vendor extracted it, best first (contract 3.6.2).
    pub(crate) vendor_texts: [Text<'n>; 5],
}

impl<'n> RawEvent<'n> {
    /// A raw event that says nothing yet.
    pub(crate) fn new(provider: Provider, body: &'n Node<'n>) -> Self {
        Self {
            provider,
            body,
            name: None,
            interaction: None,
            unique_id: None,
            times: [None; 2],
            session: None,
            device: None,
            identified_user: None,
            user: None,
            emails: Vec::new(),
            said: Vec::new(),
            url: None,
            page_title: None,
            screen: None,
            chain: None,
            element_path: None,
            element_tag: None,
            element_id: None,
            element_name: None,
            vendor_texts: [const { None }; 5],
        }
    }

    /// Sets the element field of that flattened name, unless it is set already; whether the name
    /// is one.
    pub(crate) fn set_element(&mut self, name: &str, value: &'n Node<'n>) -> bool {
        let slot = match name {
            "event_type" => &mut self.interaction,
            "current_url" => &mut self.url,
            "element_id" => &mut self.element_id,
            "element_tag" => &mut self.element_tag,
            "input_field_name" => &mut self.element_name,
            "button_or_link_text" => &mut self.vendor_texts[0],
            "button_text" => &mut self.vendor_texts[1],
            "el_text" => &mut self.vendor_texts[2],
            "target_text" => &mut self.vendor_texts[3],
            "element_name" => &mut self.vendor_texts[4],
            _ => return false,
        };
        set(slot, value);
        true
    }

    /// Adds the `email` of an object of properties, when there is one.
    pub(crate) fn add_email(&mut self, properties: Option<&'n Node<'n>>) {
        let email = properties.and_then(Node::as_object).and_then(email_of);
        self.emails.extend(email);
    }

    /// Adds an object of user properties, when there is one.
    pub(crate) fn add_said(&mut self, properties: Option<&'n Node<'n>>, once: bool) {
        let fields = properties.and_then(Node::as_object);
        let fields = fields.filter(|fields| !fields.is_empty());
        self.said.extend(fields.map(|fields| Said { fields, once }));
    }

    /// Whether the raw event says anything about an element.
    pub(crate) fn has_element(&self) -> bool {
        self.chain.is_some()
            || self.element_path.is_some()
            || self.vendor_texts.iter().any(Option::is_some)
    }
}

/// The text under `email`, when it is text.
pub(crate) fn email_of<'n>(properties: &'n Fields<'n>) -> Option<&'n str> {
    match get(properties, "email") {
        Some(Node::Text(email)) => Some(email),
        _ => None,
    }
}

/// Sets `slot` from `value`, unless it is set already.
pub(crate) fn set<'n>(slot: &mut Text<'n>, value: &'n Node<'n>) {
    if slot.is_none() {
        *slot = text(value);
    }
}

/// The text of a value: numbers and booleans become text, arrays and objects are absent, so is
/// blank text; NUL is removed and the length bounded (contract 3.4).
pub(crate) fn text<'n>(value: &'n Node<'n>) -> Text<'n> {
    match value {
        Node::Text(text) => bounded(text, |text| cut_chars(text, STRING_CHARS_MAX)),
        Node::Number(number) => Some(Cow::Owned(number.to_string())),
        Node::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

/// The text of an element chain, which may be longer than other strings.
pub(crate) fn chain_text<'n>(value: &'n Node<'n>) -> Text<'n> {
    match value {
        Node::Text(text) => bounded(text, |text| cut_bytes(text, CHAIN_BYTES_MAX)),
        _ => None,
    }
}

fn bounded<'n>(text: &'n str, cut: impl Fn(&str) -> &str) -> Text<'n> {
    let blank = text.chars().all(|c| c == '\0' || c.is_whitespace());
    if blank {
        None
    } else if text.contains('\0') {
        Some(Cow::Owned(cut(&text.replace('\0', "")).to_owned()))
    } else {
        Some(Cow::Borrowed(cut(text)))
    }
}
