//! What to call the element something was done to (contract 3.6.2).

use std::borrow::Cow;

use super::chain::{Element, Elements, elements};
use super::raw::RawEvent;
use super::text::{humanise, presentable};

/// What kind of thing an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    Button,
    Link,
    Field,
    Checkbox,
    Radio,
    Dropdown,
    Form,
    Tab,
    MenuItem,
    Switch,
}

impl Noun {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::Link => "link",
            Self::Field => "field",
            Self::Checkbox => "checkbox",
            Self::Radio => "radio",
            Self::Dropdown => "dropdown",
            Self::Form => "form",
            Self::Tab => "tab",
            Self::MenuItem => "menu item",
            Self::Switch => "switch",
        }
    }

    /// Whether it holds a value, so that its own text may be what the user entered.
    fn is_field_like(self) -> bool {
        matches!(self, Self::Field) || self.holds_choice()
    }

    /// Whether its value is chosen rather than typed.
    pub(crate) fn holds_choice(self) -> bool {
        matches!(
            self,
            Self::Dropdown | Self::Checkbox | Self::Radio | Self::Switch
        )
    }

    /// Whether the word alone names it well enough.
    pub(crate) fn stands_alone(self) -> bool {
        self == Self::Form || self.is_field_like()
    }
}

/// An element's name, in its two parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Label<'a> {
    /// What it says or is called.
    pub(crate) text: Option<Cow<'a, str>>,
    /// What it is.
    pub(crate) noun: Option<Noun>,
}

/// Names the element of a raw event. Values the user entered are never part of it.
pub(crate) fn describe<'a>(raw: &'a RawEvent<'_>) -> Label<'a> {
    match raw
        .chain
        .as_deref()
        .filter(|chain| chain.contains("=\""))
        .and_then(Target::find)
    {
        Some(target) => target.describe(raw),
        None => describe_without_chain(raw),
    }
}

/// Only the vendor's own extraction is left, and a leading tag in what should be a chain.
fn describe_without_chain<'a>(raw: &'a RawEvent<'_>) -> Label<'a> {
    let leading = raw
        .chain
        .as_deref()
        .and_then(|chain| elements(chain).next());
    let tag = raw
        .element_tag
        .as_deref()
        .or(leading.as_ref().map(Element::tag));
    let noun = tag.and_then(|tag| noun_of_tag(tag.trim(), None));
    let text = match noun {
        Some(noun) if noun.stands_alone() => None,
        _ => vendor_text(raw),
    };
    let named = || {
        let names = [&raw.element_name, &raw.element_id];
        names.into_iter().flatten().find_map(|name| name_text(name))
    };
    Label {
        text: text.or_else(named),
        noun,
    }
}

fn vendor_text<'a>(raw: &'a RawEvent<'_>) -> Option<Cow<'a, str>> {
    raw.vendor_texts
        .iter()
        .flatten()
        .find_map(|text| presentable(text))
}

/// Text from an identifier.
fn name_text(identifier: &str) -> Option<Cow<'static, str>> {
    let words = humanise(identifier);
    presentable(&words).map(|text| Cow::Owned(text.into_owned()))
}

/// The element that was hit, and the one that reacts to it.
struct Target<'a> {
    chain: &'a str,
    hit: Element<'a>,
    /// The nearest interactive ancestor, when the hit element is not interactive itself.
    control: Option<Element<'a>>,
    /// What comes after them.
    ancestors: Elements<'a>,
}

impl<'a> Target<'a> {
    fn find(chain: &'a str) -> Option<Self> {
        let mut ancestors = elements(chain);
        let hit = ancestors.next()?;
        let control = if is_interactive(&hit) || is_form_or_label(&hit) {
            None
        } else {
            ancestors.find(is_interactive)
        };
        Some(Self {
            chain,
            hit,
            control,
            ancestors,
        })
    }

    fn describe<'r>(&self, raw: &'r RawEvent<'_>) -> Label<'r> {
        let noun = noun_of(self.control.as_ref().unwrap_or(&self.hit));
        let text = match noun {
            Some(Noun::Form) => self
                .own("attr__aria-label")
                .or_else(|| self.name_or_id(raw)),
            Some(noun) if noun.is_field_like() => self.field_text(raw),
            _ => self.element_text(raw),
        };
        let text = text.map(|text| Cow::Owned(text.into_owned()));
        // The vendor's own extraction may belong to an ancestor, so it comes last.
        let vendor = || {
            if noun.is_some_and(Noun::stands_alone) {
                None
            } else {
                vendor_text(raw)
            }
        };
        Label {
            text: text.or_else(vendor),
            noun,
        }
    }

    fn field_text(&self, raw: &RawEvent<'_>) -> Option<Cow<'_, str>> {
        self.own("attr__aria-label")
            .or_else(|| self.label_text().map(Cow::Owned))
            .or_else(|| self.own("attr__placeholder"))
            .or_else(|| self.own("attr__title"))
            .or_else(|| self.name_or_id(raw))
    }

    fn element_text(&self, raw: &RawEvent<'_>) -> Option<Cow<'_, str>> {
        ["text", "attr__aria-label", "attr__title", "attr__alt"]
            .into_iter()
            .find_map(|key| self.own(key))
            .or_else(|| self.button_value())
            .or_else(|| self.name_or_id(raw))
    }

    /// An attribute of the hit element or of the one that reacts.
    fn own(&self, key: &str) -> Option<Cow<'_, str>> {
        self.both()
            .find_map(|element| presentable(element.attribute(key)?))
    }

    fn both(&self) -> impl Iterator<Item = &Element<'a>> {
        std::iter::once(&self.hit).chain(&self.control)
    }

    /// The text of the label that encloses a field.
    fn label_text(&self) -> Option<String> {
        self.ancestors
            .clone()
            .filter(|element| element.tag().eq_ignore_ascii_case("label"))
            .find_map(|label| Some(presentable(label.attribute("text")?)?.into_owned()))
    }

    /// The value of a push button is its caption; every other value is the user's.
    fn button_value(&self) -> Option<Cow<'_, str>> {
        let is_push_button = |element: &&Element<'a>| {
            element.tag().eq_ignore_ascii_case("input")
                && element.attribute("attr__type").is_some_and(|kind| {
                    ["submit", "button", "reset"]
                        .iter()
                        .any(|push| kind.eq_ignore_ascii_case(push))
                })
        };
        self.both()
            .filter(is_push_button)
            .find_map(|element| presentable(element.attribute("attr__value")?))
    }

    fn name_or_id(&self, raw: &RawEvent<'_>) -> Option<Cow<'_, str>> {
        [
            ("attr__name", &raw.element_name),
            ("attr__id", &raw.element_id),
        ]
        .into_iter()
        .find_map(|(key, vendor)| {
            let own = self
                .both()
                .find_map(|element| name_text(element.attribute(key)?));
            own.or_else(|| {
                // The vendor takes the first in the whole chain, so that a page's root element
                // would name everything nameless in it.
                let vendor = vendor.as_deref()?;
                let is_ancestors =
                    elements(self.chain).any(|element| element.attribute(key) == Some(vendor));
                if is_ancestors {
                    None
                } else {
                    name_text(vendor)
                }
            })
        })
    }
}

fn is_form_or_label(element: &Element<'_>) -> bool {
    ["form", "label"]
        .iter()
        .any(|tag| element.tag().eq_ignore_ascii_case(tag))
}

fn is_interactive(element: &Element<'_>) -> bool {
    const TAGS: [&str; 6] = ["a", "button", "input", "select", "textarea", "summary"];
    TAGS.iter()
        .any(|tag| element.tag().eq_ignore_ascii_case(tag))
        || element
            .attribute("attr__role")
            .and_then(noun_of_role)
            .is_some()
        || is_editable(element)
}

/// A region the user writes into is a field even where its tag does not say so.
fn is_editable(element: &Element<'_>) -> bool {
    element
        .attribute("attr__contenteditable")
        .is_some_and(|value| !value.trim().eq_ignore_ascii_case("false"))
}

/// The noun for an element; its role wins over its tag.
fn noun_of(element: &Element<'_>) -> Option<Noun> {
    element
        .attribute("attr__role")
        .and_then(noun_of_role)
        .or_else(|| noun_of_tag(element.tag(), element.attribute("attr__type")))
        .or_else(|| is_editable(element).then_some(Noun::Field))
}

fn noun_of_tag(tag: &str, kind: Option<&str>) -> Option<Noun> {
    if tag.eq_ignore_ascii_case("input") {
        return Some(noun_of_input(kind.unwrap_or_default()));
    }
    [
        ("button", Noun::Button),
        ("summary", Noun::Button),
        ("a", Noun::Link),
        ("textarea", Noun::Field),
        ("select", Noun::Dropdown),
        ("form", Noun::Form),
    ]
    .into_iter()
    .find(|(name, _)| tag.eq_ignore_ascii_case(name))
    .map(|(_, noun)| noun)
}

fn noun_of_input(kind: &str) -> Noun {
    [
        ("submit", Noun::Button),
        ("button", Noun::Button),
        ("reset", Noun::Button),
        ("image", Noun::Button),
        ("checkbox", Noun::Checkbox),
        ("radio", Noun::Radio),
    ]
    .into_iter()
    .find(|(name, _)| kind.trim().eq_ignore_ascii_case(name))
    .map_or(Noun::Field, |(_, noun)| noun)
}

fn noun_of_role(role: &str) -> Option<Noun> {
    [
        ("button", Noun::Button),
        ("link", Noun::Link),
        ("tab", Noun::Tab),
        ("menuitem", Noun::MenuItem),
        ("checkbox", Noun::Checkbox),
        ("radio", Noun::Radio),
        ("switch", Noun::Switch),
        ("textbox", Noun::Field),
        ("searchbox", Noun::Field),
    ]
    .into_iter()
    .find(|(name, _)| role.trim().eq_ignore_ascii_case(name))
    .map(|(_, noun)| noun)
}
