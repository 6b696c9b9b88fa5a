//! Titles and descriptions (contract 3.6.4), in the two styles a product may choose from.

use super::filter::Gesture;
use super::label::{Label, Noun};
use super::settings::Wording;
use super::text::title_case;
use crate::domain::action::ActionType;

/// A title and a whole sentence.
pub(crate) type Words = (String, String);

/// The wire type of an action.
pub(crate) fn action_type(gesture: Gesture) -> ActionType {
    match gesture {
        Gesture::Pageview => ActionType::Pageview,
        Gesture::Click | Gesture::RageClick => ActionType::Click,
        Gesture::Submit => ActionType::Submit,
        Gesture::Change | Gesture::Keydown => ActionType::Type,
        Gesture::Focus => ActionType::Focus,
        Gesture::Blur => ActionType::Blur,
        Gesture::Custom => ActionType::Custom,
    }
}

/// Words for opening `page`, given in lower case.
pub(crate) fn pageview(wording: Wording, page: &str) -> Words {
    match wording {
        Wording::Standard => (
            format!("Page Load: {}", title_case(page)),
            format!("User landed on the {page} page"),
        ),
        Wording::Quoted => (
            format!("Opened '{}'", title_case(page)),
            format!("The user opened the {page} page"),
        ),
    }
}

/// Words for an event of the product's own.
pub(crate) fn custom(wording: Wording, name: &str, page: Option<&str>) -> Words {
    let place = place(page);
    match wording {
        Wording::Standard => (name.to_owned(), format!("User triggered {name}{place}")),
        Wording::Quoted => (
            name.to_owned(),
            format!("The user triggered '{name}'{place}"),
        ),
    }
}

/// Words for something done to an element.
pub(crate) fn interaction(
    wording: Wording,
    gesture: Gesture,
    label: &Label<'_>,
    page: Option<&str>,
) -> Words {
    let Verbs { present, past } = verbs(gesture, label.noun);
    let place = place(page);
    match wording {
        Wording::Standard => {
            let label = plain(label);
            (
                format!("{present} {label}"),
                format!("User {past} {label}{place}"),
            )
        }
        Wording::Quoted => {
            let mut title = format!("{past} {}", quoted_text(label));
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            (title, format!("The user {past} {}{place}", quoted(label)))
        }
    }
}

struct Verbs {
    present: &'static str,
    past: &'static str,
}

fn verbs(gesture: Gesture, noun: Option<Noun>) -> Verbs {
    let (present, past) = match gesture {
        Gesture::RageClick => ("Rage click", "rage-clicked"),
        Gesture::Submit => ("Submit", "submitted"),
        Gesture::Change if noun.is_some_and(Noun::holds_choice) => ("Change", "changed"),
        Gesture::Change | Gesture::Keydown => ("Type in", "typed in"),
        Gesture::Focus => ("Focus", "focused"),
        Gesture::Blur => ("Leave", "left"),
        Gesture::Click | Gesture::Pageview | Gesture::Custom => ("Click", "clicked"),
    };
    Verbs { present, past }
}

fn place(page: Option<&str>) -> String {
    page.map(|page| format!(" on the {page} page"))
        .unwrap_or_default()
}

/// Text and noun; the noun is not repeated, and without text only some nouns say enough.
fn plain(label: &Label<'_>) -> String {
    match (&label.text, label.noun) {
        (Some(text), Some(noun)) if ends_with_word(text, noun.as_str()) => text.to_string(),
        (Some(text), Some(noun)) => format!("{text} {}", noun.as_str()),
        (Some(text), None) => text.to_string(),
        (None, noun) => nameless(noun).to_owned(),
    }
}

/// The text alone, in quotes.
fn quoted_text(label: &Label<'_>) -> String {
    match &label.text {
        Some(text) => format!("'{text}'"),
        None => nameless(label.noun).to_owned(),
    }
}

/// The quoted text with its article and noun.
fn quoted(label: &Label<'_>) -> String {
    match (&label.text, label.noun) {
        (Some(text), Some(noun)) if !ends_with_word(text, noun.as_str()) => {
            format!("the '{text}' {}", noun.as_str())
        }
        (Some(text), _) => format!("'{text}'"),
        (None, noun) => format!("the {}", nameless(noun)),
    }
}

fn nameless(noun: Option<Noun>) -> &'static str {
    noun.filter(|noun| noun.stands_alone())
        .map_or("element", Noun::as_str)
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let Some(start) = text.len().checked_sub(word.len()) else {
        return false;
    };
    let before = text.get(..start).unwrap_or("x");
    text.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
        && !before.ends_with(char::is_alphanumeric)
}
